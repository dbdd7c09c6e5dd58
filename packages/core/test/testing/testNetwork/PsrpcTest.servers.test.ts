// Servers of a test network that crash or restart, and their connections.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Publisher from "../../../src/Publisher.ts"
import * as FaultyMessageBus from "../../../src/testing/FaultyMessageBus.ts"
import * as PsrpcTest from "../../../src/testing/PsrpcTest.ts"
import { errorOf, isRunning, settle, start } from "../../helpers/harness.ts"
import { Greeter } from "./greeter.ts"

const serving = (name: string) =>
  ({
    serverId: name,
    handlers: {
      hello: () => Effect.succeed(name),
      render: () => Effect.succeed(name),
      speak: (_: void, call: { readonly topic: { readonly room: number } }) => Effect.succeed(call.topic.room),
      mute: () => Effect.void
    }
  }) as const

describe("a server that crashes", () => {
  it.effect("sends no response and interrupts its handler, and the other servers continue", () =>
    Effect.gen(function* () {
      const { client, handle, servers } = yield* PsrpcTest.make(Greeter, [serving("a"), serving("b")])
      const interrupted: Array<string> = []
      yield* handle(
        "hello",
        () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push("hello"))),
        {
          times: 1
        }
      )
      const call = yield* start(client.hello("Ada"))
      yield* settle
      yield* servers[0].crash
      yield* settle
      assert.deepStrictEqual(interrupted, ["hello"])
      assert.isTrue(isRunning(call))
      for (let i = 0; i < 4; i++) assert.strictEqual(yield* client.hello("Ada"), "b")
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
    })
  )

  it.effect("has no listeners, even while a handler is uninterruptible", () =>
    Effect.gen(function* () {
      const { client, handle, servers } = yield* PsrpcTest.make(Greeter, [serving("a")])
      yield* handle("hello", () => Effect.as(Effect.uninterruptible(Effect.sleep("1 minute")), ""))
      yield* start(client.hello("Ada"))
      yield* settle
      yield* servers[0].crash
      assert.propertyVal(yield* Effect.flip(client.hello("Ada")), "reason", "no_listeners")
      yield* servers[0].start
      const call = yield* start(client.render(1))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(call), "a")
    })
  )

  it.effect("serves the topics of its options after its start", () =>
    Effect.gen(function* () {
      const groups = { room: [{ room: 7 }] }
      const network = yield* PsrpcTest.make(Greeter, [{ ...serving("a"), groups }])
      const [server] = network.servers
      const speak = (room: number) => network.client.speak({ topic: { room } })
      yield* server.registerGroup("room", { room: 8 })
      assert.deepStrictEqual([yield* speak(7), yield* speak(8)], [7, 8])
      const { connection } = server
      yield* server.crash
      yield* server.start
      assert.notStrictEqual(server.connection, connection)
      assert.strictEqual(yield* speak(7), 7)
      assert.propertyVal(yield* Effect.flip(speak(8)), "reason", "no_listeners")
      // it runs: start does nothing
      yield* server.start
      assert.strictEqual(yield* speak(7), 7)
      assert.strictEqual(yield* network.client.hello(""), "a")
    })
  )

  it.effect("makes its handlers again, on its new connection", () =>
    Effect.gen(function* () {
      let made = 0
      const network = yield* PsrpcTest.make(Greeter, [
        {
          handlers: Effect.gen(function* () {
            const publisher = yield* Publisher.make(Greeter)
            const nth = ++made
            yield* Effect.addFinalizer(() => Effect.sync(() => (made += 100)))
            return { hello: () => Effect.as(publisher.job(nth), String(nth)) }
          })
        }
      ])
      yield* network.client.hello("Ada")
      yield* network.servers[0].crash
      yield* settle
      yield* network.servers[0].start
      assert.strictEqual(yield* network.client.hello("Ada"), "102")
      assert.deepStrictEqual(
        network.updates("job").map(({ message }) => message),
        [1, 102]
      )
    })
  )

  it.effect("leaves its streams open, and the client detects it by a send", () =>
    Effect.gen(function* () {
      const { client, servers } = yield* PsrpcTest.make(Greeter, [
        { handlers: { chat: (stream) => Stream.runDrain(stream.messages) } }
      ])
      const chat = yield* client.chat()
      yield* chat.send(1)
      yield* servers[0].crash
      yield* settle
      const closed = yield* start(chat.closed)
      yield* settle
      assert.isTrue(isRunning(closed))
      const send = yield* start(chat.send(2))
      yield* TestClock.adjust("3 seconds")
      assert.isFalse(isRunning(send))
      assert.include(["peer_lost", "no_listeners"], errorOf(closed).reason)
    })
  )
})

