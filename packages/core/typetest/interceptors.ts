import { Context, Effect, type Layer, Result, Schema, type Scope, Stream } from "effect"
import { Client, Interceptor, type MessageBus, PsrpcError, Publisher, Rpc, Server, Service } from "../src/index.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => {}

class User extends Context.Service<User, { readonly name: string }>()("test/User") {}
class Db extends Context.Service<Db, { readonly find: Effect.Effect<string> }>()("test/Db") {}
class Tenant extends Context.Service<Tenant, string>()("test/Tenant") {}

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
  best: Rpc.unary({ response: Schema.String, routing: "affinity" }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.Int })
}) {}

const handlers = Greeter.of({
  hello: () => Effect.map(User, ({ name }) => name),
  best: { affinity: 1, handle: () => Effect.succeed("") },
  chat: () => Effect.void
})

type Requires<L> = L extends Layer.Layer<never, any, infer R> ? R : never

// ── what an interceptor provides goes, and what it requires comes ─────────────────────────────────────────────────────

const authentication = Interceptor.server({ provides: User }, (_, next) =>
  Effect.flatMap(Db, ({ find }) => Effect.flatMap(find, (name) => Effect.provideService(next(), User, { name })))
)

const without = Server.layer(Greeter, handlers)
same<Requires<typeof without>, MessageBus.MessageBus | User>(true)

const authenticated = Server.layer(Greeter, handlers, { interceptors: [authentication] })
same<Requires<typeof authenticated>, MessageBus.MessageBus | Db>(true)

// an interceptor that does not provide what it says requires it itself
const forgetful = Interceptor.server({ provides: User }, (_, next) => next())
const forgotten = Server.layer(Greeter, handlers, { interceptors: [forgetful] })
same<Requires<typeof forgotten>, MessageBus.MessageBus | User>(true)

// the order counts: what is outside of the one that provides has nothing of it
const tenant = Interceptor.provide(Tenant, () => Effect.map(User, ({ name }) => name))
const user = Interceptor.provide(User, () => Effect.succeed({ name: "" }))
const inOrder = Server.layer(Greeter, handlers, { interceptors: [user, tenant] })
same<Requires<typeof inOrder>, MessageBus.MessageBus>(true)
const outOfOrder = Server.layer(Greeter, handlers, { interceptors: [tenant, user] })
same<Requires<typeof outOfOrder>, MessageBus.MessageBus | User>(true)

// a bundle is its parts
const bundled = Server.layer(Greeter, handlers, { interceptors: [Interceptor.all(user, tenant)] })
same<Requires<typeof bundled>, MessageBus.MessageBus>(true)

// streams are not calls, and an affinity is asked before any interceptor
const streaming = Server.layer(
  Greeter,
  { ...handlers, chat: () => Effect.asVoid(User) },
  { interceptors: [authentication] }
)
same<Requires<typeof streaming>, MessageBus.MessageBus | Db | User>(true)
const weighing = Server.layer(
  Greeter,
  { ...handlers, best: { affinity: () => Effect.as(User, 1), handle: () => Effect.succeed("") } },
  { interceptors: [authentication] }
)
same<Requires<typeof weighing>, MessageBus.MessageBus | Db | User>(true)

// a service is provided whole
// @ts-expect-error its name is missing
Interceptor.provide(User, () => Effect.succeed({}))

// several services at once
const both = Interceptor.server({ provides: [User, Tenant] }, (_, next) =>
  next().pipe(Effect.provideService(User, { name: "" }), Effect.provideService(Tenant, ""))
)
const withBoth = Server.layer(Greeter, handlers, { interceptors: [both] })
same<Requires<typeof withBoth>, MessageBus.MessageBus>(true)

