// The records of a test network.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { BidiStream } from "../../../src/BidiStream.ts"
import * as Client from "../../../src/Client.ts"
import { MessageBus } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Rpc from "../../../src/Rpc.ts"
import * as Service from "../../../src/Service.ts"
import * as FaultyMessageBus from "../../../src/testing/FaultyMessageBus.ts"
import * as PsrpcTest from "../../../src/testing/PsrpcTest.ts"
import { fakeServers, isRunning, json, settle, start } from "../../helpers/harness.ts"
import { Greeter, NameTaken } from "./greeter.ts"

const clientId = "test-client"

describe("a unary call", () => {
  it.effect("is recorded from its request to its response", () =>
    Effect.gen(function* () {
      const hello = (name: string) => Effect.delay(Effect.fail(new NameTaken({ name })), "50 millis")
      const network = yield* PsrpcTest.make(Greeter, [{ serverId: "a", handlers: { hello } }], { client: { clientId } })
      yield* TestClock.adjust("1 second")
      const call = yield* start(
        Effect.flip(network.client.hello("Ada", { metadata: { tenant: "acme" }, timeout: 100 }))
      )
      yield* settle
      const [record] = network.calls("hello")
      const { requestId } = record!
      const sofar = {
        method: "hello",
        kind: "unary",
        requestId,
        clientId,
        topic: {},
        metadata: { tenant: "acme" },
        sentAt: 1000,
        deadline: 1100,
        request: "Ada",
        claims: [{ serverId: "a", affinity: 1, at: 1000 }],
        serverId: "a",
        result: undefined,
        respondedAt: undefined,
        canceledAt: undefined
      } as const
      assert.deepStrictEqual(record, sofar)
      yield* TestClock.adjust("50 millis")
      yield* Fiber.join(call)
      const result = Result.fail(new NameTaken({ name: "Ada" }))
      assert.deepStrictEqual(record, { ...sofar, result, respondedAt: 1050 })
    })
  )

  it.effect("without a server, or canceled by its caller, is recorded too", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [{ handlers: { hello: () => Effect.never } }])
      yield* Effect.flip(network.client.render(1))
      const call = yield* start(network.client.hello("Ada"))
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interrupt(call)
      yield* settle
      assert.deepStrictEqual(
        network.calls().map(({ canceledAt, claims, method }) => [method, claims.length, canceledAt]),
        [
          ["render", 0, undefined],
          ["hello", 1, 10]
        ]
      )
    })
  )

  it.effect("has the error that its caller receives for a defect", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [{ handlers: { hello: () => Effect.die(new Error("secret")) } }])
      const error = yield* Effect.flip(network.client.hello("Ada"))
      const [call] = network.calls("hello")
      assert.deepStrictEqual(call!.result, Result.fail(error))
      assert.notInclude(JSON.stringify(call), "secret")
    })
  )
})

describe("a call with responses of several servers", () => {
  it.effect("has the response of the selected server", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [])
      const servers = yield* Effect.provideService(fakeServers("Greeter", "Render"), MessageBus, network.connection)
      const call = yield* start(network.client.render(1))
      yield* settle
      servers.answer("b", { error: "no", code: "malformed_request" })
      servers.claim("a", 0.9)
      servers.claim("c", 0.1)
      yield* settle
      const [record] = network.calls("render")
      assert.isTrue(record!.result !== undefined && Result.isFailure(record!.result))
      yield* TestClock.adjust("200 millis")
      servers.answer("c", { raw: json("c") })
      assert.deepStrictEqual([record!.serverId, record!.result, record!.respondedAt], ["a", undefined, undefined])
      servers.answer("a", { raw: json("a") })
      assert.strictEqual(yield* Fiber.join(call), "a")
      assert.deepStrictEqual(record!.result, Result.succeed("a"))
    })
  )

  it.effect("is one record if messages are duplicated", () =>
    Effect.gen(function* () {
      const handlers = {
        hello: (name: string) => Effect.succeed(name),
        stats: () => Effect.succeed(1),
        chat: (stream: BidiStream<string, number>) => Stream.runForEach(stream.messages, (n) => stream.send(`${n}`))
      }
      const network = yield* PsrpcTest.make(Greeter, [{ handlers }])
      yield* network.connection.setFaults(FaultyMessageBus.duplicate())
      yield* network.servers[0].connection.setFaults(FaultyMessageBus.duplicate())
      yield* network.client.hello("Ada")
      yield* Stream.runDrain(network.client.stats("", { expect: 2, timeout: 10 }).pipe(Stream.take(1)))
      const chat = yield* network.client.chat()
      yield* chat.send(1)
      yield* Stream.runHead(chat.messages)
      yield* settle
      const [hello, stats, stream, ...others] = network.calls()
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual([hello!.claims.length, stream!.claims.length], [1, 1])
      assert.strictEqual(stats?.kind === "multi" && stats.responses.length, 1)
      // the handler received it twice, and sent twice
      assert.deepStrictEqual(stream?.kind === "stream" && [stream.sent.length, stream.received.length], [1, 2])
    })
  )
})