describe("a server that is drained or killed", () => {
  it.effect("responds with unavailable, and starts again", () =>
    Effect.gen(function* () {
      const { client, handle, servers } = yield* PsrpcTest.make(Greeter, [serving("a")])
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* handle("hello", () => Effect.never)
          const killed = yield* start(client.hello("Ada"))
          yield* settle
          yield* servers[0].kill
          assert.strictEqual(errorOf(killed)._tag, "Unavailable")
        })
      )
      yield* servers[0].start
      assert.strictEqual(yield* client.hello("Ada"), "a")
      yield* servers[0].drain
      assert.propertyVal(yield* Effect.flip(client.hello("Ada")), "reason", "no_listeners")
      yield* servers[0].start
      assert.strictEqual(yield* client.hello("Ada"), "a")
    })
  )
})

describe("connections", () => {
  it.effect("a server behind a partition is silent until heal", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [
        { ...serving("a"), affinity: 0.9 },
        { ...serving("b"), affinity: 0.2 }
      ])
      const render = Effect.gen(function* () {
        const call = yield* start(network.client.render(1))
        yield* TestClock.adjust("200 millis")
        return yield* Fiber.join(call)
      })
      assert.strictEqual(yield* render, "a")
      yield* network.server("a").connection.partition
      assert.strictEqual(yield* render, "b")
      yield* network.server("a").connection.heal
      assert.strictEqual(yield* render, "a")
    })
  )

  it.effect("a call waits for the connection of the code under test, and continues after the reconnect", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [serving("a")])
      yield* network.connection.disconnect
      const call = yield* start(network.client.hello("Ada"))
      yield* TestClock.adjust("1 second")
      assert.isTrue(isRunning(call))
      assert.deepStrictEqual(network.calls(), [])
      yield* network.connection.reconnect
      assert.strictEqual(yield* Fiber.join(call), "a")
      assert.strictEqual(network.calls("hello")[0]!.sentAt, 1000)
    })
  )

  it.effect("the publisher's connection is not the client's", () =>
    Effect.gen(function* () {
      const { client, connection, publisher } = yield* PsrpcTest.make(Greeter, [])
      const jobs = yield* client.job()
      yield* connection.disconnect
      yield* publisher.job(1)
      yield* connection.reconnect
      yield* publisher.job(2)
      assert.deepStrictEqual(yield* Stream.runHead(jobs), yield* Effect.succeedSome(2))
    })
  )

  it.effect("have faults of their own: 20 ms in each direction take 40 for a call without claims", () =>
    Effect.gen(function* () {
      const { client, connection, servers } = yield* PsrpcTest.make(Greeter, [
        { handlers: { reload: () => Effect.succeed("done") }, topics: { reload: [{ node: "n", part: "p" }] } }
      ])
      yield* connection.setFaults(FaultyMessageBus.latency("20 millis"))
      yield* servers[0].connection.setFaults(FaultyMessageBus.latency("20 millis"))
      const reload = client.reload({ topic: { node: "n", part: "p" } })
      const call = yield* start(Effect.andThen(reload, Clock.currentTimeMillis))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(call), 40)
    })
  )
})

describe("reset", () => {
  it.effect("restores the initial state", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [serving("a"), serving("b")])
      const [a, b] = network.servers
      yield* network.delay("hello", "1 minute")
      yield* network.lose("hello", "request")
      yield* network.connection.disconnect
      yield* a.crash
      yield* b.connection.partition
      yield* b.connection.setFaults(FaultyMessageBus.lose)
      yield* network.reset
      assert.deepStrictEqual(network.calls(), [])
      const names = [yield* network.client.hello("Ada"), yield* network.client.hello("Ada")]
      assert.deepStrictEqual(names.sort(), ["a", "b"])
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )
})
