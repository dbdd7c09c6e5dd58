import { goPeerBinary } from "@effect-psrpc/interop"
import { Effect } from "effect"
import type { Settings } from "./ours.ts"
import type { Command } from "./processes.ts"
import { type Plan, serversOf } from "./rows.ts"

/** Builds the Go peer if necessary, and returns its path. Fails with the reason if there is none. */
export const build = (seconds: number): Effect.Effect<string, string> =>
  goPeerBinary.pipe(
    Effect.mapError((error) => error.message),
    Effect.timeoutOrElse({
      duration: seconds * 1000,
      orElse: () => Effect.fail(`not built after ${seconds} s; run again to continue the build`)
    })
  )

/** Returns the processes of a row of the Go peer. */
export const goCommands = (file: string, plan: Plan, settings: Settings) => {
  const url = plan.bus === "local" ? [] : ["-url", settings.urls[plan.bus]]
  const common = ["bench", "-bus", plan.bus, ...url, "-servers", String(serversOf(plan))]
  const load = ["-concurrency", String(plan.concurrency), "-payload", String(plan.payload)]
  const times = ["-warmup", `${settings.warmup}s`, "-duration", `${settings.duration}s`]
  // the affinity rows of this library accept the claim immediately, too
  const selection = plan.mode === "affinity" ? ["-max-affinity", "0.5"] : []
  const role = plan.bus === "local" ? "both" : "client"
  const client = [...common, "-role", role, "-mode", plan.mode, ...load, ...times, ...selection]
  const server: Command | undefined = plan.bus === "local" ? undefined : { file, args: [...common, "-role", "server"] }
  return { server, client: { file, args: client } }
}
