// Makes a unary call on the local bus and prints the files of core whose functions run in it, one a line.
import { Client, LocalMessageBus, Rpc, Server, Service } from "@effect-psrpc/core"
import { Effect, Layer, Schema } from "effect"
import { Session } from "node:inspector/promises"

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String })
}) {}

class GreeterClient extends Client.Service<GreeterClient>()("test/GreeterClient", Greeter) {}

const GreeterLive = Server.layer(Greeter, { hello: (name) => Effect.succeed(`Hello ${name}`) })

const session = new Session()
session.connect()
const sources = new URL("../packages/core/src/", import.meta.url).href

const program = Effect.gen(function* () {
  const greeter = yield* GreeterClient
  // what is made at the first call is no part of the path
  yield* greeter.hello("Ada")
  yield* Effect.promise(() => session.post("Profiler.enable"))
  yield* Effect.promise(() => session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false }))
  yield* greeter.hello("Ada")
  const { result } = yield* Effect.promise(() => session.post("Profiler.takePreciseCoverage"))
  for (const { functions, url } of result) {
    const hasRun = functions.some(({ ranges }) => ranges[0]!.count > 0)
    if (url.startsWith(sources) && hasRun) console.log(url.slice(sources.length))
  }
}).pipe(Effect.provide(Layer.merge(GreeterLive, GreeterClient.layer).pipe(Layer.provide(LocalMessageBus.layer))))

await Effect.runPromise(program)
