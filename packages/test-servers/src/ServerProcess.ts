import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { TestServerError } from "./TestServerError.ts"

/** A server process. */
export interface ServerProcess {
  readonly pid: number
  /** Returns its output so far. */
  readonly output: () => string
  readonly exited: () => boolean
  /** Ends it and waits for its exit: SIGTERM, and SIGKILL after a while or with `kill`. */
  readonly stop: (options?: { readonly kill?: boolean }) => Effect.Effect<void>
  /** Stops the process: its connections stay open, without replies. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

const children = new Set<ChildProcess>()
// a test process leaves no server behind, however it ends
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

const stop = (child: ChildProcess, kill: boolean): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    // a stopped process does not handle SIGTERM
    child.kill("SIGCONT")
    child.kill(kill ? "SIGKILL" : "SIGTERM")
    const timer = setTimeout(() => child.kill("SIGKILL"), 3000)
    child.once("exit", () => clearTimeout(timer))
  })

/** Starts a process that ends with the scope. */
export const startProcess = (
  command: string,
  args: ReadonlyArray<string>
): Effect.Effect<ServerProcess, TestServerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<{ child: ChildProcess; output: () => string }, TestServerError>((resume) => {
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
      let output = ""
      const keep = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-16_384)
      }
      child.stdout.on("data", keep)
      child.stderr.on("data", keep)
      child.once("error", (cause) =>
        resume(Effect.fail(new TestServerError({ message: `${command} cannot be started: ${cause.message}`, cause })))
      )
      child.once("spawn", () => {
        children.add(child)
        child.once("exit", () => children.delete(child))
        resume(Effect.succeed({ child, output: () => output }))
      })
    }),
    ({ child }) => stop(child, true)
  ).pipe(
    Effect.map(({ child, output }) => ({
      pid: child.pid!,
      output,
      exited: () => child.exitCode !== null || child.signalCode !== null,
      stop: (options) => stop(child, options?.kill === true),
      pause: Effect.sync(() => void child.kill("SIGSTOP")),
      resume: Effect.sync(() => void child.kill("SIGCONT"))
    }))
  )
