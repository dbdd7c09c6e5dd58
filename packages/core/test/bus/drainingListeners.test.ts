// A listener of the local bus may end a subscription inside of its callback, and with that has delivered, there and then,
// what was published before: once, to the right one, and without an end.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope } from "effect"
import * as Client from "../../src/Client.ts"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import type { Channel, Delivery } from "../../src/MessageBus.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { read } from "../helpers/readers.ts"
import { Logs, onBus, settle } from "../helpers/harness.ts"

const channel = (name: string): Channel => ({ name, subject: name, route: "" })
const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

/** A bus with a listener on "leaving" that ends a subscription, and what the others heard. */
const make = Effect.gen(function* () {
  const bus = yield* LocalMessageBus.make
  const heard: Array<string> = []
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  const scopes: Array<Scope.Closeable> = []
  for (let i = 0; i < 3; i++) {
    const scope = yield* Scope.make()
    yield* Scope.provide(
      bus.subscribe(channel("other"), () => {}),
      scope
    )
    scopes.push(scope)
  }
  const leave = (scope: Scope.Closeable | undefined = scopes.shift()): void => {
    if (scope !== undefined) runSync(Scope.close(scope, Exit.void))
  }
  return {
    bus,
    heard,
    leave,
    listen: (
      name: string,
      options: { readonly queue: boolean; readonly next?: () => unknown; readonly to?: Array<string> }
    ) =>
      bus.subscribe(
        channel(name),
        (message) => {
          ;(options.to ?? heard).push(new TextDecoder().decode(message))
          options.next?.()
        },
        options
      ),
    send: (name: string, ...texts: ReadonlyArray<string>): void => {
      const target = bus.target(channel(name))
      for (const text of texts) bus.publishUnsafe(target, new TextEncoder().encode(text), Infinity, heedless)
    }
  }
})

// by microtasks, and by the scheduler where that is not the usual one
for (const [scheduler, test] of [
  ["the usual scheduler", it.live],
  ["TestClock's", it.effect]
] as const)
  describe(`a listener that drains the local bus, on ${scheduler}`, () => {
    for (const queue of [false, true]) {
      test(`${queue ? "in a queue" : "alone"}: what waits in a queue behind its message arrives once`, () =>
        Effect.gen(function* () {
          const { heard, leave, listen, send } = yield* make
          yield* listen("leaving", { queue, next: () => leave() })
          yield* listen("job", { queue: true })
          yield* listen("told", { queue: false })
          send("leaving", "leave")
          send("job", "job 1")
          send("told", "told 1")
          send("leaving", "leave again")
          send("job", "job 2")
          yield* settle
          assert.deepStrictEqual(heard, ["leave", "job 1", "told 1", "leave again", "job 2"])
        }))
    }

    test("each of several: all get each message once, and in order", () =>
      Effect.gen(function* () {
        const { heard, leave, listen, send } = yield* make
        yield* listen("leaving", { queue: false, next: () => leave() })
        yield* listen("leaving", { queue: false, next: () => leave() })
        yield* listen("leaving", { queue: true, next: () => leave() })
        yield* listen("job", { queue: true })
        send("leaving", "leave")
        send("job", "job 1")
        send("leaving", "go")
        yield* settle
        assert.deepStrictEqual(heard, ["leave", "leave", "leave", "job 1", "go", "go", "go"])
      }))

    test("at the last message of a turn, for a listener that has gone by next: the rest comes, and nothing is thrown", () =>
      Effect.gen(function* () {
        for (const before of [1021, 1022, 1023, 1024, 1025]) {
          const { heard, leave, listen, send } = yield* make
          const goners: Array<string> = []
          const gone = yield* Scope.make()
          yield* Scope.provide(listen("gone", { queue: false, to: goners }), gone)
          const go = (): void => {
            leave(gone)
            leave()
          }
          yield* listen("leaving", { queue: false, next: go })
          // what is published to who is about to go
          yield* listen("job", { queue: true, next: () => heard.at(-1) === "the last" && send("gone", "late") })
          const jobs = Array.from({ length: before }, (_, i) => `job ${i}`)
          send("job", ...jobs)
          send("leaving", "leave")
          send("job", "the last")
          for (let i = 0; i < 200 && heard.length < before + 2; i++) yield* settle
          yield* settle
          assert.deepStrictEqual(heard, [...jobs, "leave", "the last"], `after ${before}`)
          assert.isAtMost(goners.length, 1)
        }
      }))
  })

class Work extends Service.make("Work", {
  load: Rpc.multi({ response: Schema.String }),
  render: Rpc.unary({ topic: ["node"], singleServer: true }),
  job: Rpc.subscription({ message: Schema.String })
}) {}

describe("a handler that deregisters while an update waits", () => {
  it.live("the update arrives once", () =>
    Effect.gen(function* () {
      const runSync = Effect.runSyncWith(yield* Effect.context<never>())
      let deregister: Effect.Effect<void, unknown> = Effect.void
      const server = yield* Server.make(Work, {
        load: () => Effect.sync(() => (runSync(deregister), "done")),
        render: () => Effect.void
      })
      yield* server.register("render", { node: "n1" })
      deregister = server.deregister("render", { node: "n1" })
      const client = yield* Client.make(Work)
      const publisher = yield* Publisher.make(Work)
      const { seen } = yield* read(yield* client.job())
      yield* read(client.load({ expect: 1 }))
      yield* publisher.job("job 1")
      for (let i = 0; i < 20; i++) yield* settle
      assert.deepStrictEqual(seen, ["job 1"])
      assert.deepStrictEqual(
        (yield* Logs).filter(({ level }) => level === "Error"),
        []
      )
    }).pipe(onBus)
  )
})