// one of two: what both provide is provided, and no more
declare const isTest: boolean
const tenantToo = Greeter.of({ ...handlers, hello: () => Effect.andThen(Tenant, Effect.as(User, "")) })
const one = isTest ? user : both
const oneOfTwo = Server.layer(Greeter, tenantToo, { interceptors: [one] })
same<Requires<typeof oneOfTwo>, MessageBus.MessageBus | Tenant>(true)
const oneListOfTwo = Server.layer(Greeter, tenantToo, { interceptors: isTest ? [user] : [both] })
same<Requires<typeof oneListOfTwo>, MessageBus.MessageBus | Tenant>(true)
const userOnly = Interceptor.server({ provides: User }, (_, next) => Effect.provideService(next(), User, { name: "" }))
// @ts-expect-error what provides a user provides nothing else
const more: typeof both = userOnly
void more
// as one that may be anything it provides nothing
const erased: Interceptor.NoRequirements = both
const withErased = Server.layer(Greeter, tenantToo, { interceptors: [erased] })
same<Requires<typeof withErased>, MessageBus.MessageBus | User | Tenant>(true)

// lists whose length is not known provide nothing, and take nothing from those before and behind them
const common: ReadonlyArray<Interceptor.NoRequirements> = []
const listFirst = Server.layer(Greeter, tenantToo, { interceptors: [...common, both] })
same<Requires<typeof listFirst>, MessageBus.MessageBus>(true)
const listLast = Server.layer(Greeter, tenantToo, { interceptors: [both, ...common] })
same<Requires<typeof listLast>, MessageBus.MessageBus>(true)
const listBetween = Server.layer(Greeter, tenantToo, { interceptors: [tenant, ...common, user, ...common] })
same<Requires<typeof listBetween>, MessageBus.MessageBus | User>(true)
const maybe = Server.layer(Greeter, tenantToo, { interceptors: [both, ...(isTest ? [common[0]!] : [])] })
same<Requires<typeof maybe>, MessageBus.MessageBus>(true)

// ── the requirements of a client's and a publisher's ──────────────────────────────────────────────────────────────────

const signed = Interceptor.client((_, next) => Effect.flatMap(Db, ({ find }) => Effect.flatMap(find, () => next())))
class GreeterClient extends Client.Service<GreeterClient>()("test/GreeterClient", Greeter) {}
same<Requires<typeof GreeterClient.layer>, MessageBus.MessageBus>(true)
const signing = GreeterClient.layerWith({ interceptors: [signed] })
same<Requires<typeof signing>, MessageBus.MessageBus | Db>(true)
const plainOptions: Client.Options = { timeout: 100 }
const plain = GreeterClient.layerWith(plainOptions)
same<Requires<typeof plain>, MessageBus.MessageBus>(true)
// an interceptor of servers alone asks nothing of a client
const unrelated = GreeterClient.layerWith({ interceptors: [authentication] })
same<Requires<typeof unrelated>, MessageBus.MessageBus>(true)

const publishing = Publisher.make(Greeter, {
  interceptors: [Interceptor.publish((_, next) => Effect.flatMap(Db, () => next()))]
})
publishing satisfies Effect.Effect<unknown, PsrpcError.PsrpcError, MessageBus.MessageBus | Db>
// @ts-expect-error Db is required
publishing satisfies Effect.Effect<unknown, PsrpcError.PsrpcError, MessageBus.MessageBus>

declare const client: Client.From<typeof Greeter>
client.hello("", { interceptors: [Interceptor.client((_, next) => next())] })
// @ts-expect-error a call has nobody to ask for Db
client.hello("", { interceptors: [signed] })

// ── an answer cannot be made up ───────────────────────────────────────────────────────────────────────────────────────

// @ts-expect-error not an answer
Interceptor.server(() => Effect.succeed("forged"))
// @ts-expect-error not an answer
Interceptor.client((_, next) => Effect.as(next(), "forged"))
// @ts-expect-error not a message
Interceptor.stream((stream) => ({ ...stream, messages: Stream.make("forged") }))
// @ts-expect-error an interceptor fails as calls do
Interceptor.server((_, next) => Effect.andThen(Effect.fail("foreign"), next()))
Interceptor.server(() => Effect.fail(new PsrpcError.Unauthenticated({ message: "" })))

// ── for one method, with its types ────────────────────────────────────────────────────────────────────────────────────

