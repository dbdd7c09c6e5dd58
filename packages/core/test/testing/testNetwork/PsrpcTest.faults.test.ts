// Faults of a test network.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Context, Effect, Exit, Fiber, Result, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../../src/Client.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as FaultyMessageBus from "../../../src/testing/FaultyMessageBus.ts"
import * as PsrpcTest from "../../../src/testing/PsrpcTest.ts"
import { errorOf, exitOf, isRunning, settle, start } from "../../helpers/harness.ts"
import { Greeter, NameTaken } from "./greeter.ts"

const busy = new PsrpcError.Unavailable({ message: "busy" })

const handlers = Greeter.of({
  hello: (name) => Effect.succeed(`Hello ${name}`),
  render: { affinity: 0.5, handle: (job) => Effect.succeed(`job ${job}`) },
  reload: () => Effect.succeed("reloaded"),
  mute: () => Effect.void,
  speak: () => Effect.succeed(0),
  stats: (text) => Effect.succeed(text.length),
  chat: (stream) => Stream.runForEach(stream.messages, (n) => stream.send(`${n}!`))
})

const make = PsrpcTest.make(Greeter, [{ handlers }])
const makeTwo = PsrpcTest.make(Greeter, [
  { serverId: "a", handlers },
  { serverId: "b", handlers }
])

/** Returns the duration of an effect, on a clock that is advanced in steps. */
const durationOf = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, unknown, Scope.Scope>, step = 50) {
  const before = yield* Clock.currentTimeMillis
  const fiber = yield* start(Effect.andThen(Effect.exit(effect), Clock.currentTimeMillis))
  while (isRunning(fiber)) yield* TestClock.adjust(step)
  return (yield* Fiber.join(fiber)) - before
})

describe("fail", () => {
  it.effect("makes a call fail the given number of times, with the method's own error", () =>
    Effect.gen(function* () {
      const { client, fail } = yield* make
      yield* fail("hello", new NameTaken({ name: "Ada" }), { times: 2 })
      for (let i = 0; i < 2; i++) {
        assert.deepStrictEqual(yield* Effect.flip(client.hello("Ada")), new NameTaken({ name: "Ada" }))
      }
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
    })
  )

  it.effect("applies to the calls of its condition", () =>
    Effect.gen(function* () {
      const { client, fail } = yield* make
      yield* fail("hello", ({ request }) => new NameTaken({ name: request }), {
        when: ({ metadata, request }) => request === "Bob" || metadata["bad"] === "yes"
      })
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
      assert.deepStrictEqual(yield* Effect.flip(client.hello("Bob")), new NameTaken({ name: "Bob" }))
      const bad = client.hello("Ada", { metadata: { bad: "yes" } })
      assert.deepStrictEqual(yield* Effect.flip(bad), new NameTaken({ name: "Ada" }))
      assert.strictEqual(yield* client.stats("abc").pipe(Client.successes, Stream.take(1), Stream.runCount), 1)
    })
  )

  it.effect("ends with its scope", () =>
    Effect.gen(function* () {
      const { client, fail } = yield* make
      yield* Effect.scoped(
        Effect.andThen(
          fail("hello", busy),
          Effect.map(Effect.flip(client.hello("Ada")), ({ _tag }) => {
            assert.strictEqual(_tag, "Unavailable")
          })
        )
      )
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
    })
  )

  it.effect("applies to one server of a multi method", () =>
    Effect.gen(function* () {
      const { client, fail } = yield* makeTwo
      yield* fail("stats", busy, { serverId: "b" })
      const responses = yield* Stream.runCollect(client.stats("abc", { expect: 2 }))
      assert.deepStrictEqual(
        Array.from(responses, ({ result, serverId }) => [serverId, Result.isSuccess(result)]).sort(),
        [
          ["a", true],
          ["b", false]
        ]
      )
    })
  )

  it.effect("closes a stream with the error", () =>
    Effect.gen(function* () {
      const { client, fail } = yield* make
      yield* fail("chat", busy)
      const chat = yield* client.chat()
      const error = yield* Effect.flip(Stream.runDrain(chat.messages))
      assert.strictEqual(error.message, "busy")
    })
  )

  it.effect("makes publishing fail, and the update is not sent", () =>
    Effect.gen(function* () {
      const { client, fail, publisher } = yield* make
      const news = yield* client.news({ topic: { paper: "x" } })
      yield* fail("news", busy, { times: 1, when: ({ message, topic }) => message === "1" && topic.paper === "x" })
      assert.strictEqual(yield* Effect.flip(publisher.news("1", { topic: { paper: "x" } })), busy)
      yield* publisher.news("2", { topic: { paper: "x" } })
      assert.deepStrictEqual(yield* Stream.runHead(news), yield* Effect.succeedSome("2"))
    })
  )
})

