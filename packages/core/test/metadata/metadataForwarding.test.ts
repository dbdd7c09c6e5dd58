import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, type Scope, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import type { MessageBus } from "../../src/MessageBus.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { fakeClient, onBus, settle } from "../helpers/harness.ts"

const Texts = Schema.Record(Schema.String, Schema.String)

/** Says what it has heard. */
class Back extends Service.make("Back", {
  unary: Rpc.unary({ response: Texts }),
  multi: Rpc.multi({ response: Texts }),
  stream: Rpc.stream({ send: Schema.String, receive: Texts })
}) {}

/** Calls it. */
class Front extends Service.make("Front", {
  ask: Rpc.unary({ response: Schema.Unknown }),
  all: Rpc.multi({ response: Schema.Unknown }),
  chat: Rpc.stream({ send: Schema.Unknown, receive: Schema.Unknown })
}) {}

const heard = (call: Server.Call<object>) => Effect.succeed({ ...call.header.metadata })

const BackLive = Server.layer(Back, {
  unary: (_, call) => heard(call),
  multi: (_, call) => heard(call),
  stream: (stream, call) => Effect.flatMap(heard(call), stream.send)
})

const came = { tenant: "acme", user: "ada", traceparent: "00-1-2-01", tracestate: "x=y" }

/** What a handler of any kind makes with a client of `Back`, asked with `came`. */
const asking = (
  handler: (back: Client.From<typeof Back>) => Effect.Effect<unknown, PsrpcError.PsrpcError, MessageBus | Scope.Scope>
) =>
  Effect.gen(function* () {
    yield* Layer.build(BackLive)
    const back = yield* Client.make(Back)
    const handle = () => handler(back)
    yield* Server.make(Front, { ask: handle, all: handle, chat: (stream) => Effect.flatMap(handle(), stream.send) })
    const front = yield* Client.make(Front, { metadata: came })
    const asked = yield* front.ask()
    const all = yield* Stream.runCollect(Client.successes(front.all({ expect: 1 })))
    const chat = yield* Effect.flatMap(front.chat(), ({ messages }) => Stream.runCollect(Stream.take(messages, 1)))
    assert.deepStrictEqual(all, [asked], "a handler of a multi method sees something else")
    assert.deepStrictEqual(chat, [asked], "a handler of a stream sees something else")
    return asked
  }).pipe(Effect.scoped, onBus)

