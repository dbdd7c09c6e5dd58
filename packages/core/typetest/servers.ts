// What the compiler knows of servers and their handlers.
import { create } from "@bufbuild/protobuf"
import { DurationSchema } from "@bufbuild/protobuf/wkt"
import { Context, Effect, type Layer, Schema, type Scope } from "effect"
import type { MessageBus } from "../src/MessageBus.ts"
import * as PsrpcError from "../src/PsrpcError.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Server from "../src/Server.ts"
import * as Service from "../src/Service.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", { name: Schema.String }) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}
class Db extends Context.Service<Db, { readonly find: Effect.Effect<string> }>()("typetest/Db") {}
class Cpu extends Context.Service<Cpu, { readonly idle: Effect.Effect<number> }>()("typetest/Cpu") {}
class Config extends Context.Service<Config, string>()("typetest/Config") {}

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String, error: NameTaken }),
  render: Rpc.unary({ request: Schema.Int, response: Schema.Int, routing: "affinity" }),
  reload: Rpc.unary({ topic: ["node"], singleServer: true })
}) {}

const hello = (name: string) => Effect.succeed(`Hello ${name}`)
const render = { affinity: 0.5, handle: (n: number) => Effect.succeed(n) }
const reload = () => Effect.void
type None = Layer.Layer<never, PsrpcError.PsrpcError, MessageBus>

// A Layer needs the bus, and can fail with an error of psrpc.
const plain = Server.layer(Greeter, { hello, render, reload })
same<typeof plain, None>(true)
const ofForm = Server.layer(Greeter, Greeter.of({ hello, render, reload }))
same<typeof ofForm, None>(true)
const effectForm = Server.layer(Greeter, Effect.succeed(Greeter.of({ hello, render, reload })))
same<typeof effectForm, None>(true)

// Handlers have their parameters' types, written in place.
Server.layer(Greeter, {
  hello: (name, call) => {
    same<typeof name, string>(true)
    same<typeof call.topic, {}>(true)
    same<typeof call.header.remoteId, string>(true)
    return Effect.succeed(name)
  },
  render: {
    affinity: (job, call) => {
      same<typeof job, number>(true)
      same<typeof call.deadline, number>(true)
      return 0.5
    },
    handle: (job) => Effect.succeed(job + 1)
  },
  reload: (request, call) => {
    same<typeof request, void>(true)
    same<typeof call.topic, { readonly node: string }>(true)
    return Effect.void
  }
})
Greeter.of({ hello: (name) => Effect.succeed(name.trim()), render, reload: (_, call) => Effect.log(call.topic.node) })

// What handlers require, the Layer requires; each call's scope and call excepted.
const db = Effect.flatMap(Db, ({ find }) => find)
const requiring = Server.layer(Greeter, {
  hello: () => db,
  render: { affinity: Effect.flatMap(Cpu, ({ idle }) => idle), handle: Effect.succeed },
  reload: () =>
    Effect.andThen(
      Server.CurrentCall,
      Effect.addFinalizer(() => Effect.void)
    )
})
same<typeof requiring, Layer.Layer<never, PsrpcError.PsrpcError, MessageBus | Db | Cpu>>(true)
const weighing = Server.layer(Greeter, {
  hello,
  render: { affinity: () => Effect.flatMap(Cpu, ({ idle }) => idle), handle: () => Effect.as(db, 1) },
  reload
})
same<typeof weighing, Layer.Layer<never, PsrpcError.PsrpcError, MessageBus | Db | Cpu>>(true)
const making = Server.make(Greeter, { hello: () => db, render, reload })
same<Effect.Services<typeof making>, MessageBus | Db | Scope.Scope>(true)
same<Effect.Error<typeof making>, PsrpcError.PsrpcError>(true)

// The Effect that makes them has requirements and errors of its own.
const built = Server.layer(
  Greeter,
  Effect.gen(function* () {
    const config = yield* Config
    yield* Effect.addFinalizer(() => Effect.void)
    if (config === "") return yield* new Other()
    return Greeter.of({ hello: () => db, render, reload })
  })
)
same<typeof built, Layer.Layer<never, PsrpcError.PsrpcError | Other, MessageBus | Db | Config>>(true)

// A handler fails with what its method declares, or with an error of psrpc.
Server.layer(Greeter, { hello: (name) => new NameTaken({ name }), render, reload })
Server.layer(Greeter, { hello: () => new PsrpcError.NotFound({ message: "m" }), render, reload })
// @ts-expect-error an error that is not declared
Server.layer(Greeter, { hello: () => new Other(), render, reload })
// @ts-expect-error a text is no error of psrpc
Server.layer(Greeter, { hello: () => Effect.fail("boo"), render, reload })
// @ts-expect-error declared by another method
Server.layer(Greeter, { hello, render, reload: () => new NameTaken({ name: "x" }) })
// @ts-expect-error nor in an affinity method
Server.layer(Greeter, { hello, render: { affinity: 1, handle: () => new Other() }, reload })
// @ts-expect-error nor with of
Greeter.of({ hello: () => new Other(), render, reload })
class Proto extends Service.make("Proto", { wait: Rpc.unary({ error: DurationSchema }) }) {}
Server.layer(Proto, { wait: () => Effect.fail(create(DurationSchema, { seconds: 1n })) })
// @ts-expect-error an init object is no message
Server.layer(Proto, { wait: () => Effect.fail({ seconds: 1n }) })

