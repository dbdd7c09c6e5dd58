/** Input and output of the processes of this package. */
import type { Bus, Measured, Mode, RawMode, TracerName } from "./rows.ts"

/** The task of a process, as JSON in its only argument. */
export interface Task {
  readonly role: "server" | "client" | "both"
  readonly bus: Bus
  /** URL of the broker; empty on the local bus. */
  readonly url: string
  readonly mode: Mode | RawMode
  readonly concurrency: number
  readonly payload: number
  readonly tracer: TracerName
  /** Number of servers. */
  readonly servers: number
  /** Seconds. */
  readonly warmup: number
  readonly duration: number
  /** File for a CPU profile of the measured time. */
  readonly profile: string | undefined
  /** Prefix of channels and locks, different for each row on one broker. */
  readonly run: string
}

export const readTask = (): Task => JSON.parse(process.argv[2] ?? "null") as Task

// the run shows the last line of a failed process
process.once("uncaughtException", (error) => {
  process.stderr.write(`${error.message}\n`, () => process.exit(1))
})

/** Prints that a server is ready, as the Go peer does. */
export const sayReady = (): void => {
  process.stderr.write("ready\n")
}

export const sayResult = (result: Measured): Promise<void> =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(result)}\n`, () => resolve()))

/** Ends the process with the run, however that ends. */
export const endWithStdin = (end: () => void = () => process.exit(1)): void => {
  process.stdin.on("end", end)
  process.stdin.on("error", end)
  process.stdin.resume()
  process.once("SIGTERM", end)
}
