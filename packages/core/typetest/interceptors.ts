import { Context, Effect, type Layer, Result, Schema, Stream } from "effect"
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
const erased: Interceptor.Free = both
const withErased = Server.layer(Greeter, tenantToo, { interceptors: [erased] })
same<Requires<typeof withErased>, MessageBus.MessageBus | User | Tenant>(true)

// lists whose length is not known provide nothing, and take nothing from those before and behind them
const common: ReadonlyArray<Interceptor.Free> = []
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

Interceptor.serverMethod(Greeter, "hello", (name, call, next) => {
  same<typeof name, string>(true)
  same<typeof call.topic, {}>(true)
  return Effect.map(next(name), (answer) => answer.toUpperCase())
})
// @ts-expect-error the answer of hello is a string
Interceptor.serverMethod(Greeter, "hello", (name, _, next) => Effect.as(next(name), 1))
// @ts-expect-error chat is a stream
Interceptor.serverMethod(Greeter, "chat", (name, _, next) => next(name))
Interceptor.clientMethod(Greeter, "hello", (name, _, next) => next(`${name}!`, { timeout: "1 second" }))
Interceptor.clientStreamMethod(Greeter, "chat", (call, next) => {
  same<typeof call.topic, {}>(true)
  return Effect.map(next({ timeout: "1 second" }), (stream) => ({
    ...stream,
    messages: Stream.map(stream.messages, (n) => n + 1),
    send: (text) => stream.send(text.trim())
  }))
})

class All extends Service.make("All", {
  every: Rpc.multi({ request: Schema.String, response: Schema.Int, topic: ["region"] }),
  news: Rpc.subscription({ message: Schema.String, topic: ["region"] })
}) {}

Interceptor.serverMethod(All, "every", (request, call, next) => {
  same<typeof call.topic, { readonly region: string }>(true)
  return Effect.map(next(request), (n) => n + 1)
})
Interceptor.clientMultiMethod(All, "every", (request, call, next) => {
  same<typeof request, string>(true)
  same<typeof call.topic, { readonly region: string }>(true)
  return next(`${request}!`, { expect: 3 })
})
Interceptor.clientMultiMethod(All, "every", (request, _, next) =>
  // @ts-expect-error the answers of every are numbers
  Stream.map(next(request), ({ serverId }) => ({ serverId, result: Result.succeed("forged") }))
)
// @ts-expect-error every has many answers
Interceptor.clientMethod(All, "every", (request, _, next) => next(request))
// @ts-expect-error an answer of hello is one of one
Interceptor.clientMultiMethod(Greeter, "hello", (request, _, next) => next(request))
Interceptor.serverStreamMethod(Greeter, "chat", (stream, _, next) =>
  next({
    ...stream,
    messages: Stream.map(stream.messages, (text) => text.trim()),
    send: (n) => stream.send(n + 1)
  })
)
Interceptor.serverStreamMethod(Greeter, "chat", (stream, _, next) =>
  // @ts-expect-error what the server receives are texts
  next({ ...stream, messages: Stream.map(stream.messages, (text) => text.length) })
)
Interceptor.subscribeMethod(All, "news", (_, next) =>
  Effect.map(next({ overflow: "sliding" }), (updates) => Stream.map(updates, (text) => text.trim()))
)
Interceptor.subscribeMethod(All, "news", (_, next) =>
  // @ts-expect-error updates of news are texts
  Effect.map(next(), (updates) => Stream.map(updates, (text) => text.length))
)
Interceptor.publishMethod(All, "news", (text, _, next) => next(text.trim()))
// @ts-expect-error updates of news are texts
Interceptor.publishMethod(All, "news", (_, __, next) => next(1))
// @ts-expect-error news is a subscription of another service
Interceptor.publishMethod(Greeter, "news", (text, _, next) => next(text))

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
