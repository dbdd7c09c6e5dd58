// What `layerConfig` accepts and gives; checked by `npm run check`.
import { Config, Context, Effect, type Layer, Schema } from "effect"
import * as Client from "../src/Client.ts"
import * as Interceptor from "../src/Interceptor.ts"
import type { MessageBus } from "../src/MessageBus.ts"
import type { PsrpcError } from "../src/PsrpcError.ts"
import * as Publisher from "../src/Publisher.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Server from "../src/Server.ts"
import * as Service from "../src/Service.ts"

const same = <A, B>(_: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false) => {}

class User extends Context.Service<User, { readonly name: string }>()("typetest/layerConfig/User") {}

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String, topic: ["room"] }),
  changed: Rpc.subscription({ message: Schema.String })
}) {}
class GreeterClient extends Client.Service<GreeterClient>()("typetest/layerConfig/Client", Greeter) {}
class GreeterServer extends Server.Service<GreeterServer>()("typetest/layerConfig/Server", Greeter) {}
class GreeterPublisher extends Publisher.Service<GreeterPublisher>()("typetest/layerConfig/Publisher", Greeter) {}
same<typeof GreeterClient.service.serviceName, "Greeter">(true)
same<typeof GreeterServer.service.serviceName, "Greeter">(true)
same<typeof GreeterPublisher.service.serviceName, "Greeter">(true)

type Errors = PsrpcError | Config.ConfigError
const timeout = Config.Duration("TIMEOUT")

const client = GreeterClient.layerConfig({
  timeout,
  keepalive: timeout.pipe(Config.withDefault(undefined)),
  streamBufferSize: Config.Int("SIZE"),
  multiBufferSize: 10
})
same<typeof client, Layer.Layer<GreeterClient, Errors, MessageBus>>(true)

const hello = (name: string) => Effect.succeed(name)
const server = GreeterServer.layerConfig({ hello }, { drainTimeout: timeout, topics: { hello: [{ room: "a" }] } })
same<typeof server, Layer.Layer<GreeterServer, Errors, MessageBus>>(true)
const alone = Server.layerConfig(Greeter, { hello }, { maxInFlight: Config.Int("MAX") })
same<typeof alone, Layer.Layer<never, Errors, MessageBus>>(true)
const made = Server.layerConfig(
  Greeter,
  Effect.map(User, () => Greeter.of({ hello })),
  {}
)
same<typeof made, Layer.Layer<never, Errors, MessageBus | User>>(true)

const publisher = GreeterPublisher.layerConfig({ timeout })
same<typeof publisher, Layer.Layer<GreeterPublisher, Errors, MessageBus>>(true)

// interceptors keep what they require
const needing = Interceptor.client((_, next) => Effect.andThen(User, next()))
const behind = GreeterClient.layerConfig({ timeout, interceptors: [needing] })
same<typeof behind, Layer.Layer<GreeterClient, Errors, MessageBus | User>>(true)

// @ts-expect-error a text is no number of messages
GreeterClient.layerConfig({ streamBufferSize: Config.String("SIZE") })
// @ts-expect-error no such option
GreeterClient.layerConfig({ timeOut: timeout })
// @ts-expect-error the options are given, if only as an empty object
GreeterClient.layerConfig()
// @ts-expect-error no such topic
GreeterServer.layerConfig({ hello }, { topics: { hello: [{ city: "a" }] } })
// @ts-expect-error interceptors are values
GreeterPublisher.layerConfig({ interceptors: Config.succeed([]) })