Interceptor.method(Greeter, "hello", {
  server: (call, next) => {
    same<typeof call.request, string>(true)
    same<typeof call.topic, {}>(true)
    return Effect.map(next(), (answer) => answer.toUpperCase())
  }
})
// @ts-expect-error the answer of hello is a string
Interceptor.method(Greeter, "hello", { server: (call, next) => Effect.as(next(), 1) })
// @ts-expect-error chat is a stream: its server changes the stream, not a request
Interceptor.method(Greeter, "chat", { server: (call, next) => next({ request: "" }) })
// @ts-expect-error hello is a unary method: its call has no stream
Interceptor.method(Greeter, "hello", { server: (call, next) => Effect.andThen(call.stream.closed, next()) })
// @ts-expect-error a unary method has no publisher
Interceptor.method(Greeter, "hello", { publisher: (call: never, next: never) => next })
Interceptor.method(Greeter, "hello", {
  // both sides in one
  client: (call, next) => next({ timeout: call.timeout / 2 }),
  server: (call, next) => Effect.andThen(Effect.asVoid(Db), next())
})
// the definition comes along, with its type
Interceptor.method(Greeter, "best", {
  client: (call, next) => {
    same<typeof call.rpc, Service.Methods<typeof Greeter>["best"]>(true)
    return next()
  }
})
// what the functions require, their owners require, by side
const sided = Interceptor.method(Greeter, "hello", {
  client: (call, next) => Effect.andThen(Tenant, () => next()),
  server: (call, next) => Effect.andThen(Db, () => next())
})
const ofServer = Server.layer(Greeter, handlers, { interceptors: [user, sided] })
same<Requires<typeof ofServer>, MessageBus.MessageBus | Db>(true)
const ofClient = Client.make(Greeter, { interceptors: [sided] })
same<Effect.Services<typeof ofClient>, MessageBus.MessageBus | Tenant | Scope.Scope>(true)
// its own error is one of a method's failures
class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}
class Strict extends Service.make("Strict", {
  ask: Rpc.unary({ request: Schema.String, response: Schema.String, error: Refused })
}) {}
Interceptor.method(Strict, "ask", { server: () => Effect.fail(new Refused({ why: "" })) })
// @ts-expect-error hello declares no errors of its own
Interceptor.method(Greeter, "hello", { server: () => Effect.fail(new Refused({ why: "" })) })
// handlers that are generators keep their types
Interceptor.method(Greeter, "hello", {
  server: Effect.fnUntraced(function* (call, next) {
    same<typeof call.request, string>(true)
    const { name } = yield* User
    return `${yield* next({ request: name })}!`
  })
})
Interceptor.method(Greeter, "hello", {
  client: (call, next) => next({ request: `${call.request}!`, timeout: "1 second" })
})
Interceptor.method(Greeter, "chat", {
  client: (call, next) => {
    same<typeof call.topic, {}>(true)
    return Effect.map(next({ timeout: "1 second" }), (stream) => ({
      ...stream,
      messages: Stream.map(stream.messages, (n) => n + 1),
      send: (text) => stream.send(text.trim())
    }))
  }
})

class All extends Service.make("All", {
  every: Rpc.multi({ request: Schema.String, response: Schema.Int, topic: ["region"] }),
  news: Rpc.subscription({ message: Schema.String, topic: ["region"] })
}) {}

