import { fileURLToPath } from "node:url"
import type { Command } from "./processes.ts"
import { profilePath } from "./profile.ts"
import { type Bus, type Plan, serversOf } from "./rows.ts"
import type { Task } from "./worker.ts"

/** The settings of all rows of a run. */
export interface Settings {
  /** The URL of each broker. */
  readonly urls: Readonly<Record<Bus, string>>
  /** Seconds. */
  readonly warmup: number
  readonly duration: number
  readonly profile: string | undefined
}

const worker = (name: string, task: Task): Command => ({
  file: process.execPath,
  // children find the library by the same conditions as this process
  args: [...process.execArgv, fileURLToPath(new URL(name, import.meta.url)), JSON.stringify(task)]
})

/** Returns the processes of a row of this library, or of a broker's client alone. */
export const nodeCommands = (plan: Plan, settings: Settings) => {
  const isRaw = plan.peer === "raw"
  const name = isRaw ? "./rawWorker.ts" : "./oursWorker.ts"
  const run = `bench-${process.pid}-${Math.random().toString(36).slice(2, 8)}`
  const { duration, urls, warmup } = settings
  const task = (role: Task["role"]): Task => ({
    ...plan,
    duration,
    warmup,
    url: urls[plan.bus],
    servers: serversOf(plan),
    role,
    run,
    profile: isRaw || settings.profile === undefined ? undefined : profilePath(settings.profile, plan, role)
  })
  const local = plan.bus === "local"
  const client = task(local ? "both" : "client")
  const server = local ? undefined : task("server")
  return {
    server: server === undefined ? undefined : worker(name, server),
    client: worker(name, client),
    profiles: [client.profile, server?.profile].filter((path) => path !== undefined)
  }
}
