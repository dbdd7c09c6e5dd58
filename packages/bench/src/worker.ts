/** What the processes of this package have in common: what they are told, and what they say. */
import type { Bus, Measured, Mode, RawMode, TracerName } from "./rows.ts"

/** What a process is told, as JSON in its only argument. */
export interface Task {
  readonly role: "server" | "client" | "both"
  readonly bus: Bus
  /** Of the broker; empty on the local bus. */
  readonly url: string
  readonly mode: Mode | RawMode
  readonly concurrency: number
  readonly payload: number
  readonly tracer: TracerName
  /** How many servers there are. */
  readonly servers: number
  /** Seconds. */
  readonly warmup: number
  readonly duration: number
  /** Where a CPU profile of the measured time goes. */
  readonly profile: string | undefined
  /** Tells the channels and locks of this row from those of others on the same broker. */
  readonly run: string
}

export const readTask = (): Task => JSON.parse(process.argv[2] ?? "null") as Task

// the run shows the last line of what a process says that fails
process.once("uncaughtException", (error) => {
  process.stderr.write(`${error.message}\n`, () => process.exit(1))
})

/** A server says that it listens, as the Go peer does. */
export const sayReady = (): void => {
  process.stderr.write("ready\n")
}

export const sayResult = (result: Measured): Promise<void> =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(result)}\n`, () => resolve()))

/** A process must not outlive the run, however that ends. */
export const endWithStdin = (end: () => void = () => process.exit(1)): void => {
  process.stdin.on("end", end)
  process.stdin.on("error", end)
  process.stdin.resume()
  process.once("SIGTERM", end)
}
