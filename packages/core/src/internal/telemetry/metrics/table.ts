/** Formats stats as a table. */
import { Duration } from "effect"
import type { Counts, MethodStats, Stats } from "./stats.ts"

interface Column {
  readonly title: string
  /** Text is aligned to the left, numbers to the right. */
  readonly isNumber: boolean
  readonly of: (row: Row) => string
}

/** A row: a method, or the total of a side. */
type Row = Counts & Pick<MethodStats, "side"> & Partial<Pick<MethodStats, "service" | "method" | "kind" | "attributes">>

const number = (title: string, of: (row: Row) => number | string): Column => ({
  title,
  isNumber: true,
  of: (row) => String(of(row))
})

const word = (title: string, of: (row: Row) => string): Column => ({ title, isNumber: false, of })

const millis = ({ averageCallTime, calls, inFlight, side }: Row): string =>
  side === "publisher" || calls === inFlight ? "-" : Duration.toMillis(averageCallTime).toFixed(2)

const dropped = (row: Row): number => Object.values(row.dropped).reduce((sum, count) => sum + count, 0)

const nameOf = ({ attributes = {}, method, service }: Row): string => {
  const given = Object.entries(attributes).map(([key, value]) => `${key}=${value}`)
  const name = service === undefined ? "all" : method === undefined ? `${service} (no method)` : `${service}.${method}`
  return given.length === 0 ? name : `${name} {${given.join(", ")}}`
}

const columns: ReadonlyArray<Column> = [
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
 * Formats stats as a table, by side: a line for each method that was used, and one for the total of each side. Times are
 * averages in milliseconds, `-` without a call. Bytes are those of payloads. Streams and subscriptions are the open ones.
 *
 * **Example** (Printing the table)
 *
 * ```ts
 * import { Telemetry } from "@effect-psrpc/core"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.flatMap(Telemetry.stats, (stats) => Console.log(Telemetry.table(stats)))
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const table = ({ methods, totals }: Stats): string => {
  const used = sides.flatMap((side) => methods.filter((row) => row.side === side && isUsed(row)))
  const rows: ReadonlyArray<Row> = [
    ...used,
    ...sides
      .filter((side) => methods.some((row) => row.side === side))
      .map((side) => Object.assign({ side }, totals[side]))
  ]
  const cells = rows.map((row) => columns.map((column) => column.of(row)))
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  const line = (row: ReadonlyArray<string>): string =>
    row
      .map((cell, i) => (columns[i]!.isNumber ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd()
  const rule = widths.map((width) => "-".repeat(width)).join("  ")
  const body = cells.map(line)
  const between = used.length > 0 && rows.length > used.length ? [rule] : []
  return [line(columns.map(({ title }) => title)), rule, ...body.slice(0, used.length), ...between]
    .concat(body.slice(used.length))
    .join("\n")
}
