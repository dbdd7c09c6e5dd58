import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, References, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, settle } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note } from "./everyKind.ts"

class Db extends Context.Service<Db, string>()("test/Db") {}
class User extends Context.Service<User, string>()("test/User") {}
class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}

/** Notes which Db there is, on every kind. */
const noting = (events: Array<string>) => {
  const noted = (what: string) => Effect.flatMap(Db, (db) => note(events, `${what} ${db}`))
  return Interceptor.all(
    Interceptor.server((call, next) => Effect.andThen(noted(`server ${call.kind}`), next())),
    Interceptor.serverStream((call, next) => Effect.andThen(noted("server stream"), next())),
    Interceptor.client((_, next) => Effect.andThen(noted("client"), next())),
    Interceptor.clientMulti((_, next) => Stream.unwrap(Effect.as(noted("multi"), next()))),
    Interceptor.clientStream((_, next) => Effect.andThen(noted("stream"), next())),
    Interceptor.subscribe((_, next) => Effect.andThen(noted("subscribe"), next())),
    Interceptor.publish((_, next) => Effect.andThen(noted("publish"), next()))
  )
}

class KindsClient extends Client.Service<KindsClient>()("test/KindsClient", Kinds) {}
class KindsPublisher extends Publisher.Service<KindsPublisher>()("test/KindsPublisher", Kinds) {}

describe("what an interceptor requires", () => {
  it.effect("is its Layer's, on every kind, whatever the caller has", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const interceptors = [noting(events)] as const
      const layer = Layer.mergeAll(
        Server.layer(Kinds, echoes, { interceptors }),
        KindsClient.layerWith({ interceptors }),
        KindsPublisher.layerWith({ interceptors })
      ).pipe(Layer.provide(Layer.succeed(Db, "of the Layer")))
      yield* Effect.gen(function* () {
        const client = yield* KindsClient
        yield* client.ask("a")
        yield* Stream.runDrain(client.all("a", { expect: 1 }))
        yield* Stream.runDrain(client.talk.through(Stream.make("a")))
        yield* Effect.scoped(client.news())
        const publisher = yield* KindsPublisher
        yield* publisher.news("a")
      }).pipe(Effect.provideService(Db, "of the caller"), Effect.provide(layer))
      assert.deepStrictEqual(
        events,
        ["client", "server unary", "multi", "server multi", "stream", "server stream", "subscribe", "publish"].map(
          (what) => `${what} of the Layer`
        )
      )
    }).pipe(onBus)
  )

  it.effect("also where a Layer has many", () =>
    Effect.gen(function* () {
      const keys = Array.from({ length: 20 }, (_, i) => Context.Service<string, string>(`test/Service${i}`))
      const many = keys.reduce(
        (context, key, i) => Context.add(context, key, `Layer ${i}`) as Context.Context<never>,
        Context.empty()
      )
      const seen: Array<string> = []
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((_, next) =>
            Effect.flatMap(Effect.all([keys[0]!, keys[19]!]), (services) => {
              seen.push(...services)
              return next()
            })
          )
        ]
      }).pipe(Effect.provideContext(many as Context.Context<string>))
      yield* client.ask("a").pipe(Effect.provideService(keys[0]!, "caller"))
      assert.deepStrictEqual(seen, ["Layer 0", "Layer 19"])
    }).pipe(onBus)
  )

  it.effect("a bus, too", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      let used: unknown
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((_, next) =>
            Effect.flatMap(MessageBus, (own) => {
              used = own
              return next()
            })
          )
        ]
      })
      yield* client.ask("a").pipe(Effect.provideService(MessageBus, {} as never))
      assert.strictEqual(used, bus)
    }).pipe(onBus)
  )

  it.effect("a scope is the call's own, closed when it is over", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const scoped = Effect.acquireRelease(note(events, "in"), () => note(events, "out"))
      const interceptors = [
        Interceptor.server((_, next) => Effect.andThen(scoped, next())),
        Interceptor.client((_, next) => Effect.andThen(scoped, next())),
        Interceptor.clientMulti((_, next) => Stream.unwrap(Effect.as(scoped, next()))),
        Interceptor.publish((_, next) => Effect.andThen(scoped, next()))
      ] as const
      const layer = Layer.mergeAll(
        Server.layer(Kinds, echoes, { interceptors }),
        KindsClient.layerWith({ interceptors }),
        KindsPublisher.layerWith({ interceptors })
      )
      yield* Effect.gen(function* () {
        const client = yield* KindsClient
        yield* client.ask("a")
        assert.deepStrictEqual(events, ["in", "in", "out", "out"])
        yield* Stream.runDrain(client.all("a", { expect: 1 }))
        yield* settle
        assert.deepStrictEqual(events.slice(4), ["in", "in", "out", "out"])
        const publisher = yield* KindsPublisher
        yield* publisher.news("a")
        assert.deepStrictEqual(events.slice(8), ["in", "out"])
      }).pipe(Effect.provide(layer))
    }).pipe(onBus)
  )
})