// Missing handlers.
// @ts-expect-error reload is missing
Server.layer(Greeter, { hello, render })
// @ts-expect-error reload is missing
Greeter.of({ hello, render })
// @ts-expect-error reload is missing
Server.layer(Greeter, Effect.succeed({ hello, render }))
Server.layer(
  Greeter,
  // @ts-expect-error reload is missing
  Effect.gen(function* () {
    yield* Config
    return { hello, render }
  })
)
// @ts-expect-error reload is missing
void Server.make(Greeter, { hello, render })
// @ts-expect-error all are
Server.layer(Greeter, {})

// Misspelt ones, beside all that are needed.
// @ts-expect-error there is no reloud
Server.layer(Greeter, { hello, render, reload, reloud: reload })
// @ts-expect-error there is no reloud
Greeter.of({ hello, render, reload, reloud: reload })
// @ts-expect-error there is no reloud
void Server.make(Greeter, { hello, render, reload, reloud: reload })
// @ts-expect-error there is no reloud
Server.layer(Greeter, Effect.succeed({ hello, render, reload, reloud: reload }))
Server.layer(
  Greeter,
  // @ts-expect-error there is no reloud
  Effect.gen(function* () {
    yield* Config
    return { hello, render, reload, reloud: reload }
  })
)

// Wrong forms.
// @ts-expect-error an affinity method needs its affinity
Server.layer(Greeter, { hello, render: (n: number) => Effect.succeed(n), reload })
// @ts-expect-error an affinity method needs its affinity
Server.layer(Greeter, { hello, render: { handle: (n: number) => Effect.succeed(n) }, reload })
// @ts-expect-error an affinity is a number
Server.layer(Greeter, { hello, render: { affinity: "high", handle: (n: number) => Effect.succeed(n) }, reload })
// @ts-expect-error a queue method has none
Server.layer(Greeter, { hello: { affinity: 1, handle: hello }, render, reload })
// @ts-expect-error the answer is a text
Server.layer(Greeter, { hello: () => Effect.succeed(1), render, reload })
// @ts-expect-error the request is a text
Server.layer(Greeter, { hello: (n: number) => Effect.succeed(`${n}`), render, reload })
// @ts-expect-error a handler gives an Effect
Server.layer(Greeter, { hello: (name: string) => name, render, reload })

// Topics.
Server.layer(Greeter, { hello, render, reload }, { topics: { reload: [{ node: "n1" }, { node: "n2" }] } })
// @ts-expect-error a topic's parameter is missing
Server.layer(Greeter, { hello, render, reload }, { topics: { reload: [{}] } })
// @ts-expect-error no such parameter
Server.layer(Greeter, { hello, render, reload }, { topics: { reload: [{ node: "n1", rack: "r1" }] } })
// @ts-expect-error there is no reloud
Server.layer(Greeter, { hello, render, reload }, { topics: { reloud: [{ node: "n1" }] } })
// @ts-expect-error hello has no topic
Server.layer(Greeter, { hello, render, reload }, { topics: { hello: [{}] } })
// @ts-expect-error a list of topics
Server.layer(Greeter, { hello, render, reload }, { topics: { reload: { node: "n1" } } })
// @ts-expect-error no such option
Server.layer(Greeter, { hello, render, reload }, { topic: { reload: [{ node: "n1" }] } })

declare const server: Effect.Success<typeof making>
same<Effect.Services<ReturnType<typeof server.register<"reload">>>, Scope.Scope>(true)
void server.register("reload", { node: "n1" })
void server.deregister("reload", { node: "n1" })
// @ts-expect-error hello has no topic
void server.register("hello", {})
// @ts-expect-error no such method
void server.register("reloud", { node: "n1" })
// @ts-expect-error a parameter is missing
void server.register("reload", {})
// @ts-expect-error no such parameter
void server.register("reload", { node: "n1", rack: "r1" })
// @ts-expect-error a parameter is a text
void server.register("reload", { node: 1 })
// @ts-expect-error the topic is missing
void server.deregister("reload")

// A server of some of the methods needs only their handlers.
Server.layer(Service.pick(Greeter, "hello"), { hello })
// @ts-expect-error render is not among them
Server.layer(Service.pick(Greeter, "hello"), { hello, render })