describe("other kinds of method", () => {
  it.effect("a multi call has all responses with their times", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [
        { handlers: { stats: (text) => Effect.succeed(text.length) } },
        { handlers: { stats: () => Effect.delay(Effect.fail(PsrpcError.fromCode("not_found")), 30) } }
      ])
      const responses = yield* start(Stream.runDrain(network.client.stats("abc", { timeout: 100 })))
      yield* TestClock.adjust(100)
      yield* Fiber.join(responses)
      const [call] = network.calls("stats")
      assert.deepStrictEqual([call!.request, call!.sentAt, call!.deadline], ["abc", 0, 100])
      assert.deepStrictEqual(
        call!.responses.map(({ at, result, serverId }) => [serverId, Result.isSuccess(result) && result.success, at]),
        [
          ["server-1", 3, 0],
          ["server-2", false, 30]
        ]
      )
    })
  )

  it.effect("a stream has the messages of both directions, and its close", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(
        Greeter,
        [
          {
            handlers: {
              chat: (stream) =>
                stream.messages.pipe(
                  Stream.take(2),
                  Stream.runForEach((n) => Effect.delay(stream.send(`${n}!`), 10)),
                  Effect.andThen(Effect.fail(PsrpcError.fromCode("aborted", { message: "enough" })))
                )
            }
          }
        ],
        { client: { clientId } }
      )
      const chat = yield* network.client.chat({ metadata: { a: "b" } })
      yield* chat.send(1)
      yield* chat.send(2)
      yield* TestClock.adjust(20)
      const [call] = network.calls("chat")
      const { cause } = call!.closed!
      assert.deepStrictEqual([cause?._tag, cause?.message], ["Aborted", "enough"])
      const { requestId, ...rest } = call!
      assert.notStrictEqual(requestId, "")
      assert.deepStrictEqual(rest, {
        method: "chat",
        kind: "stream",
        streamId: chat.streamId,
        clientId,
        topic: {},
        metadata: { a: "b" },
        sentAt: 0,
        deadline: 3000,
        claims: [{ serverId: "server-1", affinity: 1, at: 0 }],
        serverId: "server-1",
        canceledAt: undefined,
        openedAt: 0,
        sent: [
          { message: 1, at: 0 },
          { message: 2, at: 0 }
        ],
        received: [
          { message: "1!", at: 10 },
          { message: "2!", at: 20 }
        ],
        closed: { by: "server", cause, at: 20 }
      })
    })
  )

  it.effect("an update has its message, topic and time", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [])
      yield* TestClock.adjust(5)
      yield* network.publisher.news("one", { topic: { paper: "le monde" } })
      yield* network.publisher.job(2)
      const news = {
        method: "news",
        kind: "subscription",
        message: "one",
        topic: { paper: "le monde" },
        at: 5
      } as const
      assert.deepStrictEqual(network.updates("news"), [news])
      assert.deepStrictEqual(network.updates(), [
        news,
        { method: "job", kind: "subscription", message: 2, topic: {}, at: 5 }
      ])
    })
  )
})