describe("what is fiber-local is the caller's", () => {
  it.effect("the clock, log annotations and outgoing metadata", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const looking = Effect.gen(function* () {
        seen.push(
          yield* Clock.currentTimeMillis,
          { ...(yield* References.CurrentLogAnnotations) },
          { ...(yield* Metadata.outgoing) }
        )
      })
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.client((_, next) => Effect.andThen(looking, next()))]
      }).pipe(Effect.annotateLogs("where", "Layer"), Metadata.with({ where: "Layer" }))
      yield* TestClock.adjust("42 millis")
      yield* client.ask("a").pipe(Effect.annotateLogs("where", "caller"), Metadata.with({ by: "caller" }))
      assert.deepStrictEqual(seen, [42, { where: "caller" }, { by: "caller" }])
      seen.length = 0
      yield* client.ask("a")
      assert.deepStrictEqual(seen, [42, {}, {}])
    }).pipe(onBus)
  )

  it.effect("the call that it answers, and its deadline", () =>
    Effect.gen(function* () {
      class Front extends Service.make("Front", { show: Rpc.unary({}) }) {}
      const seen: Array<string> = []
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.client((call, next) =>
            Effect.flatMap(Server.CurrentCall, ({ method }) =>
              Effect.andThen(note(seen, `${method} asks, ${call.timeout} ms`), next())
            )
          )
        ]
      }).pipe(Effect.provideService(Server.CurrentCall, {} as never))
      yield* Server.make(Front, { show: () => Effect.asVoid(Effect.orDie(client.ask("a"))) })
      const front = yield* Client.make(Front)
      yield* front.show({ timeout: "700 millis" })
      assert.deepStrictEqual(seen, ["Show asks, 700 ms"])
    }).pipe(onBus)
  )

  it.effect("the scope of a stream", () =>
    Effect.gen(function* () {
      yield* echo()
      const scopes: Array<unknown> = []
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.clientStream((_, next) => Effect.flatMap(Effect.scope, (scope) => (scopes.push(scope), next())))
        ]
      })
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(client.talk(), scope)
      assert.strictEqual(scopes[0], scope)
      yield* Scope.close(scope, Exit.void)
      yield* stream.closed
    }).pipe(onBus)
  )
})

describe("what an interceptor provides", () => {
  class Greeter extends Service.make("Greeter", {
    hello: Rpc.unary({ response: Schema.String }),
    chat: Rpc.stream({ send: Schema.String, receive: Schema.String })
  }) {}

  const authentication = Interceptor.provide(User, (call) => {
    const name = call.header.metadata["user"]
    return name === undefined
      ? Effect.fail(new PsrpcError.Unauthenticated({ message: "who are you?" }))
      : Effect.succeed(name)
  })

  it.effect("the handlers behind it have, of calls and of streams, each its own", () =>
    Effect.gen(function* () {
      yield* Server.make(
        Greeter,
        {
          hello: () => Effect.map(User, (name) => `Hello ${name}`),
          chat: (stream) => Effect.flatMap(User, (name) => stream.send(name))
        },
        { interceptors: [authentication] }
      )
      const client = yield* Client.make(Greeter)
      const as = (user: string) => Metadata.with({ user })
      assert.strictEqual(yield* client.hello().pipe(as("Ada")), "Hello Ada")
      assert.strictEqual(yield* client.hello().pipe(as("Bob")), "Hello Bob")
      assert.strictEqual((yield* Effect.flip(client.hello())).code, "unauthenticated")
      const stream = yield* client.chat().pipe(as("Ada"))
      assert.deepStrictEqual(yield* Stream.runCollect(stream.messages), ["Ada"])
    }).pipe(onBus)
  )

  it.effect("the interceptors behind it have, too; the innermost of a service counts", () =>
    Effect.gen(function* () {
      const tenant = Interceptor.provide(Tenant, () => Effect.map(User, (user) => `tenant of ${user}`))
      const impersonation = Interceptor.provide(User, () => Effect.map(User, (user) => `${user}'s deputy`))
      yield* Server.make(
        Greeter,
        {
          hello: () => Effect.map(Effect.all([User, Tenant]), (both) => both.join(", ")),
          chat: () => Effect.void
        },
        { interceptors: [authentication, tenant, impersonation] }
      )
      const client = yield* Client.make(Greeter)
      assert.strictEqual(yield* client.hello().pipe(Metadata.with({ user: "Ada" })), "Ada's deputy, tenant of Ada")
    }).pipe(onBus)
  )

  it.effect("several services at once", () =>
    Effect.gen(function* () {
      const both = Interceptor.server({ provides: [User, Tenant] }, (_, next) =>
        next().pipe(Effect.provideService(User, "u"), Effect.provideService(Tenant, "t"))
      )
      yield* Server.make(
        Greeter,
        {
          hello: () => Effect.map(Effect.all([User, Tenant]), (all) => all.join()),
          chat: () => Effect.void
        },
        { interceptors: [both] }
      )
      const client = yield* Client.make(Greeter)
      assert.strictEqual(yield* client.hello(), "u,t")
    }).pipe(onBus)
  )
})
