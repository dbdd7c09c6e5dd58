/** CPU profiles of this library's processes, and their summaries. */
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { type Profiler, Session } from "node:inspector/promises"
import { basename, dirname, extname, join } from "node:path"
import type { Plan } from "./rows.ts"
import type { Task } from "./worker.ts"

const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, millis)))

/** Profiles the measured time if the task asks for it. A server starts to profile when it is ready. */
export const profileTask = async (task: Task): Promise<void> => {
  if (task.profile === undefined) return
  const margin = 200
  await wait(task.warmup * 1000 + (task.role === "server" ? 2 * margin : 0))
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 200 })
  await session.post("Profiler.start")
  await wait(task.duration * 1000 - 3 * margin)
  const { profile } = await session.post("Profiler.stop")
  session.disconnect()
  await mkdir(dirname(task.profile), { recursive: true })
  await writeFile(task.profile, JSON.stringify(profile))
}

/** Returns the file of one row and role, next to the others of the run. */
export const profilePath = (given: string, plan: Plan, role: Task["role"]): string => {
  const extension = extname(given) || ".cpuprofile"
  const { bus, concurrency, mode, payload, tracer } = plan
  const row = [bus, mode, concurrency, payload, ...(tracer === "none" ? [] : [tracer])].join("-")
  return join(dirname(given), `${basename(given, extension)}.${row}.${role}${extension}`)
}

const place = (url: string, line: number): string => {
  const file = url === "" ? "native" : url.split("/").slice(-2).join("/")
  return url === "" ? file : `${file}:${line + 1}`
}

/** Returns how busy the process was, and the functions with the longest self time, one per line. */
export const topOf = async (path: string, count: number): Promise<ReadonlyArray<string>> => {
  const { nodes, samples = [], timeDeltas = [] } = JSON.parse(await readFile(path, "utf8")) as Profiler.Profile
  const names = new Map<number, string>()
  for (const { callFrame, id } of nodes) {
    const { functionName, lineNumber, url } = callFrame
    names.set(id, `${functionName || "(anonymous)"}  ${place(url, lineNumber)}`)
  }
  const own = new Map<string, number>()
  let total = 0
  let idle = 0
  for (const [index, id] of samples.entries()) {
    const name = names.get(id)!
    const delta = timeDeltas[index] ?? 0
    total += delta
    // without the profiler itself
    if (name.startsWith("(idle)") || name.includes("node:inspector")) {
      idle += delta
      continue
    }
    own.set(name, (own.get(name) ?? 0) + delta)
  }
  const busy = total - idle
  const share = (time: number, of: number): string => `${((time / of) * 100).toFixed(1).padStart(5)} %`
  const top = [...own].toSorted(([, a], [, b]) => b - a).slice(0, count)
  return [`${share(busy, total)}  busy, of which:`, ...top.map(([name, time]) => `${share(time, busy)}  ${name}`)]
}
