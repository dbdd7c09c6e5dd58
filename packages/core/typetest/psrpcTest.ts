// The types of test networks.
import { Context, Effect, type Layer, type Result, Schema, type Scope } from "effect"
import * as Client from "../src/Client.ts"
import * as Interceptor from "../src/Interceptor.ts"
import type { MessageBus } from "../src/MessageBus.ts"
import * as PsrpcError from "../src/PsrpcError.ts"
import * as Publisher from "../src/Publisher.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Server from "../src/Server.ts"
import * as Service from "../src/Service.ts"
import * as FaultyMessageBus from "../src/testing/FaultyMessageBus.ts"
import * as PsrpcTest from "../src/testing/PsrpcTest.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

type Requires<E> = E extends Effect.Effect<any, any, infer R> ? R : never

class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", { name: Schema.String }) {}
class Other extends Schema.TaggedError<Other>()("Other", {}) {}
class Db extends Context.Service<Db, { readonly find: Effect.Effect<string> }>()("typetest/Db") {}
class Cpu extends Context.Service<Cpu, { readonly idle: Effect.Effect<number> }>()("typetest/Cpu") {}
class Clerk extends Context.Service<Clerk, string>()("typetest/Clerk") {}
class Setup extends Context.Service<Setup, string>()("typetest/Setup") {}

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String, error: NameTaken }),
  render: Rpc.unary({ request: Schema.Int, response: Schema.Int, routing: "affinity" }),
  reload: Rpc.unary({ topic: ["node"], singleServer: true, group: "node" }),
  stats: Rpc.multi({ response: Schema.Int, topic: { region: Schema.Literals(["eu", "us"]) } }),
  chat: Rpc.stream({ send: Schema.Int, receive: Schema.String, routing: "affinity" }),
  news: Rpc.subscription({ message: Schema.String, topic: ["paper"] })
}) {}

class GreeterClient extends Client.Service<GreeterClient>()("typetest/GreeterClient", Greeter) {}

const hello = (name: string) => Effect.succeed(`Hello ${name}`)
type Network = PsrpcTest.TestNetwork<typeof Greeter>
type Common = Network | MessageBus | FaultyMessageBus.FaultyMessageBus

// A Layer provides the network, the bus, and the client if the target is its class. It requires nothing.
const ofClass = PsrpcTest.layer(GreeterClient, [{ handlers: { hello } }])
same<typeof ofClass, Layer.Layer<GreeterClient | Common, PsrpcError.PsrpcError>>(true)
const ofService = PsrpcTest.layer(Greeter, [{ handlers: { hello }, affinity: 0.2 }, { handlers: {} }])
same<typeof ofService, Layer.Layer<Common, PsrpcError.PsrpcError>>(true)
PsrpcTest.layer(Greeter, [])
declare const many: ReadonlyArray<PsrpcTest.ServerOptions<typeof Greeter>>
PsrpcTest.layer(Greeter, many)
const theNetwork: Effect.Effect<Network, never, Network> = PsrpcTest.network(GreeterClient)
const sameNetwork: Effect.Effect<Network, never, Network> = PsrpcTest.network(Greeter)

// The Layer has the requirements of handlers and affinities, and the errors of the Effects that make handlers.
const requiring = PsrpcTest.layer(GreeterClient, [
  { handlers: { hello: () => Effect.flatMap(Db, ({ find }) => find) } },
  { handlers: { render: (n) => Effect.succeed(n) }, affinity: Effect.flatMap(Cpu, ({ idle }) => idle) },
  {
    handlers: Effect.gen(function* () {
      const setup = yield* Setup
      if (setup === "") return yield* new Other()
      yield* Effect.addFinalizer(() => Effect.void)
      yield* Publisher.make(Greeter)
      return { hello: (name: string) => Effect.succeed(setup + name) }
    })
  }
])
same<typeof requiring, Layer.Layer<GreeterClient | Common, PsrpcError.PsrpcError | Other, Db | Cpu | Setup>>(true)
const each = PsrpcTest.layer(GreeterClient, [
  {
    handlers: { hello: () => Effect.as(Effect.andThen(Server.CurrentCall, Effect.scope), "") },
    affinity: () => Effect.flatMap(Cpu, ({ idle }) => idle)
  }
])
same<typeof each, Layer.Layer<GreeterClient | Common, PsrpcError.PsrpcError, Cpu>>(true)

