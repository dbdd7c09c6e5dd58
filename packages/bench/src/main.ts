/** `npm run bench`: measures this library, Go and the brokers alone in one run. `--help` lists the options. */
import { natsUrl, redisUrl } from "@effect-psrpc/test-servers"
import { Cause, Effect, Exit } from "effect"
import { appendFileSync, writeFileSync } from "node:fs"
import { build, goCommands } from "./go.ts"
import { help, type Options, readOptions } from "./options.ts"
import { nodeCommands, type Settings } from "./ours.ts"
import { measure, RowError } from "./processes.ts"
import { topOf } from "./profile.ts"
import { type Group, groups, type Measured, ofRounds, type Plan, type Row } from "./rows.ts"
import { describe, outcome, table } from "./table.ts"

/** Maximum duration of a quick run, in seconds, with a reserve for its end. */
const quickLimit = 54
/** Minimum time in which the processes of a row start. */
const startMargin = 2
/** Maximum time of a row's processes beyond the measured time, in seconds. */
const rowMargin = 20

const say = (text: string): Effect.Effect<void> => Effect.sync(() => console.log(text))

const startedAt = performance.now()
const elapsed = (): number => (performance.now() - startedAt) / 1000

/** Returns the Go peer's path. Without it, its rows are omitted. */
const goPeer = Effect.fnUntraced(function* (options: Options) {
  if (!options.peers.includes("psrpc-go")) return undefined
  return yield* build(options.quick ? 25 : 600).pipe(
    Effect.catch((why) => Effect.as(say(`no rows of psrpc-go: ${why}`), undefined))
  )
})

const runRow = Effect.fnUntraced(function* (plan: Plan, settings: Settings, go: string | undefined, limit: number) {
  if (plan.peer === "psrpc-go") return yield* measure({ ...goCommands(go!, plan, settings), limit })
  const { profiles, ...commands } = nodeCommands(plan, settings)
  const measured = yield* measure({ ...commands, limit })
  for (const path of profiles) {
    const top = yield* Effect.promise(() => topOf(path, 15).catch((error) => [String(error)]))
    yield* say([`  ${path}`, ...top.map((line) => `  ${line}`)].join("\n"))
  }
  return measured
})

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

interface Progress {
  readonly total: number
  done: number
  failed: number
}

/** Measures the rows of a group, in rounds. */
const runGroup = Effect.fnUntraced(function* (
  group: Group,
  options: Options,
  settings: Settings,
  go: string | undefined,
  progress: Progress
) {
  const measured = new Map<Plan, Array<Measured>>(group.map((plan) => [plan, []]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const plan of group) {
      const usual = options.warmup + options.duration + rowMargin
      const limit = options.quick ? Math.min(usual, Math.floor(quickLimit - elapsed())) : usual
      const enough = limit >= options.warmup + options.duration + startMargin
      const exit = enough
        ? yield* Effect.exit(runRow(plan, settings, go, limit))
        : Exit.fail(new RowError({ message: "no time left for this row" }))
      const at = `[${String(++progress.done).padStart(String(progress.total).length)}/${progress.total}]`
      if (Exit.isSuccess(exit)) {
        measured.get(plan)!.push(exit.value)
        yield* say(`${at} ${describe(plan)}  ${outcome(exit.value)}`)
      } else {
        progress.failed++
        yield* say(`${at} ${describe(plan)}  failed: ${messageOf(exit.cause)}`)
      }
    }
  }
  return [...measured].flatMap(([plan, rounds]) => (rounds.length === 0 ? [] : [ofRounds(plan, rounds)]))
})

/** Runs all rows and returns the exit code. */
const run = Effect.fnUntraced(function* (options: Options) {
  if (options.json !== undefined) writeFileSync(options.json, "")
  const go = yield* goPeer(options)
  const urls = {
    local: "",
    redis: options.buses.includes("redis") ? yield* redisUrl : "",
    nats: options.buses.includes("nats") ? yield* natsUrl : ""
  }
  const peers = options.peers.filter((peer) => peer !== "psrpc-go" || go !== undefined)
  const all = groups({ ...options, peers })
  const progress: Progress = { total: all.flat().length * options.rounds, done: 0, failed: 0 }
  const settings: Settings = {
    urls,
    warmup: options.warmup,
    duration: options.duration,
    profile: options.profile
  }
  yield* say(`${progress.total} rows of ${options.warmup} + ${options.duration} s`)
  const rows: Array<Row> = []
  for (const group of all) {
    const done = yield* runGroup(group, options, settings, go, progress)
    rows.push(...done)
    if (options.json === undefined) continue
    for (const row of done) appendFileSync(options.json, `${JSON.stringify(row)}\n`)
  }
  if (rows.length > 0) yield* say(`\n${table(rows)}\n`)
  return progress.failed > 0 || rows.some((row) => row.peer === "effect-psrpc" && row.errors > 0) ? 1 : 0
}, Effect.scoped)

const optionsOrExit = (): Options => {
  try {
    const options = readOptions(process.argv.slice(2))
    if (options !== undefined) return options
    console.log(help)
    process.exit(0)
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exit(2)
  }
}

const fiber = Effect.runFork(run(optionsOrExit()))
// processes and brokers end with the scope
const interrupt = (): void => fiber.interruptUnsafe()
process.once("SIGINT", interrupt)
process.once("SIGTERM", interrupt)
fiber.addObserver((exit) => {
  if (exit._tag === "Failure" && !Exit.hasInterrupts(exit)) console.error(messageOf(exit.cause))
  process.exit(exit._tag === "Success" ? exit.value : 1)
})