describe("delay", () => {
  it.effect("of 200 milliseconds ends at 200 in every kind of call, and several delays add up", () =>
    Effect.gen(function* () {
      const { client, delay } = yield* make
      yield* delay("hello", "200 millis")
      yield* delay("stats", 200)
      yield* delay("chat", "150 millis")
      yield* delay("chat", "50 millis")
      assert.strictEqual(yield* durationOf(client.hello("Ada")), 200)
      assert.strictEqual(yield* durationOf(Stream.runDrain(client.stats("", { expect: 1 }))), 200)
      assert.strictEqual(yield* durationOf(Stream.runHead(client.chat.through(Stream.make(1)))), 200)
    })
  )

  it.effect("beyond the deadline ends in a timeout and interrupts the handler", () =>
    Effect.gen(function* () {
      const { calls, client, delay, handle } = yield* make
      let ran = false
      yield* handle("hello", () => Effect.sync(() => ((ran = true), "")))
      yield* delay("hello", "10 seconds")
      const call = yield* start(client.hello("Ada", { timeout: "1 second" }))
      yield* TestClock.adjust("999 millis")
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(ran)
      assert.strictEqual(calls("hello")[0]!.deadline, 1000)
    })
  )

  it.effect("delays updates, and others overtake them", () =>
    Effect.gen(function* () {
      const { client, delay, publisher } = yield* make
      const jobs = yield* client.job()
      yield* delay("job", "200 millis", { when: ({ message }) => message === 1 })
      const seen: Array<readonly [number, number]> = []
      yield* start(
        Stream.runForEach(jobs, (job) => Effect.map(Clock.currentTimeMillis, (at) => seen.push([job, at] as const)))
      )
      yield* start(publisher.job(1))
      yield* publisher.job(2)
      yield* TestClock.adjust("300 millis")
      assert.deepStrictEqual(seen, [
        [2, 0],
        [1, 200]
      ])
    })
  )
})

class Name extends Context.Service<Name, string>()("test/Name") {}

describe("handle", () => {
  it.effect("replaces the server's handler, and the latest replacement is first", () =>
    Effect.gen(function* () {
      const { client, handle } = yield* make
      yield* handle("hello", (name, call) => Effect.succeed(`1 ${name} ${call.header.metadata["a"]}`))
      yield* handle("hello", () => Effect.map(Name, (name) => `2 ${name}`), { times: 1 }).pipe(
        Effect.provideService(Name, "Bob")
      )
      assert.strictEqual(yield* client.hello("Ada"), "2 Bob")
      assert.strictEqual(yield* client.hello("Ada", { metadata: { a: "b" } }), "1 Ada b")
    })
  )

  it.effect("keeps the server's affinity and the scope of each call", () =>
    Effect.gen(function* () {
      const { calls, client, handle } = yield* make
      const ended: Array<string> = []
      yield* handle("render", () =>
        Effect.as(
          Effect.addFinalizer(() => Effect.sync(() => ended.push("render"))),
          "other"
        )
      )
      yield* handle("chat", (stream) => stream.send("other"))
      const call = yield* start(client.render(1))
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* Fiber.join(call), "other")
      assert.deepStrictEqual(ended, ["render"])
      assert.strictEqual(calls("render")[0]!.claims[0]!.affinity, 0.5)
      const responses = yield* Stream.runCollect(client.chat.through(Stream.never))
      assert.deepStrictEqual(Array.from(responses), ["other"])
    })
  )
})