// Inline handlers infer the types of their parameters. Handlers of methods with affinity can be functions.
PsrpcTest.layer(GreeterClient, [
  {
    serverId: "a",
    affinity: (call) => (call.header.metadata["tenant"] === "acme" ? 1 : 0.1),
    topics: { stats: [{ region: "eu" }] },
    groups: { node: [{ node: "n1" }] },
    handlers: {
      ...Server.unimplemented(Greeter),
      hello: (name, call) => {
        same<typeof name, string>(true)
        same<typeof call.header.remoteId, string>(true)
        return name === "" ? Effect.fail(new NameTaken({ name })) : Effect.succeed(name)
      },
      render: (job, call) => {
        same<typeof job, number>(true)
        same<typeof call.topic, {}>(true)
        return Effect.succeed(job)
      },
      stats: (_, call) => {
        same<typeof call.topic, { readonly region: "eu" | "us" }>(true)
        return Effect.succeed(1)
      },
      chat: (stream, call) => {
        same<typeof call.deadline, number>(true)
        return Effect.andThen(stream.hijack, stream.send("hi"))
      }
    }
  },
  {
    handlers: {
      render: {
        affinity: (job) => {
          same<typeof job, number>(true)
          return 0.5
        },
        handle: (job) => Effect.succeed(job)
      },
      chat: { affinity: (call) => call.deadline, handle: (stream) => stream.send("hi") }
    }
  }
])

// Handlers that are written as generators infer the same types.
PsrpcTest.layer(GreeterClient, [
  {
    handlers: {
      hello: Effect.fnUntraced(function* (name, call) {
        same<typeof name, string>(true)
        same<typeof call.header.remoteId, string>(true)
        return name === "" ? yield* new NameTaken({ name }) : name
      }),
      render: Effect.fn("render")(function* (job) {
        same<typeof job, number>(true)
        return job
      }),
      chat: {
        affinity: 1,
        handle: Effect.fnUntraced(function* (stream) {
          same<Parameters<typeof stream.send>[0], string>(true)
          yield* stream.send("hi")
        })
      }
    }
  }
])

// Invalid options are refused.
// @ts-expect-error: no such method
PsrpcTest.layer(Greeter, [{ handlers: { hello, helo: hello } }])
// @ts-expect-error: no such method, of the second server
PsrpcTest.layer(GreeterClient, [{ handlers: { hello } }, { handlers: { hello, helo: hello } }])
// @ts-expect-error: no such option
PsrpcTest.layer(Greeter, [{ handlers: { hello }, afinity: 0.5 }])
// @ts-expect-error: a number is not the response
PsrpcTest.layer(Greeter, [{ handlers: { hello: () => Effect.succeed(1) } }])
// @ts-expect-error: not an error of the method
PsrpcTest.layer(Greeter, [{ handlers: { hello: () => Effect.fail(new Other()) } }])
// @ts-expect-error: a subscription has no handler
PsrpcTest.layer(Greeter, [{ handlers: { news: () => Effect.void } }])
// @ts-expect-error: a method without affinity
PsrpcTest.layer(Greeter, [{ handlers: { hello: { affinity: 1, handle: hello } } }])
// @ts-expect-error: no such topic
PsrpcTest.layer(Greeter, [{ handlers: { stats: () => Effect.succeed(1) }, topics: { stats: [{ region: "mars" }] } }])
// @ts-expect-error: registered with its group
PsrpcTest.layer(Greeter, [{ handlers: { reload: () => Effect.void }, topics: { reload: [{ node: "n1" }] } }])
// @ts-expect-error: expects a number, or an Effect of one
PsrpcTest.layer(Greeter, [{ handlers: {}, affinity: "high" }])
// @ts-expect-error: not a service, and not a client
PsrpcTest.layer(Db, [])

// The result of `make` has a tuple of its servers, and requires a scope.
const made = PsrpcTest.make(Greeter, [{ handlers: { hello } }, { handlers: { hello: () => Effect.as(Db, "") } }])
type Made = Network & {
  readonly servers: readonly [PsrpcTest.TestServer<typeof Greeter>, PsrpcTest.TestServer<typeof Greeter>]
}
const madeIs: Effect.Effect<Made, PsrpcError.PsrpcError, Db | Scope.Scope> = made

