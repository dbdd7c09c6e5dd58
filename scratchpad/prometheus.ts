// npm run prometheus: a Greeter server and client under a small load, and their metrics for Prometheus, until Ctrl-C.
// PORT is the port; 0 means any free port. Default: 9464.
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Client, LocalMessageBus, Publisher } from "@effect-psrpc/core"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { Greeter } from "./greeter.ts"
import * as GreeterServer from "./greeter-server.ts"

/** Opens a subscription and a stream, and returns one round of calls, of which some fail. */
const round = Effect.gen(function* () {
  const greeter = yield* Client.make(Greeter)
  const publisher = yield* Publisher.make(Greeter)
  const changes = yield* greeter.regionChanged({ topic: { region: "eu" } })
  yield* Effect.forkScoped(Stream.runDrain(changes))
  const chat = yield* greeter.chat()
  yield* Effect.forkScoped(Stream.runDrain(chat.messages))

  return Effect.gen(function* () {
    for (const name of ["Ada", "Grace", "Bob"]) yield* Effect.exit(greeter.hello({ name }))
    yield* Effect.exit(greeter.render({ id: 1 }))
    yield* Stream.runDrain(greeter.load({ idleTimeout: "50 millis" }))
    yield* chat.send("how are you?")
    yield* publisher.regionChanged("up", { topic: { region: "eu" } })
  })
})

const Load = Layer.effectDiscard(
  Effect.flatMap(round, (once) => Effect.forkScoped(Effect.forever(Effect.delay(once, "100 millis"))))
)

/** Serves the metrics, computed for each request. */
const Metrics = HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableListenLog: true, disableLogger: true })

const PrintAddress = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Console.log(`${address}/metrics`))
)

const Http = Layer.unwrap(
  Effect.map(Config.Int("PORT").pipe(Config.withDefault(9464)), (port) =>
    NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port })
  )
)

const Main = PrintAddress.pipe(
  Layer.provide(Metrics),
  Layer.provide(Http),
  Layer.merge(Load.pipe(Layer.provide(GreeterServer.layer({ node: "n1", idleCpu: 0.5 })))),
  Layer.provide(LocalMessageBus.layer)
)

NodeRuntime.runMain(Layer.launch(Main))