describe("lose", () => {
  it.effect("a request: no server receives it, and the call times out", () =>
    Effect.gen(function* () {
      const { calls, client, lose } = yield* make
      yield* lose("hello", "request", { times: 1 })
      const call = yield* start(client.hello("Ada"))
      yield* TestClock.adjust("1 second")
      // a call that needs a claim waits for the affinity timeout
      assert.propertyVal(errorOf(call), "reason", "no_response")
      assert.deepStrictEqual(calls("hello")[0]!.claims, [])
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
    })
  )

  it.effect("a claim of one server: the other server handles the call", () =>
    Effect.gen(function* () {
      const { calls, client, lose } = yield* makeTwo
      yield* lose("render", "claim", { serverId: "a" })
      const call = yield* start(client.render(1))
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* Fiber.join(call), "job 1")
      const [record] = calls("render")
      assert.strictEqual(record!.serverId, "b")
      assert.strictEqual(record!.claims.length, 2)
    })
  )

  it.effect("a claim response: the selected server does not run the handler", () =>
    Effect.gen(function* () {
      const { calls, client, lose } = yield* make
      yield* lose("hello", "claimResponse")
      const call = yield* start(client.hello("Ada"))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.isUndefined(calls("hello")[0]!.result)
    })
  )

  it.effect("a response: the handler has run, and the caller times out", () =>
    Effect.gen(function* () {
      const { calls, client, lose } = yield* make
      yield* lose("hello", "response", { when: ({ request }) => request === "Ada" })
      const call = yield* start(client.hello("Ada"))
      yield* TestClock.adjust("3 seconds")
      assert.isTrue(errorOf(call)._tag === "DeadlineExceeded")
      assert.deepStrictEqual(calls("hello")[0]!.result, Result.succeed("Hello Ada"))
      assert.strictEqual(yield* client.hello("Bob"), "Hello Bob")
    })
  )

  it.effect("an ack and a close of a stream: the message has arrived but the send fails, and the peer waits", () =>
    Effect.gen(function* () {
      const { calls, client, handle, lose } = yield* make
      const received: Array<number> = []
      const ends: Array<Exit.Exit<void, unknown>> = []
      yield* handle("chat", (stream) =>
        Effect.andThen(
          Effect.exit(Stream.runForEach(stream.messages, (n) => Effect.sync(() => received.push(n)))),
          (exit) => Effect.sync(() => ends.push(exit))
        )
      )
      yield* lose("chat", "ack", { times: 1 })
      yield* lose("chat", "close", { times: 1 })
      const chat = yield* client.chat()
      const send = yield* start(chat.send(1, { timeout: "100 millis" }))
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(received, [1])
      yield* chat.send(2)
      yield* chat.close()
      yield* settle
      assert.deepStrictEqual([received, ends], [[1, 2], []])
      assert.strictEqual(calls("chat")[0]!.closed?.by, "client")
    })
  )

  it.effect("stream messages of the client and of the server", () =>
    Effect.gen(function* () {
      const { calls, client, handle, lose } = yield* make
      yield* handle("chat", (stream) =>
        Stream.runForEach(stream.messages, (n) => Effect.ignore(stream.send(`${n}!`, { timeout: 100 })))
      )
      yield* lose("chat", "sent", { times: 1 })
      yield* lose("chat", "received", { times: 1 })
      const chat = yield* client.chat()
      for (const n of [1, 2]) yield* start(chat.send(n, { timeout: 100 }))
      yield* TestClock.adjust("200 millis")
      yield* chat.send(3)
      yield* settle
      yield* chat.close()
      assert.deepStrictEqual(Array.from(yield* Stream.runCollect(chat.messages)), ["3!"])
      const [record] = calls("chat")
      assert.deepStrictEqual(
        [record!.sent.map(({ message }) => message), record!.received.map(({ message }) => message)],
        [
          [1, 2, 3],
          ["2!", "3!"]
        ]
      )
    })
  )

  it.effect("an update: publishing succeeds", () =>
    Effect.gen(function* () {
      const { client, lose, publisher, updates } = yield* make
      const jobs = yield* client.job()
      yield* lose("job", "update", { times: 1 })
      yield* publisher.job(1)
      yield* publisher.job(2)
      assert.deepStrictEqual(yield* Stream.runHead(jobs), yield* Effect.succeedSome(2))
      assert.deepStrictEqual(
        updates("job").map(({ message }) => message),
        [1, 2]
      )
    })
  )
})

describe("inject", () => {
  it.effect("delays and duplicates messages", () =>
    Effect.gen(function* () {
      const { client, inject, publisher } = yield* make
      yield* inject("hello", "response", FaultyMessageBus.delay("30 millis"))
      yield* inject("hello", "request", FaultyMessageBus.latency("20 millis"))
      assert.strictEqual(yield* durationOf(client.hello("Ada"), 10), 50)
      yield* inject("job", "update", FaultyMessageBus.duplicate())
      const jobs = yield* client.job()
      yield* publisher.job(1)
      assert.deepStrictEqual(Array.from(yield* Stream.runCollect(Stream.take(jobs, 2))), [1, 1])
    })
  )
})

describe("an invalid fault", () => {
  it.effect("is a defect, since it would never happen", () =>
    Effect.gen(function* () {
      const network = yield* make
      const dies = Effect.fnUntraced(function* (effect: Effect.Effect<unknown, unknown, Scope.Scope>) {
        const fiber = yield* start(Effect.scoped(effect))
        yield* settle
        const exit = exitOf(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        return String(Exit.isFailure(exit) && Cause.squash(exit.cause))
      })
      assert.include(yield* dies(network.fail("helo" as "hello", busy)), "no method helo")
      assert.include(yield* dies(network.fail("hello", busy, { times: 0 })), "times is 0")
      assert.include(yield* dies(network.lose("hello", "response", { serverId: "c" })), "no server c")
      assert.include(yield* dies(network.delay("hello", "soon" as "1 second")), "delay")
      assert.include(yield* dies(network.lose("hello", "sent" as "response")), "sent")
      assert.include(yield* dies(network.handle("news" as "hello", () => Effect.succeed(""))), "news")
      assert.include(yield* dies(PsrpcTest.make(Greeter, [], { join: {} as typeof network })), "join")
      assert.throws(() => network.server("c"), "no server c")
    })
  )

  it.effect("an exception of the condition fails the call", () =>
    Effect.gen(function* () {
      const { client, fail, lose } = yield* make
      const when = (): boolean => {
        throw new Error("oops")
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* fail("hello", busy, { when })
          assert.strictEqual((yield* Effect.flip(client.hello("Ada")))._tag, "Internal")
        })
      )
      yield* lose("hello", "request", { when })
      assert.include((yield* Effect.flip(client.hello("Ada"))).message, "threw")
    })
  )
})
