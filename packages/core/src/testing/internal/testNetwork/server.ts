/** A server of a net: it can break down, and start again. */
import { Context, Effect, Exit, Scope } from "effect"
import { handlerAt } from "../../../internal/server/handlerOf.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as PsrpcError from "../../../PsrpcError.ts"
import * as Server from "../../../Server.ts"
import * as Service from "../../../Service.ts"
import type { FaultyMessageBus } from "../../FaultyMessageBus.ts"
import type { TestServer } from "../../PsrpcTest.ts"
import { handlersWith } from "./handlers.ts"
import type { Network } from "./network.ts"
import type { Rules } from "./rules.ts"
import type { ServerOptions } from "./types.ts"

interface Running {
  readonly scope: Scope.Closeable
  readonly connection: FaultyMessageBus["Service"]
  readonly server: Server.Server<Service.AnyMethods>
  isOver: boolean
}

/** What a server is made of. */
export interface Stated {
  readonly service: Service.Service<string, Service.AnyMethods>
  readonly serverId: string
  readonly options: ServerOptions<Service.AnyMethods>
  readonly rules: Rules
}

/** Makes a server in a scope of its own, on a connection of its own, with handlers of its own. */
const make = Effect.fnUntraced(function* (network: Network["Service"], { options, rules, serverId, service }: Stated) {
  const scope = yield* Scope.make()
  const made = Effect.gen(function* () {
    const connection = yield* network.connect(serverId)
    const server = yield* Effect.gen(function* () {
      const given = options.handlers
      const handlers = (Effect.isEffect(given) ? yield* given : given) as object
      const keys = Object.keys(service.methods).filter((key) => handlerAt(handlers, key) !== undefined)
      const served = Service.pick(service, ...keys)
      const { affinity, handlers: _, ...rest } = options
      const meeting = handlersWith(served, handlers, serverId, affinity, rules)
      return yield* Server.make(served, meeting as never, { ...rest, serverId } as Server.Options<Service.AnyMethods>)
    }).pipe(Effect.provideService(MessageBus, connection))
    return { scope, connection, server, isOver: false }
  })
  return yield* Scope.provide(made, scope).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
}, Effect.uninterruptible)

/** Makes a server that runs until the scope closes, when its handlers are interrupted. */
export const makeServer = Effect.fnUntraced(function* (
  network: Network["Service"],
  stated: Stated
): Effect.fn.Return<TestServer<Service.AnyMethods>, PsrpcError.PsrpcError, Scope.Scope> {
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>())
  const run = Effect.provideContext(make(network, stated), context as Context.Context<never>) as Effect.Effect<
    Running,
    PsrpcError.PsrpcError
  >
  let running = yield* run
  /** Ends the server as `how` says, and then everything of it. */
  const end = (how: (server: Running["server"]) => Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { scope, server } = running
      running.isOver = true
      return Effect.andThen(how(server), Scope.close(scope, Exit.void))
    })
  const kill = end((server) => server.kill)
  yield* Effect.addFinalizer(() => kill)

  return {
    serverId: stated.serverId,
    get connection() {
      return running.connection
    },
    register: (method, topic) => Effect.suspend(() => running.server.register(method, topic)),
    deregister: (method, topic) => Effect.suspend(() => running.server.deregister(method, topic)),
    registerGroup: (group, topic) => Effect.suspend(() => running.server.registerGroup(group, topic)),
    deregisterGroup: (group, topic) => Effect.suspend(() => running.server.deregisterGroup(group, topic)),
    drain: end((server) => server.drain),
    kill,
    // its last words are held by a connection that never comes back
    crash: Effect.suspend(() => running.connection.disconnect).pipe(
      // a handler that does not stop at once takes its time by itself
      Effect.andThen(Effect.forkDetach(kill, { startImmediately: true })),
      Effect.asVoid
    ),
    start: Effect.suspend(() =>
      running.isOver
        ? Effect.map(run, (again) => {
            running = again
          })
        : Effect.void
    ).pipe(
      // what making the handlers fails with was an error when the net was made
      Effect.catch((error: unknown) => (PsrpcError.is(error) ? Effect.fail(error) : Effect.die(error)))
    )
  }
})
