import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note, Refused } from "./everyKind.ts"

const refuse = () => Effect.fail(new PsrpcError.Unauthenticated({ message: "who are you?" }))

describe("an interceptor changes the request and the answer of its method", () => {
  it.effect("at a server, of a call with one answer, and of no other method", () =>
    Effect.gen(function* () {
      yield* echo(
        Interceptor.method(Kinds, "ask", {
          server: (call, next) => {
            assert.strictEqual(call.method, "Ask")
            return Effect.map(next({ request: call.request.toUpperCase() }), (answer) => `${answer}!`)
          }
        })
      )
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("a"), "A!")
      assert.strictEqual(yield* client.other("a"), "a")
    }).pipe(onBus)
  )

  it.effect("at a server, of a call that every server answers", () =>
    Effect.gen(function* () {
      yield* echo(
        Interceptor.method(Kinds, "all", {
          server: (call, next) => Effect.map(next({ request: `<${call.request}>` }), (answer) => `${answer}!`)
        })
      )
      const client = yield* Client.make(Kinds)
      assert.deepStrictEqual(yield* client.all("a", { expect: 1 }).pipe(Client.successes, Stream.runCollect), ["<a>!"])
    }).pipe(onBus)
  )

  it.effect("at a client, of a call with one answer, and of no other method", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.method(Kinds, "ask", {
            client: (call, next) => {
              assert.strictEqual(call.kind, "unary")
              return Effect.map(next({ request: `<${call.request}>` }), (answer) => `${answer}!`)
            }
          })
        ]
      })
      assert.strictEqual(yield* client.ask("a"), "<a>!")
      assert.strictEqual(yield* client.other("a"), "a")
    }).pipe(onBus)
  )

  it.effect("at a client, of a call that every server answers", () =>
    Effect.gen(function* () {
      yield* echo()
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.method(Kinds, "all", {
            client: (call, next) =>
              next({ request: `<${call.request}>`, expect: 2 }).pipe(
                Stream.map(({ result, serverId }) => ({
                  serverId,
                  result: Result.map(result, (answer) => `${answer}!`)
                }))
              )
          })
        ]
      })
      const answers = yield* client.all("a").pipe(Client.successes, Stream.runCollect)
      assert.deepStrictEqual(answers, ["<a>!", "<a>!"])
    }).pipe(onBus)
  )

  it.effect("of updates, where they are published and where they are read", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.method(Kinds, "news", {
            client: (_, next) => Effect.map(next(), (updates) => Stream.map(updates, (update) => `${update}!`))
          })
        ]
      })
      const publisher = yield* Publisher.make(Kinds, {
        interceptors: [
          Interceptor.method(Kinds, "news", { publisher: (call, next) => next({ message: `<${call.message}>` }) })
        ]
      })
      const news = yield* client.news()
      const rumours = yield* client.rumours()
      yield* publisher.news("a")
      yield* publisher.rumours("b")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(news, 1)), ["<a>!"])
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(rumours, 1)), ["b"])
    }).pipe(onBus)
  )
})

