import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import { MessageBus, publish } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { settle, start } from "../../helpers/harness.ts"
import { type Bus, byIndex, encode, forever, listening, make, news, pass, textOf, work } from "./recordedFaultyBus.ts"

describe("the control of a faulty bus", () => {
  it.effect("setFaults: applies to messages published from now on, and delayed messages still arrive", () =>
    Effect.gen(function* () {
      const { arrived, bus, send } = yield* listening(Faulty.delay(100))
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

  it.effect("partition: no message leaves or arrives, and nothing is reported, until heal", () =>
    Effect.gen(function* () {
      const { arrived, bus, listener, local, send, reports } = yield* listening(({ index }) =>
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
      assert.deepStrictEqual(reports, ["b:1@0", "c:2@0", "a:1@100"])
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

  it.effect(
    "disconnect: queues messages in order, reports a failure, receives nothing, and reconnect restores all",
    () =>
      Effect.gen(function* () {
        const { arrived, bus, local, send, reports } = yield* listening()
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
        // no listeners: its own subscriptions are gone
        send("f", { on: local })
        wanted = false
        yield* pass(100)
        assert.deepStrictEqual(arrived, [])
        assert.deepStrictEqual(reports, ["f:0@0", "b:unavailable@50"])
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
        assert.deepStrictEqual(reports.slice(2), ["a:1@100", "e:1@100", "g:1@100"])
        assert.strictEqual(bus.records[2]!.outcome, "canceled")
      })
  )

  it.effect("disconnect: a pending message arrives, and is reported as undelivered with mayHaveRun", () =>
    Effect.gen(function* () {
      const { arrived, bus, local, send, reports } = yield* make(Faulty.delay(100))
      const at = (message: Uint8Array): void => void arrived.push(textOf(message))
      yield* local.subscribe(news, at)
      send("a")
      yield* TestClock.adjust(10)
      yield* bus.disconnect
      assert.deepStrictEqual(reports, ["a:unavailable?@10"])
      yield* pass(100)
      assert.deepStrictEqual(arrived, ["a"])
      assert.deepStrictEqual(reports, ["a:unavailable?@10"])
      assert.strictEqual(bus.records[0]!.outcome, "undelivered")
      assert.deepStrictEqual(bus.records[0]!.sentAt, [100])
    })
  )

  it.effect("disconnect: faults apply when a queued message is sent", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, reports } = yield* listening(byIndex(Faulty.latency(20), Faulty.lose, undefined))
      yield* bus.disconnect
      for (const text of ["a", "b", "c"]) send(text)
      yield* pass(30)
      yield* bus.reconnect
      yield* pass(30)
      assert.deepStrictEqual(arrived, ["a@50", "c@50"])
      assert.deepStrictEqual(reports, ["a:1@50", "b:1@50", "c:1@50"])
    })
  )

  it.effect("disconnect: a message that is published while queued messages are sent follows them", () =>
    Effect.gen(function* () {
      const { arrived, bus, send } = yield* listening()
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

  it.effect("disconnect: a new subscription waits, and leaves nothing behind if it is interrupted or closed", () =>
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

  it.effect("disconnect: a subscription in progress succeeds after the reconnect", () =>
    Effect.gen(function* () {
      const local = yield* LocalMessageBus.make
      // acknowledges after 10 ms
      const slow: Bus = {
        ...local,
        subscribe: (channel, listener, options) =>
          Effect.andThen(Effect.sleep(10), local.subscribe(channel, listener, options))
      }
      const bus = yield* Faulty.make(slow)
      const received: Array<string> = []
      const subscribing = yield* start(bus.subscribe(news, (message) => void received.push(textOf(message))))
      yield* bus.disconnect
      yield* pass(10)
      assert.isUndefined(subscribing.pollUnsafe())
      assert.strictEqual(yield* publish(local, local.target(news), encode("a"), { timeout: 1 }), 0)
      yield* bus.reconnect
      yield* pass(10)
      yield* Fiber.join(subscribing)
      assert.strictEqual(yield* publish(local, local.target(news), encode("b"), { timeout: 1 }), 1)
      yield* settle
      assert.deepStrictEqual(received, ["b"])
    })
  )

  it.effect("reconnect: fails with the error of the bus behind, and can succeed later", () =>
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
      const received: Array<string> = []
      const listener = (message: Uint8Array): void => void received.push(textOf(message))
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
      assert.deepStrictEqual(received, ["a", "a"])
    })
  )

  it.effect("close: queued and delayed messages are reported as undelivered, and the bus behind stays open", () =>
    Effect.gen(function* () {
      const { arrived, listener, local, send, reports } = yield* make()
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
      assert.deepStrictEqual(reports.toSorted(), [
        "a:unavailable?@0",
        "b:unavailable@0",
        "d:unavailable@0",
        "e:unavailable@0",
        "f:1@0"
      ])
      assert.deepStrictEqual(arrived, ["f@0"])
    })
  )

  it.effect("the Layer provides the bus and its control", () =>
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
