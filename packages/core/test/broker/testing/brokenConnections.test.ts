/** What the suite is worth: each of these buses breaks one promise, and the test of that promise says so. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { type Broken, type Bus, fails, heedless, local } from "./broken.ts"

type Faulted = Faulty.FaultyMessageBus["Service"]

const basic = "a message reaches listeners of every connection once, and its publisher is told once"

describe.concurrent("the suite fails for a bus whose connection", () => {
  fails("cannot be made", () => ({
    test: basic,
    says: /no such host/,
    options: { connect: Effect.fail(new Error("no such host")) }
  }))

  fails("hangs", () => ({
    test: basic,
    says: /ms were not enough: waited in vain for a connection/,
    options: { connect: Effect.never }
  }))

  fails("hangs when it closes, and the test has failed before", () => {
    const broker = { ...Effect.runSync(local), failure: () => PsrpcError.fromCode("unavailable") }
    const connect = Effect.acquireRelease(Effect.succeed(broker), () => Effect.never)
    return { test: basic, says: /a connection that works says that it does not/, options: { connect } }
  })

  fails("forgets what was published when it closes", () => {
    const broker = Effect.runSync(local)
    let isOpen = true
    const connect = Effect.acquireRelease(
      Effect.succeed({
        ...broker,
        publishUnsafe: (...[target, message, expiry, delivery]: Parameters<Bus["publishUnsafe"]>) =>
          void setTimeout(() => isOpen && broker.publishUnsafe(target, message, expiry, delivery), 1)
      }),
      () =>
        Effect.sync(() => {
          isOpen = false
        })
    )
    return {
      test: "closing a connection under load tells every message its fate",
      says: /waited in vain for the fate of each message to be told/,
      options: { connect }
    }
  })

  /** Faulty buses that are disconnected in an outage, each with a flaw. */
  const broken = (test: string, says: RegExp, flaw: (bus: Faulted) => Partial<Bus>): (() => Broken) => {
    return () => {
      const broker = Effect.runSync(local)
      const open = new Set<Faulted>()
      const connect = Effect.map(Faulty.make(broker), (bus) => {
        open.add(bus)
        return { ...bus, ...flaw(bus) }
      })
      const all = (change: (bus: Faulted) => Effect.Effect<void, unknown>): Effect.Effect<void> =>
        Effect.orDie(Effect.suspend(() => Effect.forEach([...open], change, { discard: true })))
      const outage = Effect.acquireRelease(
        all(({ disconnect }) => disconnect),
        () => all(({ reconnect }) => reconnect)
      )
      return { test, says, options: { connect, outage } }
    }
  }

  const waits = "during an outage messages wait, and arrive in order when it is over"
  const expires = "during an outage a message waits no longer than until it expires, and is not sent later"
  const unwanted = "during an outage a message that is not wanted any more is given up"
  const back = "after an outage every subscription is back, and what was asked for meanwhile is there"
  const certain =
    "what is under way when the connection breaks is never sent twice, and its publisher is told what is known"

  fails(
    "says nothing of an outage",
    broken(waits, /waited in vain for the outage to be noticed/, () => ({ failure: () => undefined }))
  )

  fails(
    "tells of an outage at once, instead of waiting",
    broken(waits, /messages whose fate was told during the outage: expected 0, got 400/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) => {
        const failure = bus.failure()
        if (failure === undefined) bus.publishUnsafe(target, message, expiry, delivery)
        else delivery.undelivered(failure)
      }
    }))
  )

  fails(
    "loses what waits",
    broken(waits, /waited in vain for 200 messages to arrive: got 0/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) => {
        if (bus.failure() === undefined) return bus.publishUnsafe(target, message, expiry, delivery)
        const timer = setInterval(() => {
          if (bus.failure() !== undefined) return
          clearInterval(timer)
          delivery.delivered(1)
        }, 1)
      }
    }))
  )

  fails(
    "never lets a message expire",
    broken(expires, /waited in vain for the fate of each message to be told/, (bus) => ({
      publishUnsafe: (target, message, _expiry, delivery) => bus.publishUnsafe(target, message, Infinity, delivery)
    }))
  )

  fails(
    "tells of the expiry, and sends it later",
    broken(expires, /what arrived: expected \["kept", "end"\], got \["kept", "0"/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) => {
        const left = expiry - Date.now()
        if (left > 1000) return bus.publishUnsafe(target, message, expiry, delivery)
        bus.publishUnsafe(target, message, Infinity, heedless)
        const options = { mayHaveRun: false, reason: "connection" } as const
        setTimeout(() => delivery.undelivered(PsrpcError.fromCode("unavailable", options)), left)
      }
    }))
  )

  fails(
    "sends what is not wanted any more",
    broken(unwanted, /what arrived: expected \["kept", "end"\], got \["kept", "0"/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, { ...heedless, delivered: (count) => delivery.delivered(count) })
    }))
  )

  fails(
    "loses subscriptions",
    broken(back, /waited in vain for "50" to arrive/, (bus) => {
      let count = 0
      return {
        subscribe: (channel, listener, options) => {
          const isForgetful = ++count === 51
          let isOver = false
          return bus.subscribe(
            channel,
            (message) => {
              if (isForgetful) isOver = true
              if (!isOver) listener(message)
            },
            options
          )
        }
      }
    })
  )

  fails(
    "sends again what it sent before",
    broken(certain, /messages that arrived twice: expected 0, got \d+/, (bus) => {
      let last: Parameters<Bus["publishUnsafe"]> | undefined
      return {
        publishUnsafe: (...args) => {
          if (bus.failure() !== undefined && last !== undefined) {
            bus.publishUnsafe(last[0], last[1], last[2], heedless)
            last = undefined
          } else if (bus.failure() === undefined) last = args
          bus.publishUnsafe(...args)
        }
      }
    })
  )

  fails(
    "says that a message has not left which has",
    broken(certain, /messages that arrived and were said not to have left: expected \[\], got \[/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) => {
        if (bus.failure() === undefined) return bus.publishUnsafe(target, message, expiry, delivery)
        bus.publishUnsafe(target, message, expiry, heedless)
        delivery.undelivered(PsrpcError.fromCode("unavailable", { mayHaveRun: false }))
      }
    }))
  )

  fails(
    "leaves what waits when it closes",
    broken(
      "closing a connection during an outage tells every message its fate",
      /waited in vain for the fate of each message to be told/,
      (bus) => ({
        publishUnsafe: (target, message, expiry, delivery) =>
          bus.publishUnsafe(target, message, expiry, bus.failure() === undefined ? delivery : heedless)
      })
    )
  )
})