export const program = Effect.gen(function* () {
  const network = yield* PsrpcTest.network(GreeterClient)
  same<typeof network, Network>(true)
  same<typeof network.client, Client.From<typeof Greeter>>(true)
  const two = yield* made
  const [first, second] = two.servers
  yield* first.register("stats", { region: "eu" })
  yield* second.registerGroup("node", { node: "n1" })
  // @ts-expect-error: two servers
  void two.servers[2]
  yield* PsrpcTest.make(GreeterClient, [], { join: network })

  // Records have the types of their method.
  const [call] = network.calls("hello")
  if (call !== undefined) {
    same<typeof call.method, "hello">(true)
    same<typeof call.request, string>(true)
    same<typeof call.result, Result.Result<string, NameTaken | PsrpcError.PsrpcError> | undefined>(true)
    same<typeof call.serverId, string | undefined>(true)
    same<typeof call.topic, {}>(true)
  }
  const [stats] = network.calls("stats")
  same<NonNullable<typeof stats>["topic"], { readonly region: "eu" | "us" }>(true)
  same<NonNullable<typeof stats>["responses"][number]["result"], Result.Result<number, PsrpcError.PsrpcError>>(true)
  const [chat] = network.calls("chat")
  same<NonNullable<typeof chat>["sent"][number]["message"], number>(true)
  same<NonNullable<typeof chat>["received"][number]["message"], string>(true)
  for (const any of network.calls()) {
    if (any.method === "render") same<typeof any.request, number>(true)
    if (any.kind === "stream") same<typeof any.method, "chat">(true)
  }
  const [update] = network.updates("news")
  same<NonNullable<typeof update>["message"], string>(true)
  same<NonNullable<typeof update>["topic"], { readonly paper: string }>(true)
  // @ts-expect-error: an update is not a call
  network.calls("news")
  // @ts-expect-error: a call is not an update
  network.updates("hello")
  // @ts-expect-error: no method
  network.calls("helo")

  // Faults have the types of their method.
  const fault: Effect.Effect<void, never, Scope.Scope> = network.fail("hello", new NameTaken({ name: "Ada" }))
  yield* fault
  yield* network.fail("hello", (asked) => new NameTaken({ name: asked.request }), {
    times: 2,
    serverId: "a",
    when: (asked) => {
      same<typeof asked.request, string>(true)
      same<typeof asked.metadata, { readonly [key: string]: string }>(true)
      return asked.clientId !== ""
    }
  })
  yield* network.fail("render", new PsrpcError.Unavailable({ message: "busy" }))
  yield* network.fail("stats", new PsrpcError.Unavailable({ message: "busy" }), {
    when: ({ topic }) => topic.region === "eu"
  })
  yield* network.fail("news", new PsrpcError.Unavailable({ message: "busy" }), {
    when: ({ message }) => message === ""
  })
  // @ts-expect-error: not an error of the method
  yield* network.fail("render", new NameTaken({ name: "" }))
  // @ts-expect-error: not an error of the method
  yield* network.fail("hello", new Other())
  // @ts-expect-error: a stream has no request
  yield* network.fail("chat", new PsrpcError.Unavailable({ message: "" }), { when: (asked) => asked.request === "" })
  yield* network.delay("chat", "1 second", { when: ({ metadata }) => metadata["a"] === "b" })
  // @ts-expect-error: no method
  yield* network.delay("helo", "1 second")

  yield* network.lose("hello", "response")
  yield* network.lose("chat", "ack")
  yield* network.lose("news", "update")
  yield* network.inject("stats", "request", FaultyMessageBus.duplicate())
  // @ts-expect-error: a unary method has no stream messages
  yield* network.lose("hello", "sent")
  // @ts-expect-error: a multi method has no claims
  yield* network.lose("stats", "claim")
  // @ts-expect-error: a subscription method has no responses
  yield* network.lose("news", "response")

  // A replaced handler adds its requirements to those of the test.
  const handled = network.handle("hello", (name) => {
    same<typeof name, string>(true)
    return Effect.as(Db, name)
  })
  same<typeof handled, Effect.Effect<void, never, Db | Scope.Scope>>(true)
  yield* network.handle("render", (job) => Effect.succeed(job + 1), { times: 1 })
  yield* network.handle("chat", (stream) => stream.close())
  // @ts-expect-error: a number is not the response
  yield* network.handle("hello", () => Effect.succeed(1))
  // @ts-expect-error: a subscription has no handler
  yield* network.handle("news", () => Effect.void)
})

// Services that a server's interceptors provide are not required. The requirements of all interceptors are.
const provided = PsrpcTest.make(
  Greeter,
  [
    {
      interceptors: [Interceptor.provide(Db, () => Effect.map(Setup, () => ({ find: Effect.succeed("") })))],
      handlers: { hello: () => Effect.flatMap(Db, ({ find }) => find) }
    },
    { handlers: { hello: (name) => Effect.as(Cpu, name) } }
  ],
  { client: { interceptors: [Interceptor.client((_, next) => Effect.andThen(Clerk, next()))] } }
)
const providedIs = same<Requires<typeof provided>, Setup | Cpu | Clerk | Scope.Scope>(true)

export { madeIs, providedIs, sameNetwork, theNetwork }

// Handlers that are generators keep their types, those of several servers and of Effects too.
const generators = PsrpcTest.layer(Greeter, [
  {
    handlers: {
      hello: Effect.fnUntraced(function* (name, call) {
        same<typeof name, string>(true)
        same<typeof call.topic, {}>(true)
        yield* Db
        return name
      }),
      chat: Effect.fn("chat")(function* (stream) {
        yield* stream.send("hi")
      })
    }
  },
  {
    handlers: {
      render: {
        affinity: 1,
        handle: Effect.fn(function* (job) {
          same<typeof job, number>(true)
          yield* Cpu
          return job
        })
      }
    }
  },
  {
    handlers: Effect.succeed({
      render: Effect.fnUntraced(function* (job) {
        same<typeof job, number>(true)
        return yield* Effect.succeed(job)
      })
    })
  }
])
export const generatorsIs = same<Layer.Services<typeof generators>, Db | Cpu>(true)
