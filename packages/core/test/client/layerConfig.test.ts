import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Config, ConfigProvider, Context, Effect, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { steeredBus } from "../helpers/steeredBus.ts"

class Jobs extends Service.make("Jobs", {
  run: Rpc.unary({ singleServer: true }),
  done: Rpc.subscription()
}) {}
class JobsClient extends Client.Service<JobsClient>()("test/layerConfig/Client", Jobs) {}
class JobsServer extends Server.Service<JobsServer>()("test/layerConfig/Server", Jobs) {}
class JobsPublisher extends Publisher.Service<JobsPublisher>()("test/layerConfig/Publisher", Jobs) {}

/** Builds a layer in the test's scope, with this configuration. */
const build = <A, E, R>(layer: Layer.Layer<A, E, R>, config: Record<string, string>) =>
  Layer.build(Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(config))))

const never = Jobs.of({ run: () => Effect.never })

describe("layerConfig", () => {
  it.effect("of a client: its options come from the configuration, interceptors and plain values as they are", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, never)
      const seen: Array<string> = []
      const context = yield* build(
        JobsClient.layerConfig({
          clientId: Config.String("CLIENT_ID"),
          timeout: Config.Duration("TIMEOUT"),
          streamBufferSize: 7,
          interceptors: [
            Interceptor.client((call, next) => {
              seen.push(`${call.method} ${call.timeout}`)
              return next()
            })
          ]
        }),
        { CLIENT_ID: "CLI_configured", TIMEOUT: "50 millis" }
      )
      const call = yield* start(Context.get(context, JobsClient).run())
      yield* TestClock.adjust(49)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.deepStrictEqual(seen, ["Run 50"])
    }).pipe(onBus)
  )

  it.effect("of a server: drain and limits", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const layer = JobsServer.layerConfig(never, {
        serverId: Config.String("SERVER_ID"),
        drainTimeout: Config.Duration("DRAIN_TIMEOUT").pipe(Config.withDefault("1 hour")),
        maxInFlight: Config.Int("MAX_IN_FLIGHT")
      })
      const config = { SERVER_ID: "SRV_configured", DRAIN_TIMEOUT: "200 millis", MAX_IN_FLIGHT: "1" }
      const server = Context.get(yield* Scope.provide(build(layer, config), scope), JobsServer)
      assert.strictEqual(server.serverId, "SRV_configured")
      const client = yield* Client.make(Jobs, { timeout: "1 minute" })
      const first = yield* start(client.run())
      yield* settle
      assert.strictEqual((yield* Effect.flip(client.run()))._tag, "ResourceExhausted")
      const draining = yield* start(server.drain)
      yield* TestClock.adjust(199)
      assert.isTrue(isRunning(draining))
      yield* TestClock.adjust(1)
      yield* settle
      assert.isFalse(isRunning(draining))
      assert.strictEqual(errorOf(first)._tag, "Unavailable")
    }).pipe(onBus)
  )

  it.effect("of a server without a handle, whose handlers an Effect makes", () =>
    Effect.gen(function* () {
      yield* build(Server.layerConfig(Jobs, Effect.succeed(never), { maxInFlight: Config.Int("MAX_IN_FLIGHT") }), {
        MAX_IN_FLIGHT: "1"
      })
      const client = yield* Client.make(Jobs)
      yield* start(client.run())
      yield* settle
      assert.strictEqual((yield* Effect.flip(client.run()))._tag, "ResourceExhausted")
    }).pipe(onBus)
  )

  it.effect("of a publisher: its timeout", () =>
    Effect.gen(function* () {
      const { bus, steering } = yield* steeredBus
      steering.holds = () => true
      const layer = JobsPublisher.layerConfig({ timeout: Config.Duration("TIMEOUT") }).pipe(
        Layer.provide(Layer.succeed(MessageBus, bus))
      )
      const publisher = Context.get(yield* build(layer, { TIMEOUT: "70 millis" }), JobsPublisher)
      const update = yield* start(publisher.done())
      yield* settle
      assert.strictEqual(steering.held[0]?.expiry, 70)
      yield* Fiber.interrupt(update)
    }).pipe(onBus)
  )

  const layers: ReadonlyArray<
    readonly [string, (timeout: Config.Config<Duration.Input>) => Layer.Layer<never, unknown, MessageBus>]
  > = [
    ["client", (timeout) => Layer.effectDiscard(JobsClient).pipe(Layer.provide(JobsClient.layerConfig({ timeout })))],
    ["server", (drainTimeout) => Server.layerConfig(Jobs, never, { drainTimeout })],
    [
      "publisher",
      (timeout) => Layer.effectDiscard(JobsPublisher).pipe(Layer.provide(JobsPublisher.layerConfig({ timeout })))
    ]
  ]
  for (const [name, layer] of layers) {
    it.effect(
      `of a ${name}: a missing value is a ConfigError, a wrong one an invalid argument that names the option`,
      () =>
        Effect.gen(function* () {
          const missing = yield* Effect.flip(build(layer(Config.Duration("TIMEOUT")), {}))
          assert.isTrue(missing instanceof Config.ConfigError)
          const wrong = yield* Effect.flip(build(layer(Config.Number("TIMEOUT")), { TIMEOUT: "-1" }))
          assert.isTrue(PsrpcError.is(wrong))
          assert.strictEqual((wrong as PsrpcError.PsrpcError)._tag, "InvalidArgument")
          assert.match((wrong as PsrpcError.PsrpcError).message, new RegExp(`^${name} of Jobs.*[tT]imeout`))
        }).pipe(onBus)
    )
  }
})
