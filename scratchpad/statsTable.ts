/** Formats the values of `Telemetry.stats` as a table. */
import type { Telemetry } from "@effect-psrpc/core"
import { Duration } from "effect"
import { type Column, type Line, textTable } from "../scripts/textTable.ts"

/** A row: a method, or the total of a side. */
type Row = Telemetry.Counts &
  Pick<Telemetry.MethodStats, "side"> &
  Partial<Pick<Telemetry.MethodStats, "service" | "method" | "kind" | "attributes">>

interface CountColumn extends Column {
  readonly of: (row: Row) => string
}

const number = (title: string, of: (row: Row) => number | string): CountColumn => ({
  title,
  align: "right",
  of: (row) => String(of(row))
})

const word = (title: string, of: (row: Row) => string): CountColumn => ({ title, align: "left", of })

const millis = ({ averageCallTime, calls, inFlight, side }: Row): string =>
  side === "publisher" || calls === inFlight ? "-" : Duration.toMillis(averageCallTime).toFixed(2)

const dropped = (row: Row): number => Object.values(row.dropped).reduce((sum, count) => sum + count, 0)

const nameOf = ({ attributes = {}, method, service }: Row): string => {
  const given = Object.entries(attributes).map(([key, value]) => `${key}=${value}`)
  const name = service === undefined ? "all" : method === undefined ? `${service} (no method)` : `${service}.${method}`
  return given.length === 0 ? name : `${name} {${given.join(", ")}}`
}

const columns: ReadonlyArray<CountColumn> = [
  word("side", ({ side }) => side),
  word("method", nameOf),
  word("kind", ({ kind }) => kind ?? ""),
  number("calls", ({ calls }) => calls),
  number("in flight", ({ inFlight }) => inFlight),
  number("errors", ({ errors }) => errors),
  number("retries", ({ retries }) => retries),
  number("avg ms", millis),
  number("msgs out", ({ sent }) => sent.messages),
  number("bytes out", ({ sent }) => sent.bytes),
  number("msgs in", ({ received }) => received.messages),
  number("bytes in", ({ received }) => received.bytes),
  number("dropped", dropped),
  number("streams", ({ openStreams }) => openStreams),
  number("subscr.", ({ subscriptions }) => subscriptions)
]

const sides = ["client", "server", "publisher"] as const

/** Whether a method has any count. */
const isUsed = (row: Row): boolean =>
  row.calls + row.sent.messages + row.received.messages + row.retries + row.subscriptions + dropped(row) > 0

/**
 * Formats stats by side: a line for each method that was used, and one for the total of each side. Times are averages in
 * milliseconds, `-` without a call. Bytes are those of payloads. Streams and subscriptions are the open ones.
 */
export const statsTable = ({ methods, totals }: Telemetry.Stats): string => {
  const line = (row: Row): Line => columns.map((column) => column.of(row))
  const used = sides.flatMap((side) => methods.filter((row) => row.side === side && isUsed(row)))
  const sums = sides
    .filter((side) => methods.some((row) => row.side === side))
    .map((side): Row => Object.assign({ side }, totals[side]))
  const rule: ReadonlyArray<Line> = used.length > 0 && sums.length > 0 ? ["rule"] : []
  return textTable(columns, ["rule", ...used.map(line), ...rule, ...sums.map(line)])
}
