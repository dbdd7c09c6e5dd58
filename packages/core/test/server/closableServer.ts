/** What the tests of closing share: a service of jobs that take time, and a server that can be closed. */
import { Clock, Effect, Exit, Schema, Scope } from "effect"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { start } from "../helpers/harness.ts"

export class Jobs extends Service.make("Jobs", {
  work: Rpc.unary({ request: Schema.Finite, response: Schema.String }),
  alone: Rpc.unary({ request: Schema.Finite, response: Schema.String, singleServer: true }),
  render: Rpc.unary({ request: Schema.Finite, response: Schema.String, routing: "affinity" }),
  stubborn: Rpc.unary({ request: Schema.Finite, response: Schema.String, runToCompletion: true }),
  topical: Rpc.unary({ response: Schema.String, topic: ["node"] })
}) {}

export const work = (millis: number) => Effect.delay(Effect.succeed("done"), millis)
export const handlers = Jobs.of({
  work,
  alone: work,
  stubborn: work,
  render: { affinity: 0.5, handle: work },
  topical: () => Effect.succeed("done")
})

/** A server in a scope of its own, which `close` closes, in a fiber; `took` says how long that took. */
export const closable = Effect.fnUntraced(function* (options?: Server.Options<typeof Jobs.methods>) {
  const scope = yield* Scope.make()
  const server = yield* Scope.provide(Server.make(Jobs, handlers, options), scope)
  return { server, scope, close: timed(Scope.close(scope, Exit.void)) }
})

/** Starts it, and says how many milliseconds it took. */
export const timed = (effect: Effect.Effect<void>) =>
  start(
    Effect.gen(function* () {
      const before = yield* Clock.currentTimeMillis
      yield* effect
      return (yield* Clock.currentTimeMillis) - before
    })
  )
