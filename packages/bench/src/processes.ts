/** Starts the processes of a row. They end with its scope, each by its own handle, and none outlives this process. */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import type { Measured } from "./rows.ts"

/** The failure of a row. */
export class RowError extends Data.TaggedError("RowError")<{ readonly message: string }> {}

/** A program and its arguments. */
export interface Command {
  readonly file: string
  readonly args: ReadonlyArray<string>
}

interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Calls back on new output, and at the end. */
  readonly watch: (look: () => void) => void
}

const children = new Set<ChildProcess>()
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

const kept = 16_384

const launch = ({ args, file }: Command): Running => {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] })
  children.add(child)
  const output = { stdout: "", stderr: "" }
  const watchers: Array<() => void> = []
  const tell = (): void => {
    for (const look of watchers) look()
  }
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Buffer) => {
      output[name] = (output[name] + chunk.toString()).slice(-kept)
      tell()
    })
  }
  child.stdin.on("error", () => {})
  child.once("error", (error) => {
    output.stderr += error.message
    children.delete(child)
    tell()
  })
  // not exit: output may follow it
  child.once("close", () => {
    children.delete(child)
    tell()
  })
  return { child, stdout: () => output.stdout, stderr: () => output.stderr, watch: (look) => watchers.push(look) }
}

const stop = ({ child }: Running): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (hasEnded(child)) return resume(Effect.void)
    const timer = setTimeout(() => child.kill("SIGKILL"), 1000)
    child.once("exit", () => {
      clearTimeout(timer)
      resume(Effect.void)
    })
    child.stdin?.end()
    child.kill("SIGTERM")
  })

const start = (command: Command): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => launch(command)),
    stop
  )

/** Waits until `look` returns a value. Fails if the process ends first. */
const find = <A>(running: Running, what: string, look: () => A | undefined): Effect.Effect<A, RowError> =>
  Effect.callback((resume) => {
    const check = (): void => {
      const found = look()
      if (found !== undefined) return resume(Effect.succeed(found))
      if (hasEnded(running.child) && !children.has(running.child)) {
        resume(
          Effect.fail(
            new RowError({ message: `${what}: ${running.stderr().trim().split("\n").at(-1) || "the process ended"}` })
          )
        )
      }
    }
    running.watch(check)
    check()
  })

/** Returns the resident memory of a process in MB; 0 without /proc. */
const residentMb = (pid: number | undefined): number => {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))
    return Number(found?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Runs a client, with a server if it needs one, and returns the measurement. */
export const measure = (commands: {
  readonly server: Command | undefined
  readonly client: Command
  /** Maximum duration of the row, in seconds. */
  readonly limit: number
}): Effect.Effect<Measured, RowError> =>
  Effect.gen(function* () {
    const server = commands.server === undefined ? undefined : yield* start(commands.server)
    if (server !== undefined) {
      yield* find(server, "the server", () => (server.stderr().includes("ready") ? true : undefined))
    }
    const client = yield* start(commands.client)
    const measured = yield* find(client, "the client", () => {
      const line = client
        .stdout()
        .split("\n")
        .slice(0, -1)
        .find((text) => text.startsWith("{"))
      return line === undefined ? undefined : (JSON.parse(line) as Measured)
    })
    if (measured.errors > 0) yield* Effect.sync(() => process.stderr.write(`  ${client.stderr().trim()}\n`))
    return { ...measured, rss_mb: measured.rss_mb + residentMb(server?.child.pid) }
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: commands.limit * 1000,
      orElse: () => Effect.fail(new RowError({ message: `not done after ${commands.limit} s` }))
    })
  )
