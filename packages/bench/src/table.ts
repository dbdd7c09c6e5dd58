import { type Column, type Line, row, textTable } from "../../../scripts/textTable.ts"
import { floorOf, type Mode, type Peer, type Plan, type Row } from "./rows.ts"

const grouped = (value: number): string => Math.round(value).toLocaleString("en-GB")

const size = (bytes: number): string =>
  bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${grouped(bytes)} B`

const latency = (micros: number): string =>
  micros < 1000 ? `${Math.round(micros)} µs` : `${(micros / 1000).toFixed(micros < 10_000 ? 2 : 1)} ms`

/** Bus, mode, payload, calls in flight, peer. */
const namesOf = (plan: Plan): ReadonlyArray<string> => [
  plan.bus,
  plan.mode,
  size(plan.payload),
  String(plan.concurrency),
  plan.tracer === "none" ? plan.peer : "with tracer"
]

/** The columns of names. Their widths are fixed, so that the progress lines are aligned, too. */
const nameColumns: ReadonlyArray<Column> = [
  { title: "bus", align: "left", width: 5 },
  { title: "mode", align: "left", width: 12 },
  { title: "payload", align: "right", width: 7 },
  { title: "in flight", align: "right", width: 9 },
  { title: "peer", align: "left", width: 12 }
]

/** Describes a row in its progress line. */
export const describe = (plan: Plan): string => row(nameColumns, namesOf(plan))

/** Formats the result of a row in its progress line. */
export const outcome = (row: Pick<Row, "ops_per_sec" | "p50_us" | "p99_us" | "errors">): string => {
  const errors = row.errors === 0 ? "" : `  ${row.errors} errors`
  return `${grouped(row.ops_per_sec).padStart(9)}/s  p50 ${latency(row.p50_us)}  p99 ${latency(row.p99_us)}${errors}`
}

const ratio = (rows: ReadonlyArray<Row>, row: Row, peer: Peer, mode: Row["mode"] | undefined): string => {
  if (row.peer !== "effect-psrpc" || mode === undefined) return ""
  const other = rows.find(
    (each) =>
      each.peer === peer &&
      each.mode === mode &&
      each.bus === row.bus &&
      each.concurrency === row.concurrency &&
      each.payload === row.payload
  )
  return other === undefined || other.ops_per_sec === 0 ? "" : (row.ops_per_sec / other.ops_per_sec).toFixed(2)
}

const numberColumns: ReadonlyArray<Column> = ["ops/s", "to Go", "to raw", "p50", "p99", "errors", "rss MB"].map(
  (title) => ({ title, align: "right" })
)

/** Formats all rows as a table. The ratios are rates of this library to Go's, and to the raw row with as many messages. */
export const table = (rows: ReadonlyArray<Row>): string => {
  const lines: Array<Line> = []
  for (const [index, each] of rows.entries()) {
    const before = rows[index - 1]
    const isSameGroup =
      before?.bus === each.bus && before.payload === each.payload && before.concurrency === each.concurrency
    if (!isSameGroup) lines.push("gap")
    lines.push([
      ...namesOf(each),
      grouped(each.ops_per_sec),
      ratio(rows, each, "psrpc-go", each.mode),
      ratio(rows, each, "raw", floorOf(each.mode as Mode)),
      latency(each.p50_us),
      latency(each.p99_us),
      String(each.errors),
      String(Math.round(each.rss_mb))
    ])
  }
  return textTable([...nameColumns, ...numberColumns], lines)
}
