/** A server of a net: it can break down, and start again. */
import { Context, Effect, Exit, Scope } from "effect"
import type { PsrpcError } from "../../../PsrpcError.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as Server from "../../../Server.ts"
import type * as Service from "../../../Service.ts"
import type { FaultyMessageBus } from "../../FaultyMessageBus.ts"
import type { TestServer } from "../../PsrpcTest.ts"
import type { Network } from "./network.ts"

interface Running {
  readonly scope: Scope.Closeable
  readonly connection: FaultyMessageBus["Service"]
  readonly server: Server.Server<Service.AnyMethods>
  isOver: boolean
}

/** Makes a server that runs until the scope closes, when its handlers are interrupted. */
export const makeServer = Effect.fnUntraced(function* (
  network: Network["Service"],
  service: Service.Service<string, Service.AnyMethods>,
  handlers: object,
  options: Server.Options<Service.AnyMethods> & { readonly serverId: string }
): Effect.fn.Return<TestServer<Service.AnyMethods>, PsrpcError, Scope.Scope> {
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>())
  const run: Effect.Effect<Running, PsrpcError> = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const made = Effect.gen(function* () {
      const connection = yield* network.connect(options.serverId)
      const server = yield* Effect.provideService(
        Server.make(service, handlers as never, options as Server.Options<Service.AnyMethods>),
        MessageBus,
        connection
      )
      return { scope, connection, server, isOver: false }
    })
    return yield* Scope.provide(made, scope).pipe(
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      Effect.provideContext(context as Context.Context<never>)
    )
  }).pipe(Effect.uninterruptible) as Effect.Effect<Running, PsrpcError>

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
    serverId: options.serverId,
    get connection() {
      return running.connection
    },
    register: (method, topic) => Effect.suspend(() => running.server.register(method, topic)),
    deregister: (method, topic) => Effect.suspend(() => running.server.deregister(method, topic)),
    registerGroup: (group, topic) => Effect.suspend(() => running.server.registerGroup(group, topic)),
    deregisterGroup: (group, topic) => Effect.suspend(() => running.server.deregisterGroup(group, topic)),
    drain: end((server) => server.drain),
    kill,
    crash: Effect.suspend(() => {
      const { connection } = running
      return connection.partition.pipe(
        Effect.andThen(connection.disconnect),
        // a handler that is not interrupted at once takes its time by itself
        Effect.andThen(Effect.forkDetach(kill, { startImmediately: true })),
        Effect.asVoid
      )
    }),
    start: Effect.suspend(() =>
      running.isOver
        ? Effect.map(run, (again) => {
            running = again
          })
        : Effect.void
    )
  }
})
