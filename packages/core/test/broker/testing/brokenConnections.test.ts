/** Each of these buses breaks one promise, and the test of that promise fails. */
import { describe } from "@effect/vitest"
import { Effect } from "effect"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { type Broken, type Bus, fails, ignoreOutcome, local } from "./broken.ts"

type Faulted = Faulty.FaultyMessageBus["Service"]

const basic = "a message reaches the listeners of every connection once, and its outcome is reported once"

describe.concurrent("the suite fails for a bus whose connection", () => {
  fails("cannot be made", () => ({
    test: basic,
    message: /no such host/,
    options: { connect: Effect.fail(new Error("no such host")) }
  }))

  fails("hangs", () => ({
    test: basic,
    message: /no progress, waiting for a connection/,
    options: { connect: Effect.never }
  }))

  fails("hangs when it closes, after the test has failed", () => {
    const broker = { ...Effect.runSync(local), failure: () => PsrpcError.fromCode("unavailable") }
    const connect = Effect.acquireRelease(Effect.succeed(broker), () => Effect.never)
    return { test: basic, message: /failure\(\) of a working connection returned an error/, options: { connect } }
  })

  fails("reports nothing of its messages when it closes", () => {
    const broker = Effect.runSync(local)
    // the last 100 messages wait for later ones
    const waiting: Array<Parameters<Bus["publishUnsafe"]>> = []
    const connect = Effect.succeed({
      ...broker,
      publishUnsafe: (...args: Parameters<Bus["publishUnsafe"]>) => {
        if (waiting.push(args) > 100) broker.publishUnsafe(...waiting.shift()!)
      }
    })
    return {
      test: "closing a connection under load reports the outcome of every message",
      message: /waiting for the outcome of each message to be reported/,
      options: { connect }
    }
  })

  /** Faulty buses that an outage disconnects, with a flaw. */
  const broken = (test: string, message: RegExp, flaw: (bus: Faulted) => Partial<Bus>): (() => Broken) => {
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
      return { test, message, options: { connect, outage } }
    }
  }

  const queueing = "during an outage messages are queued, and arrive in order after it"
  const expiring = "during an outage a message is reported when it expires, and is not sent later"
  const canceling = "during an outage a canceled message is dropped"
  const restoring = "after an outage all subscriptions are restored, including those requested during it"
  const inFlight = "messages in flight when the connection breaks are not sent twice, and their outcomes are reported"

  fails(
    "does not report an outage",
    broken(queueing, /waiting for failure\(\) to report the outage/, () => ({ failure: () => undefined }))
  )

  fails(
    "does not queue messages during an outage",
    broken(queueing, /outcomes that were reported during the outage: expected 0, got 400/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) => {
        const failure = bus.failure()
        if (failure === undefined) bus.publishUnsafe(target, message, expiry, delivery)
        else delivery.undelivered(failure)
      }
    }))
  )

  fails(
    "loses queued messages",
    broken(queueing, /waiting for 200 messages to arrive: received 0/, (bus) => ({
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
    broken(expiring, /waiting for the outcome of each message to be reported/, (bus) => ({
      publishUnsafe: (target, message, _expiry, delivery) => bus.publishUnsafe(target, message, Infinity, delivery)
    }))
  )

  fails(
    "reports an expired message, and sends it later",
    broken(expiring, /messages that arrived: expected \["kept", "end"\], got \["kept", "0"/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) => {
        const left = expiry - Date.now()
        if (left > 1000) return bus.publishUnsafe(target, message, expiry, delivery)
        bus.publishUnsafe(target, message, Infinity, ignoreOutcome)
        const options = { mayHaveRun: false, reason: "connection" } as const
        setTimeout(() => delivery.undelivered(PsrpcError.fromCode("unavailable", options)), left)
      }
    }))
  )

  fails(
    "sends canceled messages",
    broken(canceling, /messages that arrived: expected \["kept", "end"\], got \["kept", "0"/, (bus) => ({
      publishUnsafe: (target, message, expiry, delivery) =>
        bus.publishUnsafe(target, message, expiry, {
          ...ignoreOutcome,
          delivered: (count) => delivery.delivered(count)
        })
    }))
  )

  fails(
    "loses subscriptions",
    broken(restoring, /waiting for "50" to arrive/, (bus) => {
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
    "sends a message again after a reconnect",
    broken(inFlight, /messages that arrived twice: expected 0, got \d+/, (bus) => {
      let last: Parameters<Bus["publishUnsafe"]> | undefined
      return {
        publishUnsafe: (...args) => {
          if (bus.failure() !== undefined && last !== undefined) {
            bus.publishUnsafe(last[0], last[1], last[2], ignoreOutcome)
            last = undefined
          } else if (bus.failure() === undefined) last = args
          bus.publishUnsafe(...args)
        }
      }
    })
  )

  fails(
    "reports mayHaveRun false for a message that it has sent",
    broken(
      inFlight,
      /messages that arrived, and were reported with mayHaveRun false: expected \[\], got \[/,
      (bus) => ({
        publishUnsafe: (target, message, expiry, delivery) => {
          if (bus.failure() === undefined) return bus.publishUnsafe(target, message, expiry, delivery)
          bus.publishUnsafe(target, message, expiry, ignoreOutcome)
          delivery.undelivered(PsrpcError.fromCode("unavailable", { mayHaveRun: false }))
        }
      })
    )
  )

  fails(
    "reports nothing of queued messages when it closes",
    broken(
      "closing a connection during an outage reports the outcome of every message",
      /waiting for the outcome of each message to be reported/,
      (bus) => ({
        publishUnsafe: (target, message, expiry, delivery) =>
          bus.publishUnsafe(target, message, expiry, bus.failure() === undefined ? delivery : ignoreOutcome)
      })
    )
  )
})
