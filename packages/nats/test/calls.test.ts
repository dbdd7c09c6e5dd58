import { MessageBus, Rpc, Server, Service } from "@effect-psrpc/core"
import { call, calls, closable, live, methods } from "@effect-psrpc/bus-tests"
import { NatsServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Schema, Scope } from "effect"
import { broker, ways } from "./support.ts"

calls(broker, ways)

/** The same service name with another method. */
const Other = Service.make("Work", { other: Rpc.unary({ request: Schema.String, response: Schema.String }) })

for (const [way, make] of Object.entries(ways)) {
  describe(`calls on ${way}`, () => {
    live("without a server fail at once if NATS reports it, and otherwise after their timeouts", () =>
      Effect.gen(function* () {
        const nats = yield* NatsServer.make()
        const bus = yield* make(nats.url)
        const client = yield* call(bus, { timeout: "1500 millis" })
        const nobody = Effect.forEach(methods, (method) => Effect.timed(Effect.flip(client[method]("x"))))
        const atOnce = Effect.gen(function* () {
          for (const [, error] of yield* nobody) {
            assert.strictEqual(error._tag, "Unavailable")
            // the affinity timeout and the deadline have other reasons
            assert.strictEqual(error.reason, "no_listeners")
            assert.isFalse(error.mayHaveRun)
          }
        })
        yield* atOnce
        // another method of the service has a server: NATS reports listeners of the subject, which they share
        const { close, scope } = yield* closable
        yield* Server.make(Other, { other: Effect.succeed }).pipe(
          Effect.provideService(MessageBus.MessageBus, yield* make(nats.url)),
          Scope.provide(scope)
        )
        const [[claimTook, claimError], [singleTook, singleError]] = (yield* nobody) as [any, any]
        assert.strictEqual(claimError.reason, "no_response")
        assert.isAtLeast(Duration.toMillis(claimTook), 900)
        assert.strictEqual(singleError._tag, "DeadlineExceeded")
        assert.isAtLeast(Duration.toMillis(singleTook), 1400)
        yield* close
        yield* atOnce
      })
    )
  })
}
