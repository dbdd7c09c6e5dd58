/** Makes a server of a test network, which can crash and start again. */
import { Context, Effect, Exit, Scope } from "effect"
import { handlerAt } from "../../../internal/server/handlerOf.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as PsrpcError from "../../../PsrpcError.ts"
import * as Server from "../../../Server.ts"
import * as Service from "../../../Service.ts"
import type { FaultyMessageBus } from "../../FaultyMessageBus.ts"
import type { FaultRules } from "./faultRules.ts"
import { handlersWithFaults } from "./handlersWithFaults.ts"
import type { TestServer } from "./testNetworkTypes.ts"
import type { ServerOptions } from "./serverOptions.ts"
import type { TestBroker } from "./testBroker.ts"

/** A server between its start and its end. */
interface Running {
  readonly scope: Scope.Closeable
  readonly connection: FaultyMessageBus["Service"]
  readonly server: Server.Server<Service.AnyMethods>
  hasEnded: boolean
}

export interface TestServerOptions {
  readonly broker: TestBroker["Service"]
  readonly service: Service.Service<string, Service.AnyMethods>
  readonly serverId: string
  readonly options: ServerOptions<Service.Any>
  readonly rules: FaultRules
}

/** Starts the server in a scope of its own, on a connection of its own. */
const startServer = Effect.fnUntraced(function* ({ broker, options, rules, serverId, service }: TestServerOptions) {
  const scope = yield* Scope.make()
  const started = Effect.gen(function* () {
    const connection = yield* broker.connect(serverId)
    const server = yield* Effect.gen(function* () {
      const { affinity, handlers: given, ...rest } = options
      const handlers = (Effect.isEffect(given) ? yield* given : given) as object
      const keys = Object.keys(service.methods).filter((key) => handlerAt(handlers, key) !== undefined)
      const served = Service.pick(service, ...keys)
      const withFaults = handlersWithFaults(served, handlers, serverId, affinity, rules)
      return yield* Server.make(
        served,
        withFaults as never,
        { ...rest, serverId } as Server.Options<Service.AnyMethods>
      )
    }).pipe(Effect.provideService(MessageBus, connection))
    return { scope, connection, server, hasEnded: false }
  })
  return yield* Scope.provide(started, scope).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
}, Effect.uninterruptible)

/** Makes a server that is killed when the scope closes. */
export const makeTestServer = Effect.fnUntraced(function* (
  options: TestServerOptions
): Effect.fn.Return<TestServer<Service.Any>, PsrpcError.PsrpcError, Scope.Scope> {
  const context = Context.omit(Scope.Scope)(yield* Effect.context<Scope.Scope>())
  const startNew = Effect.provideContext(startServer(options), context as Context.Context<never>) as Effect.Effect<
    Running,
    PsrpcError.PsrpcError
  >
  let running = yield* startNew
  /** Ends the server by `how`, then closes its scope. */
  const end = (how: (server: Running["server"]) => Effect.Effect<void>): Effect.Effect<void> =>
    Effect.suspend(() => {
      const { scope, server } = running
      running.hasEnded = true
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
    // the connection never comes back, so that no message of the kill leaves
    crash: Effect.suspend(() => running.connection.disconnect).pipe(
      // detached: an uninterruptible handler does not hold up the crash
      Effect.andThen(Effect.forkDetach(kill, { startImmediately: true })),
      Effect.asVoid
    ),
    start: Effect.suspend(() =>
      running.hasEnded
        ? Effect.map(startNew, (started) => {
            running = started
          })
        : Effect.void
    ).pipe(
      // an error of the Effect that makes handlers is in the type of `make` alone: here it is a defect
      Effect.catch((error: unknown) => (PsrpcError.is(error) ? Effect.fail(error) : Effect.die(error)))
    )
  }
})
