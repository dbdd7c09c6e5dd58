// npm run prometheus: a server and a client of the Greeter with a little load between them, and their metrics as
// Prometheus reads them, until Ctrl-C. PORT is where: 9464 where nobody says, any that is free for 0.
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Client, LocalMessageBus, Publisher } from "@effect-psrpc/core"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"
import { Greeter } from "./greeter.ts"
import * as GreeterServer from "./greeter-server.ts"

/** Opens what lasts, and gives one round of the rest, some of which fails. */
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

/** Whatever is asked for is read at that moment: until then, counting is all that is done. */
const Metrics = HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableListenLog: true, disableLogger: true })

const Told = Layer.effectDiscard(HttpServer.addressFormattedWith((address) => Console.log(`${address}/metrics`)))

const Http = Layer.unwrap(
  Effect.map(Config.Int("PORT").pipe(Config.withDefault(9464)), (port) =>
    NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port })
  )
)

const Main = Told.pipe(
  Layer.provide(Metrics),
  Layer.provide(Http),
  Layer.merge(Load.pipe(Layer.provide(GreeterServer.layer({ node: "n1", idleCpu: 0.5 })))),
  Layer.provide(LocalMessageBus.layer)
)

NodeRuntime.runMain(Layer.launch(Main))
