import { Effect, Exit, Schedule, Scope } from "effect"
import { freePort } from "./freePort.ts"
import type { Program } from "./programs.ts"
import { requireProgram } from "./requireProgram.ts"
import { type ServerProcess, startProcess } from "./ServerProcess.ts"
import { TestServerError } from "./TestServerError.ts"

/** A running broker. */
export interface RunningServer extends Omit<ServerProcess, "pid" | "exited"> {
  readonly port: number
  readonly pid: () => number
  /** Ends the process if it runs, and starts a new one on the same port. */
  readonly restart: Effect.Effect<void, TestServerError>
}

/** Options of a broker. */
export interface Launch {
  readonly binary: Program
  /** Default: a free port, and another one if it is taken meanwhile. */
  readonly port: number | undefined
  /** Returns the arguments of the command line, for each start. */
  readonly args: (port: number) => Effect.Effect<ReadonlyArray<string>, TestServerError>
  /** Succeeds if the server replies on this port. */
  readonly ready: (port: number) => Effect.Effect<unknown, TestServerError>
}

/** Interval at which a starting server is checked. */
export const poll = Schedule.spaced("20 millis")

/** Starts a broker on 127.0.0.1 that ends with the scope, and waits until it replies. */
export const launchServer = Effect.fnUntraced(function* (
  options: Launch
): Effect.fn.Return<RunningServer, TestServerError, Scope.Scope> {
  const { binary } = options.binary
  const path = yield* requireProgram(options.binary)
  const scope = yield* Effect.scope

  const startOn = Effect.fnUntraced(function* (port: number) {
    const inner = yield* Scope.fork(scope)
    const server = yield* startProcess(path, yield* options.args(port)).pipe(Scope.provide(inner))
    // not for a process that has ended
    const isReady = Effect.suspend(() => (server.exited() ? Effect.void : options.ready(port)))
    const asked = yield* Effect.exit(
      isReady.pipe(Effect.retry({ schedule: poll, times: 500, while: () => !server.exited() }))
    )
    if (Exit.isSuccess(asked) && !server.exited()) return server
    const reason = server.exited() ? "ended" : "does not reply"
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