describe("metadata that came in", () => {
  it.effect("is told below the handler, and in fibers that it forks", () =>
    Effect.gen(function* () {
      const told = yield* asking(() =>
        Effect.gen(function* () {
          const here = yield* Metadata.incoming
          const forked = yield* Fiber.join(yield* Effect.forkChild(Metadata.incoming))
          return [{ ...here }, { ...forked }]
        })
      )
      assert.deepStrictEqual(told, [came, came])
    })
  )

  it.effect("is none where no call is answered", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Metadata.incoming, Metadata.empty)
      assert.deepStrictEqual(yield* Metadata.outgoing.pipe(Metadata.forward()), {})
      assert.deepStrictEqual(yield* Metadata.outgoing.pipe(Metadata.forward(["a"]), Metadata.with({ b: "2" })), {
        b: "2"
      })
    })
  )

  it.effect("does not go out with calls that the handler makes, of any kind", () =>
    Effect.gen(function* () {
      const told = yield* asking((back) =>
        Effect.gen(function* () {
          const unary = yield* back.unary()
          const multi = yield* Stream.runCollect(Client.successes(back.multi({ expect: 1 })))
          const { messages } = yield* back.stream()
          const stream = yield* Stream.runCollect(Stream.take(messages, 1))
          return [{ ...(yield* Metadata.outgoing) }, unary, ...multi, ...stream]
        })
      )
      assert.deepStrictEqual(told, [{}, {}, {}, {}])
    })
  )

  it.effect("does not go out with calls of fibers that the handler forks, whoever waits for them", () =>
    Effect.gen(function* () {
      const told = yield* asking((back) =>
        Effect.gen(function* () {
          const scope = yield* Effect.scope
          const fibers = [
            yield* Effect.forkChild(back.unary()),
            yield* Effect.forkIn(back.unary(), scope),
            yield* Effect.forkDetach(back.unary())
          ]
          return yield* Effect.forEach(fibers, Fiber.join)
        })
      )
      assert.deepStrictEqual(told, [{}, {}, {}])
    })
  )

  it.effect("does not go out with calls of a server or a client made in the handler, also where it forwards", () =>
    Effect.gen(function* () {
      class Inner extends Service.make("Inner", { relay: Rpc.unary({ response: Schema.Unknown }) }) {}
      const told = yield* asking((back) =>
        Effect.gen(function* () {
          const seen = Effect.gen(function* () {
            return [{ ...(yield* Metadata.incoming) }, { ...(yield* Metadata.outgoing) }, yield* back.unary()]
          })
          yield* Server.make(Inner, { relay: () => seen }).pipe(Metadata.forward(), Metadata.with({ boot: "yes" }))
          const inner = yield* Client.make(Inner).pipe(Metadata.forward())
          return [yield* inner.relay(), yield* inner.relay({ metadata: { own: "1" } })]
        })
      )
      assert.deepStrictEqual(told, [
        [{}, {}, {}],
        [{ own: "1" }, {}, {}]
      ])
    })
  )

  it.effect("goes out where it is forwarded: all but the trace", () =>
    Effect.gen(function* () {
      const told = yield* asking((back) =>
        Effect.gen(function* () {
          const { messages } = yield* back.stream().pipe(Metadata.forward())
          return [
            yield* back.unary().pipe(Metadata.forward()),
            yield* Metadata.forward(back.unary()),
            ...(yield* back.multi({ expect: 1 }).pipe(Client.successes, Metadata.forward(), Stream.runCollect)),
            ...(yield* Stream.runCollect(Metadata.forward(Client.successes(back.multi({ expect: 1 }))))),
            ...(yield* Stream.runCollect(Stream.take(messages, 1))),
            // and only inside
            yield* back.unary()
          ]
        })
      )
      const on = { tenant: "acme", user: "ada" }
      assert.deepStrictEqual(told, [on, on, on, on, on, {}])
    })
  )

  it.effect("goes out where it is forwarded: of these keys, the trace where it is among them", () =>
    Effect.gen(function* () {
      const told = yield* asking((back) =>
        Effect.all([
          back.unary().pipe(Metadata.forward(["tenant", "absent", "constructor"])),
          Metadata.forward(back.unary(), ["user", ...Metadata.traceKeys]),
          back.unary().pipe(Metadata.forward([]))
        ])
      )
      const { tenant, user, ...trace } = came
      assert.deepStrictEqual(told, [{ tenant }, { user, ...trace }, {}])
    })
  )

  it.effect("goes out under what is outgoing, and the call's own", () =>
    Effect.gen(function* () {
      const told = yield* asking((back) =>
        back.unary({ metadata: { call: "m" } }).pipe(Metadata.forward(), Metadata.with({ user: "root", own: "1" }))
      )
      assert.deepStrictEqual(told, { tenant: "acme", user: "root", own: "1", call: "m" })
    })
  )

  it.effect("is that of the current call, once for each", () =>
    Effect.gen(function* () {
      yield* Layer.build(BackLive)
      const back = yield* Client.make(Back)
      yield* Server.make(Front, {
        ask: () => Effect.andThen(Effect.yieldNow, Metadata.forward(back.unary())),
        all: () => Effect.void,
        chat: () => Effect.void
      })
      const front = yield* Client.make(Front)
      const users = Array.from({ length: 20 }, (_, i) => ({ user: `${i}` }))
      const told = yield* Effect.forEach(users, (metadata) => front.ask({ metadata }), { concurrency: "unbounded" })
      assert.deepStrictEqual(told, users)
    }).pipe(onBus)
  )

  it.effect("may be what cannot be sent on: then a call that forwards it says so, and one that does not goes", () =>
    Effect.gen(function* () {
      yield* Layer.build(BackLive)
      const back = yield* Client.make(Back)
      const told: Array<unknown> = []
      yield* Server.make(Front, {
        ask: () =>
          Effect.gen(function* () {
            told.push(yield* Metadata.forward(back.unary()).pipe(Effect.catch(Effect.succeed)))
            told.push(yield* Metadata.forward(back.unary(), ["tenant"]))
          }),
        all: () => Effect.void,
        chat: () => Effect.void
      })
      const foreign = yield* fakeClient("Front")
      foreign.request("Ask", { id: "r1", expiry: 1000, metadata: { tenant: "acme", "a b": "secret" } })
      yield* settle
      foreign.choose("Ask", "r1", foreign.claims[0]!.serverId)
      yield* settle
      assert.instanceOf(told[0], PsrpcError.InvalidArgument)
      assert.include(String(told[0]), '"a b"')
      assert.notInclude(String(told[0]), "secret")
      assert.deepStrictEqual(told[1], { tenant: "acme" })
    }).pipe(onBus)
  )
})
