import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import { type CallControl, CurrentControl } from "../../src/internal/calls/callControl.ts"
import * as Server from "../../src/Server.ts"
import { exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { echo, echoes, Kinds } from "./everyKind.ts"

/** Stores the control of the fiber in which it runs. */
const storing = (controls: Array<CallControl>) => Effect.map(CurrentControl, (control) => controls.push(control))

const atClient = (controls: Array<CallControl>) =>
  Interceptor.client((_, next) => Effect.andThen(storing(controls), next()))

describe("the control of a call", () => {
  it.effect("at a client completes when the client is closed", () =>
    Effect.gen(function* () {
      yield* echo()
      const controls: Array<CallControl> = []
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Kinds, { interceptors: [atClient(controls)] }), scope)
      yield* client.ask("a")
      const closed = yield* start(controls[0]!.awaitClosed!)
      assert.isTrue(isRunning(closed))
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.isTrue(Exit.isSuccess(exitOf(closed)))
    }).pipe(onBus)
  )

  it.effect("at a server is of the request alone: a client that is made by its handler does not keep it", () =>
    Effect.gen(function* () {
      const controls: Array<CallControl> = []
      const passing = Interceptor.server((_, next) => next())
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          ask: (request) =>
            Effect.gen(function* () {
              yield* storing(controls)
              const client = yield* Client.make(Kinds, { interceptors: [atClient(controls)] })
              return yield* Effect.orDie(client.other(request))
            }).pipe(Effect.orDie)
        },
        { interceptors: [passing] }
      )
      const client = yield* Client.make(Kinds)
      yield* client.ask("a")
      assert.deepStrictEqual(
        controls.map(({ awaitClosed, runToCompletion }) => [awaitClosed !== undefined, runToCompletion !== undefined]),
        [
          [false, true],
          [true, false]
        ]
      )
    }).pipe(onBus)
  )

  it.effect("is not kept by a server that is made within the call: its handlers have none", () =>
    Effect.gen(function* () {
      const controls: Array<CallControl> = []
      const handlers = { ...echoes, ask: (request: string) => Effect.as(storing(controls), request) }
      const serving = Interceptor.client((_, next) => Effect.andThen(Server.make(Kinds, handlers), next()))
      const client = yield* Client.make(Kinds, { interceptors: [serving] })
      assert.strictEqual(yield* client.ask("a"), "a")
      assert.deepStrictEqual(controls, [{}])
    }).pipe(onBus)
  )
})
