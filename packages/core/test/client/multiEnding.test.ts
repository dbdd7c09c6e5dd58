// How a call that every server answers is ended before its time: by its reader, by its client, by its connection.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { brief, read, readSlowly, steps, stepwise, strides } from "../helpers/readers.ts"
import { broken, steeredBus } from "../helpers/steeredBus.ts"
import { errorOf, exitOf, fakeServers, isRunning, json, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class Farm extends Service.make("Farm", {
  load: Rpc.multi({ request: Schema.String, response: Schema.String }),
  stubborn: Rpc.multi({ request: Schema.String, response: Schema.String, runToCompletion: true })
}) {}

/** Servers whose names are the milliseconds that they take, and the outcomes of their handlers. */
const recorded = Effect.fnUntraced(function* (...serverIds: ReadonlyArray<string>) {
  const ends: Array<string> = []
  const servers: Array<Server.Server<(typeof Farm)["methods"]>> = []
  for (const serverId of serverIds) {
    const handle = () =>
      Effect.delay(Effect.succeed("done"), Number(serverId)).pipe(
        Effect.onExit((exit) => Effect.sync(() => ends.push(`${serverId} ${exit._tag === "Success" ? "done" : "cut"}`)))
      )
    servers.push(yield* Server.make(Farm, { load: handle, stubborn: handle }, { serverId }))
  }
  return { ends, servers }
})

describe("a reader that has enough", () => {
  it.effect("interrupts the servers that still work on it, at once, and those can drain", () =>
    Effect.gen(function* () {
      const { ends, servers } = yield* recorded("10", "500", "900")
      const client = yield* Client.make(Farm)
      const { fiber, seen } = yield* read(Stream.take(client.load("now"), 1))
      yield* TestClock.adjust(10)
      yield* settle
      assert.deepStrictEqual(seen.map(brief), [["10", "done"]])
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
      assert.deepStrictEqual(ends.sort(), ["10 done", "500 cut", "900 cut"])
      const draining = yield* start(Effect.all(servers.map(({ drain }) => drain)))
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  it.effect("by interruption is the same, before and after the first answer", () =>
    Effect.gen(function* () {
      const { ends } = yield* recorded("10", "500")
      const client = yield* Client.make(Farm)
      const early = yield* read(client.load("now"))
      yield* TestClock.adjust(5)
      yield* Fiber.interrupt(early.fiber)
      yield* settle
      assert.deepStrictEqual(ends.splice(0).sort(), ["10 cut", "500 cut"])
      const late = yield* read(client.load("now"))
      yield* TestClock.adjust(20)
      yield* Fiber.interrupt(late.fiber)
      yield* settle
      assert.deepStrictEqual(ends.sort(), ["10 done", "500 cut"])
      assert.isTrue(Exit.hasInterrupts(exitOf(late.fiber)))
    }).pipe(onBus)
  )

  it.effect("by a timeout of Effect's, or a failure of what reads, is the same", () =>
    Effect.gen(function* () {
      const { ends } = yield* recorded("10", "500")
      const client = yield* Client.make(Farm)
      const timed = yield* start(Effect.timeoutOption(Stream.runCollect(client.load("now")), 100))
      yield* TestClock.adjust(100)
      yield* settle
      assert.strictEqual((yield* Fiber.join(timed))._tag, "None")
      assert.deepStrictEqual(ends.splice(0), ["10 done", "500 cut"])
      const failing = yield* start(Stream.runForEach(client.load("now"), () => Effect.fail("enough")))
      yield* TestClock.adjust(10)
      yield* settle
      assert.strictEqual(errorOf(failing), "enough")
      assert.deepStrictEqual(ends, ["10 done", "500 cut"])
    }).pipe(onBus)
  )

  it.effect("does not interrupt handlers that run to completion", () =>
    Effect.gen(function* () {
      const { ends } = yield* recorded("10", "500")
      const client = yield* Client.make(Farm)
      const { fiber } = yield* read(Stream.take(client.stubborn("now"), 1))
      yield* TestClock.adjust(499)
      assert.isFalse(isRunning(fiber))
      assert.deepStrictEqual(ends, ["10 done"])
      yield* TestClock.adjust(1)
      yield* settle
      assert.deepStrictEqual(ends, ["10 done", "500 done"])
    }).pipe(onBus)
  )

  it.effect("has the servers told where some of those that listen answered, where the bus counts connections", () =>
    Effect.gen(function* () {
      const beneath = yield* MessageBus
      // as on Redis: what counts is connections, and several servers share one
      const one = MessageBus.of({
        ...beneath,
        publishUnsafe: (target, message, expiry, delivery) =>
          beneath.publishUnsafe(target, message, expiry, {
            wanted: () => delivery.wanted(),
            delivered: (receivers) => delivery.delivered(Math.min(receivers, 1)),
            undelivered: (error) => delivery.undelivered(error)
          })
      })
      const { ends } = yield* recorded("10", "500")
      const client = yield* Effect.provideService(Client.make(Farm), MessageBus, one)
      yield* read(client.load("now", { expect: 1 }))
      yield* TestClock.adjust(10)
      yield* settle
      assert.deepStrictEqual(ends, ["10 done", "500 cut"])
    }).pipe(onBus)
  )

  it.effect("leaves alone the other runs of the same call", () =>
    Effect.gen(function* () {
      yield* recorded("100")
      const client = yield* Client.make(Farm)
      const load = client.load("now", { expect: 1 })
      const [one, other] = [yield* read(load), yield* read(load)]
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(one.fiber)
      yield* TestClock.adjust(50)
      yield* settle
      assert.deepStrictEqual(other.seen.map(brief), [["100", "done"]])
    }).pipe(onBus)
  )
})

describe("a client that closes", () => {
  it.effect("refuses calls from then on: nothing is sent", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Farm), scope)
      yield* recorded("10")
      const traffic = yield* Traffic
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Stream.runDrain(client.load("now")))
      assert.strictEqual(error._tag, "Canceled")
      assert.strictEqual(error.reason, "client_closed")
      assert.isFalse(error.mayHaveRun)
      assert.strictEqual(traffic.length, 0)
    }).pipe(onBus)
  )

  it.effect("ends its calls with that, after what had come, and lets the servers go", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Farm), scope)
      const servers = yield* fakeServers("Farm", "Load")
      const { fiber, open, seen } = yield* readSlowly(client.load("now"))
      yield* settle
      for (const serverId of ["a", "b"]) servers.answer(serverId, { raw: json("in time") })
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* open
      yield* settle
      assert.deepStrictEqual(seen.map(brief), [
        ["a", "in time"],
        ["b", "in time"]
      ])
      const error = errorOf(fiber)
      assert.strictEqual(error._tag, "Canceled")
      assert.strictEqual(error.reason, "client_closed")
      assert.isTrue(error.mayHaveRun)
      assert.deepStrictEqual(
        servers.chosen.map(({ id, serverId }) => [id, serverId]),
        [[servers.requests[0]!.id, ""]]
      )
    }).pipe(onBus)
  )

  it.effect("at whatever moment: no call is left waiting", () =>
    Effect.gen(function* () {
      yield* fakeServers("Farm", "Load")
      for (const stride of strides) {
        for (let moment = 0; moment < 50; moment++) {
          const scope = yield* Scope.make()
          const client = yield* Scope.provide(Client.make(Farm), scope)
          const { fiber } = yield* stepwise(read(client.load("now")), stride)
          yield* steps(moment)
          yield* Scope.close(scope, Exit.void)
          yield* steps(100)
          assert.isFalse(isRunning(fiber), `closed after ${moment} steps`)
          assert.strictEqual(errorOf(fiber).reason, "client_closed")
        }
      }
    }).pipe(onBus)
  )
})