describe("an interceptor changes the options of a call", () => {
  it.effect("its timeout, which those behind it are told of", () =>
    Effect.gen(function* () {
      const timeouts: Array<number> = []
      const seeing = Interceptor.client((call, next) => {
        timeouts.push(call.timeout)
        return next()
      })
      yield* Server.make(Kinds, { ...echoes, ask: () => Effect.never })
      const client = yield* Client.make(Kinds, {
        interceptors: [seeing, Interceptor.client((_, next) => next({ timeout: "1 second" })), seeing]
      })
      const fiber = yield* start(client.ask("a", { timeout: "5 seconds" }))
      yield* TestClock.adjust("999 millis")
      assert.isTrue(isRunning(fiber))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((errorOf(fiber) as PsrpcError.PsrpcError).code, "deadline_exceeded")
      assert.deepStrictEqual(timeouts, [5000, 1000])
    }).pipe(onBus)
  )

  it.effect("a timeout that is none is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((_, next) => next({ timeout: "soon" as never })),
          Interceptor.client((_, next) => next())
        ]
      })
      const error = yield* Effect.flip(client.ask("a"))
      assert.strictEqual((error as PsrpcError.PsrpcError).code, "invalid_argument")
    }).pipe(onBus)
  )

  it.effect("its metadata, which is added to what the call has", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      yield* echo(
        Interceptor.server((call, next) => {
          seen.push({ ...call.header.metadata })
          return next()
        })
      )
      const client = yield* Client.make(Kinds, {
        metadata: { a: "client", b: "client", c: "client" },
        interceptors: [
          // under what the call itself says
          Interceptor.metadata((call) => Effect.succeed({ b: "interceptor", c: call.method })),
          Interceptor.client((call, next) => next({ metadata: { seen: Object.keys(call.options.metadata!).join() } }))
        ]
      })
      yield* client.ask("x", { metadata: { b: "call" } })
      assert.deepStrictEqual(seen, [{ a: "client", b: "call", c: "Ask", seen: "b,c" }])
    }).pipe(onBus)
  )

  it.effect("and leaves what it says nothing of, or undefined", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((_, next) => next({ timeout: undefined, metadata: undefined })),
          Interceptor.client((_, next) => next()),
          Interceptor.client((call, next) => {
            seen.push(call.timeout, call.options.metadata)
            return next()
          })
        ]
      })
      yield* client.ask("a", { timeout: "1 second", metadata: { a: "b" } })
      assert.deepStrictEqual(seen, [1000, { a: "b" }])
    }).pipe(onBus)
  )

  it.effect("metadata that cannot be sent is refused", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, {
        maxMetadataSize: 100,
        interceptors: [Interceptor.metadata({ a: "x".repeat(100) })]
      })
      const error = yield* Effect.flip(client.ask("a"))
      assert.strictEqual((error as PsrpcError.PsrpcError).code, "invalid_argument")
    }).pipe(onBus)
  )

  it.effect("its selection", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.client((_, next) => next({ selection: Selection.first }))]
      })
      // without that it would wait for better ones
      assert.strictEqual(yield* client.best("a"), "a")
    }).pipe(onBus)
  )

  it.effect("of a stream, of a subscription, of an update", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      yield* echo(
        Interceptor.serverStream((call, next) => {
          seen.push({ ...call.header.metadata })
          return next()
        })
      )
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.clientStream((_, next) => next({ metadata: { by: "interceptor" } })),
          Interceptor.subscribe((call, next) => {
            seen.push(call.options.subscriptionBufferSize)
            return next({ subscriptionBufferSize: 1, overflow: "sliding" })
          })
        ]
      })
      yield* Effect.scoped(client.talk())
      assert.deepStrictEqual(seen, [{ by: "interceptor" }])
      const news = yield* client.news({ subscriptionBufferSize: 7 })
      assert.strictEqual(seen[1], 7)
      const publisher = yield* Publisher.make(Kinds, {
        interceptors: [Interceptor.publish((_, next) => next({ timeout: "soon" as never }))]
      })
      assert.strictEqual((yield* Effect.flip(publisher.news("x"))).code, "invalid_argument")
      const plain = yield* Publisher.make(Kinds)
      yield* plain.news("a")
      yield* plain.news("b")
      yield* settle
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(news, 1)), ["b"])
    }).pipe(onBus)
  )
})

