import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import { MessageBus, publish } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { settle, start } from "../../helpers/harness.ts"
import { type Bus, byIndex, encode, forever, heard, make, news, pass, textOf, work } from "./recordedFaultyBus.ts"

describe("a bus that is steered", () => {
  it.effect("other faults from now on, and what is late still comes", () =>
    Effect.gen(function* () {
      const { arrived, bus, send } = yield* heard(Faulty.delay(100))
      send("a")
      yield* bus.setFaults(Faulty.lose)
      send("b")
      yield* bus.setFaults(Faulty.none)
      send("c")
      yield* pass(100)
      assert.deepStrictEqual(arrived, ["c@0", "a@100"])
      yield* bus.clearRecords
      assert.deepStrictEqual(bus.records, [])
      send("d")
      assert.strictEqual(bus.records[0]!.index, 3)
    })
  )

  it.effect("a partition: nothing gets out or in, and nobody is told, until it is healed", () =>
    Effect.gen(function* () {
      const { arrived, bus, listener, local, send, told } = yield* heard(({ index }) =>
        index === 0 ? Faulty.delay(100) : undefined
      )
      const outside: Array<string> = []
      yield* local.subscribe(news, (message) => void outside.push(textOf(message)))
      send("a")
      yield* bus.partition
      assert.isUndefined(bus.failure())
      send("b")
      send("c", { on: local })
      yield* bus.subscribe(work, listener)
      yield* pass(100)
      assert.deepStrictEqual(arrived, [])
      assert.deepStrictEqual(outside, ["c"])
      assert.deepStrictEqual(told, ["b:1@0", "c:2@0", "a:1@100"])
      assert.deepStrictEqual(
        bus.records.map(({ outcome }) => outcome),
        ["lost", "lost"]
      )
      yield* bus.heal
      send("d")
      send("e", { on: local, to: work })
      yield* settle
      assert.deepStrictEqual(arrived, ["d@100", "e@100"])
    })
  )

  it.effect("disconnected: it holds messages in order, says so, hears nothing, and is as before when it is back", () =>
    Effect.gen(function* () {
      const { arrived, bus, local, send, told } = yield* heard()
      yield* bus.disconnect
      yield* bus.disconnect
      assert.strictEqual(bus.failure()?.reason, "connection")
      assert.isFalse(bus.failure()?.mayHaveRun)
      let wanted = true
      send("a")
      send("b", { expiry: 50 })
      send("c", { wanted: () => wanted })
      send("d", { wanted: () => wanted, expiry: 60 })
      send("e")
      // nobody listens: its own subscriptions are gone
      send("f", { on: local })
      wanted = false
      yield* pass(100)
      assert.deepStrictEqual(arrived, [])
      assert.deepStrictEqual(told, ["f:0@0", "b:unavailable@50"])
      assert.deepStrictEqual(
        bus.records.map(({ outcome }) => outcome),
        ["queued", "undelivered", "queued", "canceled", "queued"]
      )
      assert.strictEqual(bus.records[1]!.error?.reason, "connection")
      yield* bus.reconnect
      yield* bus.reconnect
      assert.isUndefined(bus.failure())
      send("g")
      yield* settle
      assert.deepStrictEqual(arrived, ["a@100", "e@100", "g@100"])
      assert.deepStrictEqual(told.slice(2), ["a:1@100", "e:1@100", "g:1@100"])
      assert.strictEqual(bus.records[2]!.outcome, "canceled")
    })
  )

  it.effect("disconnected: what was under way arrives, and its publisher is told that nobody knows", () =>
    Effect.gen(function* () {
      const { arrived, bus, local, send, told } = yield* make(Faulty.delay(100))
      const at = (message: Uint8Array): void => void arrived.push(textOf(message))
      yield* local.subscribe(news, at)
      send("a")
      yield* TestClock.adjust(10)
      yield* bus.disconnect
      assert.deepStrictEqual(told, ["a:unavailable?@10"])
      yield* pass(100)
      assert.deepStrictEqual(arrived, ["a"])
      assert.deepStrictEqual(told, ["a:unavailable?@10"])
      assert.strictEqual(bus.records[0]!.outcome, "undelivered")
      assert.deepStrictEqual(bus.records[0]!.sentAt, [100])
    })
  )

  it.effect("disconnected: faults apply when a message is sent", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, told } = yield* heard(byIndex(Faulty.latency(20), Faulty.lose, undefined))
      yield* bus.disconnect
      for (const text of ["a", "b", "c"]) send(text)
      yield* pass(30)
      yield* bus.reconnect
      yield* pass(30)
      assert.deepStrictEqual(arrived, ["a@50", "c@50"])
      assert.deepStrictEqual(told, ["a:1@50", "b:1@50", "c:1@50"])
    })
  )

  it.effect("disconnected: a message published while held ones are sent comes behind them", () =>
    Effect.gen(function* () {
      const { arrived, bus, send } = yield* heard()
      yield* bus.disconnect
      const first = encode("a")
      bus.publishUnsafe(bus.target(news), first, forever, {
        wanted: () => true,
        delivered: () => send("c"),
        undelivered() {}
      })
      send("b")
      yield* bus.reconnect
      yield* settle
      assert.deepStrictEqual(arrived, ["a@0", "b@0", "c@0"])
    })
  )

  it.effect("disconnected: a subscribe waits, and one that is interrupted or closed meanwhile leaves nothing", () =>
    Effect.gen(function* () {
      const { arrived, bus, listener, local, send } = yield* make()
      const early = yield* Scope.make()
      yield* Scope.provide(bus.subscribe(news, listener), early)
      yield* bus.disconnect
      const interrupted = yield* start(Effect.scoped(Effect.andThen(bus.subscribe(news, listener), Effect.never)))
      const waiting = yield* start(Effect.scoped(Effect.andThen(bus.subscribe(news, listener), Effect.never)))
      yield* Fiber.interrupt(interrupted)
      yield* Scope.close(early, Exit.void)
      send("a", { on: local })
      yield* settle
      yield* bus.reconnect
      yield* settle
      send("b", { on: local })
      yield* settle
      assert.deepStrictEqual(arrived, ["b@0"])
      yield* Fiber.interrupt(waiting)
      send("c", { on: local })
      yield* settle
      assert.deepStrictEqual(arrived, ["b@0"])
    })
  )

  it.effect("a subscribe that is under way when the connection breaks succeeds when it is back", () =>
    Effect.gen(function* () {
      const local = yield* LocalMessageBus.make
      // acknowledges after 10 ms
      const slow: Bus = {
        ...local,
        subscribe: (channel, listener, options) =>
          Effect.andThen(Effect.sleep(10), local.subscribe(channel, listener, options))
      }
      const bus = yield* Faulty.make(slow)
      const got: Array<string> = []
      const subscribing = yield* start(bus.subscribe(news, (message) => void got.push(textOf(message))))
      yield* bus.disconnect
      yield* pass(10)
      assert.isUndefined(subscribing.pollUnsafe())
      assert.strictEqual(yield* publish(local, local.target(news), encode("a"), { timeout: 1 }), 0)
      yield* bus.reconnect
      yield* pass(10)
      yield* Fiber.join(subscribing)
      assert.strictEqual(yield* publish(local, local.target(news), encode("b"), { timeout: 1 }), 1)
      yield* settle
      assert.deepStrictEqual(got, ["b"])
    })
  )

  it.effect("a reconnect that the bus beneath refuses fails, and the next one may succeed", () =>
    Effect.gen(function* () {
      const local = yield* LocalMessageBus.make
      const refusal = PsrpcError.fromCode("permission_denied", { mayHaveRun: false })
      let refuses = false
      const picky: Bus = {
        ...local,
        subscribe: (channel, listener, options) =>
          refuses && channel === work ? Effect.fail(refusal) : local.subscribe(channel, listener, options)
      }
      const bus = yield* Faulty.make(picky)
      const got: Array<string> = []
      const listener = (message: Uint8Array): void => void got.push(textOf(message))
      yield* bus.subscribe(news, listener)
      yield* bus.subscribe(work, listener)
      yield* bus.disconnect
      refuses = true
      assert.strictEqual(yield* Effect.flip(bus.reconnect), refusal)
      assert.isDefined(bus.failure())
      assert.strictEqual(yield* Effect.flip(Effect.scoped(picky.subscribe(work, listener))), refusal)
      refuses = false
      yield* bus.reconnect
      for (const channel of [news, work]) {
        assert.strictEqual(yield* publish(local, local.target(channel), encode("a"), { timeout: 1 }), 1)
      }
      yield* settle
      assert.deepStrictEqual(got, ["a", "a"])
    })
  )

  it.effect("closed: what waits or is late is told, nothing is sent any more, and the bus beneath goes on", () =>
    Effect.gen(function* () {
      const { arrived, listener, local, send, told } = yield* make()
      yield* local.subscribe(news, listener)
      const scope = yield* Scope.make()
      const bus = yield* Scope.provide(Faulty.make(local, Faulty.delay(10)), scope)
      send("a", { on: bus })
      const other = yield* Scope.provide(Faulty.make(local), scope)
      yield* other.disconnect
      send("b", { on: other })
      send("c", { on: other, wanted: () => false })
      yield* Scope.close(scope, Exit.void)
      send("d", { on: bus })
      send("e", { on: other })
      send("f", { on: local })
      yield* pass(100)
      assert.deepStrictEqual(told.toSorted(), [
        "a:unavailable?@0",
        "b:unavailable@0",
        "d:unavailable@0",
        "e:unavailable@0",
        "f:1@0"
      ])
      assert.deepStrictEqual(arrived, ["f@0"])
    })
  )

  it.effect("the Layer is the bus, and what steers it", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      const faulty = yield* Faulty.FaultyMessageBus
      assert.strictEqual(yield* publish(bus, bus.target(news), encode("a"), { timeout: 1 }), -1)
      assert.strictEqual(faulty.records[0]!.outcome, "lost")
      yield* faulty.disconnect
      const error = yield* start(Effect.flip(publish(bus, bus.target(news), encode("a"), { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(error)).code, "unavailable")
    }).pipe(Effect.provide(Faulty.layer(Faulty.lose).pipe(Layer.provide(LocalMessageBus.layer))))
  )
})