class Topics extends Service.make("My.Topics", {
  one: Rpc.unary({ topic: ["a"] }),
  two: Rpc.unary({ topic: ["a", "b"] }),
  three: Rpc.subscription({
    topic: { n: Schema.FiniteFromString, on: Schema.Literals(["yes", "no"]), c: Schema.String }
  }),
  named: Rpc.unary({ name: "One|REQ", topic: ["a"] })
}) {}

describe("topics", () => {
  it.effect("are read back, whatever characters they contain", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Topics, [])
      const odd = ["", "x", "eu-west", "a|b", "REQ", "u+002d", "U+0001f680", "🚀é", "软件", " ", "*.>", "__proto__"]
      for (const a of odd) {
        yield* Effect.ignore(network.client.one({ topic: { a } }))
        yield* Effect.ignore(network.client.named({ topic: { a } }))
        for (const b of odd) yield* Effect.ignore(network.client.two({ topic: { a, b } }))
        if (a !== "") yield* network.publisher.three({ topic: { n: 1.5, on: "no", c: a } })
      }
      const one = odd.map((a) => ({ a }))
      assert.deepStrictEqual(
        network.calls("one").map(({ topic }) => topic),
        one
      )
      assert.deepStrictEqual(
        network.calls("named").map(({ topic }) => topic),
        one
      )
      assert.deepStrictEqual(
        network.calls("two").map(({ topic }) => topic),
        odd.flatMap((a) => odd.map((b) => ({ a, b })))
      )
      assert.deepStrictEqual(
        network.updates("three").map(({ topic }) => topic),
        odd.slice(1).map((c) => ({ n: 1.5, on: "no", c }))
      )
    })
  )
})

describe("the records", () => {
  it.effect("can be waited for", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [{ handlers: { hello: (name) => Effect.succeed(name) } }])
      const two = yield* start(network.waitUntil(() => network.calls("hello").length === 2))
      const responded = yield* start(network.waitUntil(() => network.calls("hello")[1]?.result !== undefined))
      yield* network.client.hello("Ada")
      yield* settle
      assert.isTrue(isRunning(two))
      yield* network.client.hello("Bob")
      yield* Fiber.join(two)
      yield* Fiber.join(responded)
      yield* network.waitUntil(() => true)
      yield* Fiber.interrupt(yield* start(network.waitUntil(() => false)))
      const oops = (): boolean => {
        throw new Error("oops")
      }
      const exit = yield* Effect.exit(network.waitUntil(oops))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect("are those of the service's valid messages alone", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [{ handlers: { hello: (name) => Effect.succeed(name) } }])
      const other = yield* Effect.provideService(
        Client.make(Service.make("Other", { hello: Rpc.unary() })),
        MessageBus,
        network.connection
      )
      yield* Effect.ignore(other.hello())
      const wrong = yield* Effect.provideService(
        Client.make(Service.make("Greeter", { hello: Rpc.unary({ request: Schema.Int }), unknown: Rpc.unary() })),
        MessageBus,
        network.connection
      )
      assert.strictEqual((yield* Effect.flip(wrong.hello(1)))._tag, "MalformedRequest")
      yield* Effect.ignore(wrong.unknown())
      const bus = network.connection
      const name = "Greeter|Hello|REQ"
      bus.publishUnsafe(bus.target({ name, subject: name, route: "" }), new Uint8Array([1, 2, 3]), 1, {
        wanted: () => true,
        delivered() {},
        undelivered() {}
      })
      assert.deepStrictEqual(network.calls(), [])
    })
  )

  it.effect("of a thousand calls are complete", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [
        { handlers: { hello: (name) => Effect.succeed(name) } },
        { handlers: { hello: (name) => Effect.succeed(name) } }
      ])
      const names = Array.from({ length: 1000 }, (_, i) => String(i))
      yield* Effect.forEach(names, (name) => network.client.hello(name), { concurrency: 64 })
      const calls = network.calls("hello")
      assert.deepStrictEqual(
        calls.map(({ request }) => request),
        names
      )
      assert.isTrue(calls.every(({ request, result }) => result?._tag === "Success" && result.success === request))
      assert.strictEqual(calls.filter(({ serverId }) => serverId === "server-1").length, 500)
    })
  )
})
