import { Effect, Exit, Schedule, Scope } from "effect"
import { freePort } from "./freePort.ts"
import type { Program } from "./programs.ts"
import { requireProgram } from "./requireProgram.ts"
import { type ServerProcess, startProcess } from "./ServerProcess.ts"
import { TestServerError } from "./TestServerError.ts"

/** What every broker that runs in a process of its own can do. */
export interface RunningServer extends Omit<ServerProcess, "pid" | "exited"> {
  readonly port: number
  readonly pid: () => number
  /** Starts it again on the same port, after it has ended the process that still runs. */
  readonly restart: Effect.Effect<void, TestServerError>
}

/** How to start a broker. */
export interface Launch {
  readonly binary: Program
  /** Default: a free one, and another if somebody else takes it first. */
  readonly port: number | undefined
  /** Makes the arguments of the command line, for each start. */
  readonly args: (port: number) => Effect.Effect<ReadonlyArray<string>, TestServerError>
  /** Succeeds if the server answers on this port. */
  readonly ready: (port: number) => Effect.Effect<unknown, TestServerError>
}

/** How often a condition of a starting server is checked. */
export const poll = Schedule.spaced("20 millis")

/** Starts a broker on 127.0.0.1 that ends with the scope, and waits until it answers. */
export const launchServer = Effect.fnUntraced(function* (
  options: Launch
): Effect.fn.Return<RunningServer, TestServerError, Scope.Scope> {
  const { binary } = options.binary
  const path = yield* requireProgram(options.binary)
  const scope = yield* Effect.scope

  const startOn = Effect.fnUntraced(function* (port: number) {
    const inner = yield* Scope.fork(scope)
    const server = yield* startProcess(path, yield* options.args(port)).pipe(Scope.provide(inner))
    // a process that has ended is no reason to ask again
    const isReady = Effect.suspend(() => (server.exited() ? Effect.void : options.ready(port)))
    const asked = yield* Effect.exit(
      isReady.pipe(Effect.retry({ schedule: poll, times: 500, while: () => !server.exited() }))
    )
    if (Exit.isSuccess(asked) && !server.exited()) return server
    const reason = server.exited() ? "ended" : "does not answer"
    yield* Scope.close(inner, Exit.void)
    return yield* new TestServerError({ message: `${binary} on ${port} ${reason}: ${server.output().trim()}` })
  })

  const { port, server } = yield* (options.port === undefined ? freePort : Effect.succeed(options.port)).pipe(
    Effect.flatMap((port) => Effect.map(startOn(port), (server) => ({ port, server }))),
    Effect.retry({ times: options.port === undefined ? 4 : 0 })
  )
  let current = server
  return {
    port,
    pid: () => current.pid,
    output: () => current.output(),
    stop: (how) => Effect.suspend(() => current.stop(how)),
    restart: Effect.suspend(() => current.stop()).pipe(
      Effect.andThen(startOn(port)),
      Effect.map((server) => {
        current = server
      })
    ),
    pause: Effect.suspend(() => current.pause),
    resume: Effect.suspend(() => current.resume)
  }
})
