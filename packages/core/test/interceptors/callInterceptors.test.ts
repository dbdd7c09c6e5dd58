import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import type * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Server from "../../src/Server.ts"
import { Logs, onBus, settle } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note } from "./everyKind.ts"

/** Notes each kind. */
const noting = (events: Array<string>) =>
  Interceptor.all(
    Interceptor.client((call, next) => Effect.andThen(note(events, call.method), next())),
    Interceptor.clientMulti((call, next) => Stream.unwrap(Effect.as(note(events, call.method), next()))),
    Interceptor.clientStream((call, next) => Effect.andThen(note(events, call.method), next())),
    Interceptor.subscribe((call, next) => Effect.andThen(note(events, `subscribe ${call.method}`), next())),
    Interceptor.publish((call, next) => Effect.andThen(note(events, `publish ${call.method}`), next())),
    // of servers: nothing to a call
    Interceptor.server((_, next) => Effect.andThen(note(events, "server"), next()))
  )

describe("a call's own interceptors", () => {
  it.effect("run around that call alone, of each kind", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const interceptors = [noting(events)]
      yield* echo()
      const client = yield* Client.make(Kinds)
      const publisher = yield* Publisher.make(Kinds)
      for (const options of [{ interceptors }, {}, { interceptors: undefined }, { interceptors: [] }]) {
        yield* client.ask("a", options)
        yield* Stream.runDrain(client.all("a", { ...options, expect: 1 }))
        yield* Effect.scoped(client.talk(options))
        assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"), options)), ["a"])
        yield* Effect.scoped(client.news(options))
        yield* publisher.news("a", options)
      }
      assert.deepStrictEqual(events, ["Ask", "All", "Talk", "Talk", "subscribe News", "publish News"])
    }).pipe(onBus)
  )

  it.effect("do not go along to the calls that handlers make for it", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* echo()
      const inner = yield* Client.make(Kinds)
      yield* Server.make(
        Kinds,
        { ...echoes, ask: (request) => Effect.orDie(inner.other(request)) },
        { serverId: "outer" }
      )
      const client = yield* Client.make(Kinds)
      yield* client.ask("a", { interceptors: [noting(events)] })
      yield* client.ask("a", { interceptors: [noting(events)] })
      assert.deepStrictEqual(events, ["Ask", "Ask"])
    }).pipe(onBus)
  )
})

describe("what are no interceptors", () => {
  const wrong: ReadonlyArray<readonly [string, unknown, RegExp]> = [
    ["a function", () => {}, /interceptors: expected an array/],
    ["an interceptor by itself", Interceptor.client((_, next) => next()), /interceptors: expected an array/],
    ["null", null, /interceptors: expected an array/],
    ["a list of functions", [(_: unknown, next: () => unknown) => next()], /interceptors\[0\]: .* got function/],
    ["a list with null", [Interceptor.client((_, next) => next()), null], /interceptors\[1\]: .* got null/],
    ["a list of lists", [[Interceptor.client((_, next) => next())]], /interceptors\[0\]: .* got object/]
  ]

  const assertInvalid = (error: PsrpcError.PsrpcError, text: RegExp): void => {
    assert.strictEqual(error.code, "invalid_argument")
    assert.match(error.message, text)
    assert.isFalse(error.mayHaveRun)
  }

  it.effect.each(wrong)("%s is refused where a call is made", ([_, given, text]) =>
    Effect.gen(function* () {
      const interceptors = given as ReadonlyArray<Interceptor.NoRequirements>
      const client = yield* Client.make(Kinds)
      const publisher = yield* Publisher.make(Kinds)
      const errors = [
        yield* Effect.flip(client.ask("a", { interceptors })),
        yield* Effect.flip(Stream.runDrain(client.all("a", { interceptors }))),
        yield* Effect.flip(Effect.scoped(client.talk({ interceptors }))),
        yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a"), { interceptors }))),
        yield* Effect.flip(Effect.scoped(client.news({ interceptors }))),
        yield* Effect.flip(publisher.news("a", { interceptors }))
      ]
      for (const error of errors) assertInvalid(error as PsrpcError.PsrpcError, text)
      yield* settle
    }).pipe(onBus)
  )

  it.effect.each(wrong)("%s is refused where a client, a server or a publisher is made", ([_, given, text]) =>
    Effect.gen(function* () {
      const interceptors = given as ReadonlyArray<Interceptor.NoRequirements>
      assertInvalid(yield* Effect.flip(Client.make(Kinds, { interceptors })), text)
      assertInvalid(yield* Effect.flip(Server.make(Kinds, echoes, { interceptors })), text)
      assertInvalid(yield* Effect.flip(Publisher.make(Kinds, { interceptors })), text)
    }).pipe(onBus)
  )

  it.effect("an interceptor that its owner never runs is reported by a warning", () =>
    Effect.gen(function* () {
      const interceptors = [
        Interceptor.hooks({}),
        Interceptor.server((_, next) => next()),
        Interceptor.publish((_, next) => next()),
        Interceptor.all()
      ]
      yield* Client.make(Kinds, { interceptors })
      yield* Server.make(Kinds, echoes, { interceptors })
      yield* Publisher.make(Kinds, { interceptors })
      const warnings = (yield* Logs).flatMap(({ level, text }) => (level === "Warn" ? [text] : []))
      assert.deepStrictEqual(warnings, [
        "psrpc: client of Kinds: interceptors[1] (server) never runs: a client runs interceptors of the kinds client, clientMulti, clientStream, subscribe",
        "psrpc: client of Kinds: interceptors[2] (publish) never runs: a client runs interceptors of the kinds client, clientMulti, clientStream, subscribe",
        "psrpc: server of Kinds: interceptors[2] (publish) never runs: a server runs interceptors of the kinds server, serverStream",
        "psrpc: publisher of Kinds: interceptors[1] (server) never runs: a publisher runs interceptors of the kinds publish"
      ])
    }).pipe(onBus)
  )

  it("constructors throw for what is no function, and for a method that is not there", () => {
    const none = undefined as never
    const constructors = {
      client: () => Interceptor.client(none),
      clientMulti: () => Interceptor.clientMulti(none),
      clientStream: () => Interceptor.clientStream(none),
      server: () => Interceptor.server(none),
      serverStream: () => Interceptor.serverStream(none),
      subscribe: () => Interceptor.subscribe(none),
      publish: () => Interceptor.publish(none),
      stream: () => Interceptor.stream(none),
      provide: () => Interceptor.provide(none, none),
      "method\\(Kinds, ask\\), server": () => Interceptor.method(Kinds, "ask", { server: null as never })
    }
    for (const [name, make] of Object.entries(constructors)) {
      assert.throws(make, new RegExp(`Interceptor.${name}: expected a function, got (undefined|null)`))
    }
    assert.throws(
      () => Interceptor.method(Kinds, "toString" as never, { client: () => none } as never),
      "Interceptor.method: Kinds has no method toString, only "
    )
    assert.throws(
      () => Interceptor.method(Kinds, "ask", { publisher: () => none } as never),
      "Interceptor.method(Kinds, ask): a unary method has the sides client and server, and no publisher"
    )
    assert.throws(() => Interceptor.all({} as never), /interceptors\[0\]: .* got object/)
  })
})
