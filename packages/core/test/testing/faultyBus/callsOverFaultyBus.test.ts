/** Calls over a bus with faults, as users of FaultyMessageBus test them. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../../src/Client.ts"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import { MessageBus } from "../../../src/MessageBus.ts"
import * as Rpc from "../../../src/Rpc.ts"
import * as Server from "../../../src/Server.ts"
import * as Service from "../../../src/Service.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { errorOf, settle, start } from "../../helpers/harness.ts"

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
  alone: Rpc.unary({ request: Schema.String, response: Schema.String, singleServer: true })
}) {}

/** Two servers of a queue method, one server of the other method, a client, and how often each request was handled. */
const make = Effect.fnUntraced(function* (faults: Faulty.Faults) {
  const bus = yield* Faulty.make(yield* LocalMessageBus.make, faults)
  const handled = new Map<string, number>()
  const handle = (name: string) =>
    Effect.sync(() => {
      handled.set(name, (handled.get(name) ?? 0) + 1)
      return `Hello ${name}`
    })
  const client = yield* Effect.gen(function* () {
    yield* Server.make(Greeter, { hello: handle, alone: handle })
    yield* Server.make(Service.pick(Greeter, "hello"), { hello: handle })
    return yield* Client.make(Greeter)
  }).pipe(Effect.provideService(MessageBus, bus))
  return { bus, client, handled }
})

describe("calls over a faulty bus", () => {
  it.effect("a lost response ends in a timeout at its instant, with mayHaveRun", () =>
    Effect.gen(function* () {
      const { client, handled } = yield* make(Faulty.ofType("Response", Faulty.lose))
      const call = yield* start(client.alone("Ada", { timeout: "1 second" }))
      yield* TestClock.adjust(999)
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = errorOf(call)
      assert.strictEqual(error.code, "deadline_exceeded")
      assert.isTrue(error.mayHaveRun)
      assert.strictEqual(handled.get("Ada"), 1)
    })
  )

  it.effect("a duplicate request is handled once, by the selected server, and a late request is not handled", () =>
    Effect.gen(function* () {
      const { client, handled } = yield* make(
        Faulty.ofType("Request", ({ indexOfType }) =>
          indexOfType === 0 ? Faulty.duplicate({ after: "10 millis" }) : Faulty.delay("2 seconds")
        )
      )
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
      yield* TestClock.adjust("1 second")
      const call = yield* start(client.hello("Grace", { timeout: "1 second" }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(errorOf(call).code, "unavailable")
      assert.deepStrictEqual([...handled], [["Ada", 1]])
    })
  )

  it.effect("latency is the duration of a call", () =>
    Effect.gen(function* () {
      const { client } = yield* make(Faulty.latency("10 millis"))
      for (const [method, messages] of [
        [client.alone, 2],
        [client.hello, 4]
      ] as const) {
        const begin = yield* Clock.currentTimeMillis
        const call = yield* start(Effect.andThen(method("Ada"), Clock.currentTimeMillis))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(call)) - begin, messages * 10)
      }
    })
  )

  it.effect("a call that is made during an outage succeeds after it", () =>
    Effect.gen(function* () {
      const { bus, client } = yield* make(Faulty.none)
      yield* bus.disconnect
      const call = yield* start(client.hello("Ada"))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(call.pollUnsafe())
      yield* bus.reconnect
      yield* settle
      assert.strictEqual(yield* Fiber.join(call), "Hello Ada")
    })
  )

  it.effect("under any faults every call ends by its deadline, and a call with claims is handled at most once", () =>
    Effect.gen(function* () {
      const { bus, client, handled } = yield* make(
        Faulty.random({ seed: 7, lose: 0.1, duplicate: 0.2, delay: ["0 millis", "40 millis"] })
      )
      const calls: Array<Fiber.Fiber<string, unknown>> = []
      for (let i = 0; i < 300; i++) {
        const method = i % 2 === 0 ? client.hello : client.alone
        calls.push(yield* start(method(`${i}`, { timeout: "1 second" })))
        yield* TestClock.adjust(3)
      }
      yield* TestClock.adjust("1 second")
      const exits = calls.map((call) => call.pollUnsafe())
      assert.strictEqual(exits.filter((exit) => exit === undefined).length, 0, "calls that did not end")
      const succeeded = exits.filter((exit) => exit !== undefined && Exit.isSuccess(exit)).length
      // about two thirds of the calls with four messages succeed, and four fifths of those with two
      assert.isAbove(succeeded, 180)
      assert.isBelow(succeeded, 260)
      // calls without claims are handled once for each copy
      assert.deepStrictEqual(
        [...handled].filter(([name, times]) => Number(name) % 2 === 0 && times !== 1),
        []
      )
      assert.isAtLeast(handled.size, succeeded)
      assert.isAbove(bus.records.filter(({ outcome }) => outcome === "lost").length, 60)
    })
  )
})