describe("an interceptor answers by itself", () => {
  it.effect("with a failure, before the handler runs, on every kind", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          ask: () => Effect.as(note(events, "ask"), ""),
          all: () => Effect.as(note(events, "all"), ""),
          talk: () => note(events, "talk")
        },
        { interceptors: [Interceptor.server(refuse), Interceptor.serverStream(refuse)] }
      )
      const client = yield* Client.make(Kinds)
      const asked = yield* Effect.flip(client.ask("a"))
      assert.deepStrictEqual([asked._tag, asked.message], ["Unauthenticated", "who are you?"])
      const answers = yield* Stream.runCollect(client.all("a", { expect: 1 }))
      assert.deepStrictEqual(
        answers.map(({ result }) => (Result.isFailure(result) ? result.failure._tag : "Success")),
        ["Unauthenticated"]
      )
      const stream = yield* client.talk()
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(stream.messages)))._tag, "Unauthenticated")
      assert.deepStrictEqual(events, [])
    }).pipe(onBus)
  )

  it.effect("with an answer, and the method's own error, where it is of that method", () =>
    Effect.gen(function* () {
      yield* echo(
        Interceptor.method(Kinds, "ask", {
          server: (call, next) =>
            call.request === "cached"
              ? Effect.succeed("from the cache")
              : call.request === "refused"
                ? Effect.fail(new Refused({ why: "because" }))
                : next()
        })
      )
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("cached"), "from the cache")
      const error = yield* Effect.flip(client.ask("refused"))
      assert.isTrue(error._tag === "Refused" && error.why === "because")
    }).pipe(onBus)
  )

  it.effect("at a client, and no request is sent", () =>
    Effect.gen(function* () {
      // there is no server
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.method(Kinds, "ask", { client: () => Effect.succeed("cached") }),
          Interceptor.clientMulti(() => Stream.fail(new PsrpcError.Unauthenticated({ message: "" }))),
          Interceptor.clientStream(refuse),
          Interceptor.subscribe(refuse)
        ]
      })
      assert.strictEqual(yield* client.ask("a"), "cached")
      const failures = [
        yield* Effect.flip(Stream.runDrain(client.all("a"))),
        yield* Effect.flip(client.talk()),
        yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a")))),
        yield* Effect.flip(client.news())
      ]
      for (const error of failures) assert.strictEqual(error._tag, "Unauthenticated")
      const publisher = yield* Publisher.make(Kinds, { interceptors: [Interceptor.publish(() => Effect.void)] })
      yield* publisher.news("nowhere")
    }).pipe(onBus)
  )
})

describe("an interceptor runs the rest again", () => {
  const busyAt = (times: number) => {
    let left = times
    return Effect.suspend(() =>
      left-- > 0 ? Effect.fail(new PsrpcError.Unavailable({ message: "busy" })) : Effect.succeed("done")
    )
  }

  it.effect("at a server: the handler's function, not only its Effect", () =>
    Effect.gen(function* () {
      let runs = 0
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          ask: () => {
            runs++
            return runs < 3 ? Effect.fail(new PsrpcError.Unavailable({ message: "busy" })) : Effect.succeed("done")
          }
        },
        { interceptors: [Interceptor.server((_, next) => Effect.retry(next(), { times: 2 }))] }
      )
      const client = yield* Client.make(Kinds)
      assert.strictEqual(yield* client.ask("a"), "done")
      assert.strictEqual(runs, 3)
    }).pipe(onBus)
  )

  it.effect("at a client: a request each time, with what is behind it", () =>
    Effect.gen(function* () {
      const requests: Array<string> = []
      const ask = busyAt(2)
      yield* Server.make(Kinds, { ...echoes, ask: (_, call) => (requests.push(call.requestId), ask) })
      const behind: Array<string> = []
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((_, next) => Effect.retry(next(), { times: 2 })),
          Interceptor.client((call, next) => Effect.andThen(note(behind, call.method), next()))
        ]
      })
      assert.strictEqual(yield* client.ask("a"), "done")
      assert.strictEqual(new Set(requests).size, 3)
      assert.deepStrictEqual(behind, ["Ask", "Ask", "Ask"])
    }).pipe(onBus)
  )

  it.effect("the opening of a stream, and a call that every server answers", () =>
    Effect.gen(function* () {
      yield* echo()
      let openings = 0
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.clientStream((_, next) => Effect.retry(next(), { times: 1 })),
          Interceptor.clientStream((_, next) => (++openings === 1 ? refuse() : next())),
          Interceptor.clientMulti((_, next) => Stream.concat(next(), next()))
        ]
      })
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"))), ["a"])
      assert.strictEqual(openings, 2)
      const fiber = yield* Effect.forkChild(client.all("a", { expect: 1 }).pipe(Client.successes, Stream.runCollect))
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["a", "a"])
    }).pipe(onBus)
  )

  it.effect("a multi call's interceptors, at each run of its Stream", () =>
    Effect.gen(function* () {
      yield* echo()
      let runs = 0
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.clientMulti((_, next) => (runs++, next()))]
      })
      const answers = client.all("a", { expect: 1 })
      assert.strictEqual(runs, 0)
      yield* Stream.runDrain(answers)
      yield* Stream.runDrain(answers)
      assert.strictEqual(runs, 2)
    }).pipe(onBus)
  )
})
