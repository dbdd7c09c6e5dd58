import { fileURLToPath } from "node:url"
import type { Command } from "./processes.ts"
import { profilePath } from "./profile.ts"
import { type Bus, type Plan, serversOf } from "./rows.ts"
import type { Task } from "./worker.ts"

/** What every row of a run has in common. */
export interface Settings {
  /** Of each broker. */
  readonly urls: Readonly<Record<Bus, string>>
  /** Seconds. */
  readonly warmup: number
  readonly duration: number
  readonly profile: string | undefined
}

const worker = (name: string, task: Task): Command => ({
  file: process.execPath,
  // the conditions under which this process finds the library hold for its children too
  args: [...process.execArgv, fileURLToPath(new URL(name, import.meta.url)), JSON.stringify(task)]
})

/** The processes of a row of this library, or of ioredis alone. */
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