describe("a connection in trouble", () => {
  const setUp = Effect.gen(function* () {
    const { bus, steering } = yield* steeredBus
    const client = yield* Effect.provideService(Client.make(Farm), MessageBus, bus)
    const servers = yield* fakeServers("Farm", "Load")
    return { client, servers, steering }
  })

  it.effect("ends the call at once where the request certainly was not sent", () =>
    Effect.gen(function* () {
      const { client, steering } = yield* setUp
      steering.holds = (type) => type === "Request"
      const { fiber } = yield* read(client.load("now"))
      yield* settle
      steering.held[0]!.delivery.undelivered(broken(false))
      yield* settle
      const error = errorOf(fiber)
      assert.strictEqual(error._tag, "Unavailable")
      assert.isTrue(PsrpcError.isConnection(error))
      assert.isFalse(error.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect(
    "goes on where the request may have been sent: answers come, and at the timeout it says what it knows",
    () =>
      Effect.gen(function* () {
        const { client, servers, steering } = yield* setUp
        steering.holds = (type) => type === "Request"
        const { fiber, seen } = yield* read(client.load("now", { timeout: 500 }))
        yield* settle
        const { delivery } = steering.held[0]!
        steering.release()
        delivery.undelivered(broken(true))
        yield* settle
        servers.answer("a", { raw: json("yet") })
        yield* TestClock.adjust(499)
        assert.deepStrictEqual(seen.map(brief), [["a", "yet"]])
        assert.isTrue(isRunning(fiber))
        yield* TestClock.adjust(1)
        yield* settle
        const error = errorOf(fiber)
        assert.strictEqual(error._tag, "Unavailable")
        assert.isTrue(PsrpcError.isConnection(error))
        assert.isTrue(error.mayHaveRun)
        assert.match(error.message, /^the broker is gone .*Farm\.Load/)
      }).pipe(onBus)
  )

  it.effect("means nothing to who has all that was expected", () =>
    Effect.gen(function* () {
      const { client, servers, steering } = yield* setUp
      steering.holds = (type) => type === "Request"
      const { fiber, seen } = yield* read(client.load("now", { expect: 1 }))
      yield* settle
      const { delivery } = steering.held[0]!
      steering.release()
      delivery.undelivered(broken(true))
      yield* settle
      servers.answer("a", { raw: json("yet") })
      yield* settle
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
      assert.strictEqual(seen.length, 1)
    }).pipe(onBus)
  )

  it.effect("that is there at the timeout may have cost answers: the call fails with it", () =>
    Effect.gen(function* () {
      const { client, servers, steering } = yield* setUp
      const { fiber, seen } = yield* read(client.load("now", { timeout: 500 }))
      yield* settle
      servers.answer("a", { raw: json("before") })
      yield* settle
      steering.failure = broken(false)
      yield* TestClock.adjust(500)
      yield* settle
      assert.strictEqual(seen.length, 1)
      const error = errorOf(fiber)
      assert.isTrue(PsrpcError.isConnection(error))
      assert.isTrue(error.mayHaveRun)
    }).pipe(onBus)
  )

  for (const [name, answers] of [
    ["that is there at the end of an idle time may have cost answers too", "answered"],
    ["before any answer: the idle time has not begun, the call has its own", "silent"]
  ] as const) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const { client, servers, steering } = yield* setUp
        const { fiber, seen } = yield* read(client.load("now", { timeout: "1 minute", idleTimeout: 500 }))
        yield* settle
        if (answers === "answered") servers.answer("a", { raw: json("before") })
        yield* settle
        steering.failure = broken(false)
        yield* TestClock.adjust(499)
        assert.isTrue(isRunning(fiber))
        yield* TestClock.adjust(1)
        yield* settle
        if (answers === "silent") {
          assert.isTrue(isRunning(fiber))
          yield* TestClock.adjust("1 minute")
        }
        assert.strictEqual(seen.length, answers === "answered" ? 1 : 0)
        const error = errorOf(fiber)
        assert.strictEqual(error._tag, "Unavailable")
        assert.isTrue(PsrpcError.isConnection(error))
        assert.isTrue(error.mayHaveRun)
        assert.match(error.message, /^the broker is gone .*Farm\.Load/)
        // servers that still work on it may stop
        assert.strictEqual(servers.chosen.length, answers === "answered" ? 1 : 0)
      }).pipe(onBus)
    )
  }

  it.effect("that was there while the request was sent, and is back: an idle time says that answers may be lost", () =>
    Effect.gen(function* () {
      const { client, servers, steering } = yield* setUp
      steering.holds = (type) => type === "Request"
      const { fiber } = yield* read(client.load("now", { idleTimeout: 500 }))
      yield* settle
      const { delivery } = steering.held[0]!
      steering.release()
      delivery.undelivered(broken(true))
      yield* settle
      servers.answer("a", { raw: json("yet") })
      yield* TestClock.adjust(500)
      yield* settle
      assert.isTrue(PsrpcError.isConnection(errorOf(fiber)))
    }).pipe(onBus)
  )

  it.effect("a request that is held when its reader goes is never sent, and nothing is withdrawn", () =>
    Effect.gen(function* () {
      const { client, servers, steering } = yield* setUp
      steering.holds = () => true
      const { fiber } = yield* read(client.load("now"))
      yield* settle
      yield* Fiber.interrupt(fiber)
      steering.release()
      yield* settle
      assert.deepStrictEqual([servers.requests.length, servers.chosen.length], [0, 0])
      assert.strictEqual((yield* Traffic).length, 0)
    }).pipe(onBus)
  )

  it.effect("one that may have been sent is withdrawn, once that can be", () =>
    Effect.gen(function* () {
      const { client, servers, steering } = yield* setUp
      steering.holds = () => true
      const { fiber } = yield* read(client.load("now"))
      yield* settle
      const { delivery } = steering.held[0]!
      steering.release()
      delivery.undelivered(broken(true))
      yield* Fiber.interrupt(fiber)
      steering.release()
      yield* settle
      assert.deepStrictEqual(
        servers.chosen.map(({ id, serverId }) => [id, serverId]),
        [[servers.requests[0]!.id, ""]]
      )
    }).pipe(onBus)
  )
})