Interceptor.method(All, "every", {
  server: (call, next) => {
    same<typeof call.topic, { readonly region: string }>(true)
    return Effect.map(next(), (n) => n + 1)
  }
})
Interceptor.method(All, "every", {
  client: (call, next) => {
    same<typeof call.request, string>(true)
    same<typeof call.topic, { readonly region: string }>(true)
    return next({ request: `${call.request}!`, expect: 3 })
  }
})
Interceptor.method(All, "every", {
  // @ts-expect-error the answers of every are numbers
  client: (call, next) => Stream.map(next(), ({ serverId }) => ({ serverId, result: Result.succeed("forged") }))
})
// @ts-expect-error every has many answers: a Stream
Interceptor.method(All, "every", { client: () => Effect.succeed(1) })
// @ts-expect-error hello has one answer: an Effect
Interceptor.method(Greeter, "hello", { client: () => Stream.make("") })
Interceptor.method(Greeter, "chat", {
  server: (call, next) =>
    next({
      stream: {
        ...call.stream,
        messages: Stream.map(call.stream.messages, (text) => text.trim()),
        send: (n) => call.stream.send(n + 1)
      }
    })
})
Interceptor.method(Greeter, "chat", {
  server: (call, next) =>
    // @ts-expect-error what the server receives are texts
    next({ stream: { ...call.stream, messages: Stream.map(call.stream.messages, (text) => text.length) } })
})
Interceptor.method(All, "news", {
  client: (_, next) =>
    Effect.map(next({ overflow: "sliding" }), (updates) => Stream.map(updates, (text) => text.trim()))
})
Interceptor.method(All, "news", {
  // @ts-expect-error updates of news are texts
  client: (_, next) => Effect.map(next(), (updates) => Stream.map(updates, (text) => text.length))
})
Interceptor.method(All, "news", { publisher: (call, next) => next({ message: call.message.trim() }) })
// @ts-expect-error updates of news are texts
Interceptor.method(All, "news", { publisher: (__, next) => next({ message: 1 }) })
// @ts-expect-error news is a subscription of another service
Interceptor.method(Greeter, "news", { publisher: (call, next) => next() })

// ── what there is of each kind, and of no other ───────────────────────────────────────────────────────────────────────

Interceptor.clientMulti((_, next) => next({ expect: 1, idleTimeout: "1 second" }))
// @ts-expect-error a call with one answer expects one
Interceptor.client((_, next) => next({ expect: 1 }))
// @ts-expect-error what runs around a call is settled by then
Interceptor.client((_, next) => next({ interceptors: [] }))
// @ts-expect-error a handler's request is changed by its method
Interceptor.server((_, next) => next("other"))
// @ts-expect-error an Effect is no Stream
Interceptor.clientMulti(() => Effect.void)

// ── each call has a scope of its own ──────────────────────────────────────────────────────────────────────────────────

const acquired = Effect.acquireRelease(Effect.void, () => Effect.void)
const scoped = GreeterClient.layerWith({
  interceptors: [
    Interceptor.client((_, next) => Effect.andThen(acquired, next())),
    Interceptor.clientMulti((_, next) => Stream.unwrap(Effect.as(acquired, next()))),
    Interceptor.clientStream((_, next) => Effect.andThen(acquired, next())),
    Interceptor.subscribe((_, next) => Effect.andThen(acquired, next()))
  ]
})
same<Requires<typeof scoped>, MessageBus.MessageBus>(true)
client.hello("", { interceptors: [Interceptor.client((_, next) => Effect.andThen(acquired, next()))] })

// ── hooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const hooked = GreeterClient.layerWith({ interceptors: [Interceptor.hooks({ request: () => Db, closed: () => Db })] })
same<Requires<typeof hooked>, MessageBus.MessageBus | Db>(true)
// @ts-expect-error who only looks on does not fail
Interceptor.hooks({ request: () => Effect.fail(new PsrpcError.Aborted({ message: "" })) })

// ── annotations ───────────────────────────────────────────────────────────────────────────────────────────────────────

class Role extends Context.Service<Role, "user" | "admin">()("test/Role") {}

// a method and a service keep their types
const annotated = Rpc.unary({ request: Schema.String, routing: "affinity" }).annotate(Role, "admin")
same<
  typeof annotated,
  Rpc.Unary<{
    readonly request: Schema.String
    readonly response: undefined
    readonly error: undefined
    readonly topic: readonly []
    readonly routing: "affinity"
    readonly singleServer: false
    readonly group: undefined
  }>
>(true)
class WithRole extends Service.make("WithRole", { annotated }).annotate(Role, "user") {}
same<Service.Methods<typeof WithRole>, { readonly annotated: typeof annotated }>(true)
// @ts-expect-error no such role
Rpc.unary({}).annotate(Role, "root")
