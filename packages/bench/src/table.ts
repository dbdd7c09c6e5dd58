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

const widths = [5, 12, 7, 9, 12]

const padded = (names: ReadonlyArray<string>): string =>
  names.map((name, i) => (i === 2 || i === 3 ? name.padStart(widths[i]!) : name.padEnd(widths[i]!))).join("  ")

/** Describes a row in its progress line. */
export const describe = (plan: Plan): string => padded(namesOf(plan))

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

/** Formats all rows as a table. The ratios are rates of this library to Go's, and to the raw row with as many messages. */
export const table = (rows: ReadonlyArray<Row>): string => {
  const head = ["ops/s", "to Go", "to raw", "p50", "p99", "errors", "rss MB"]
  const cells = rows.map((row) => [
    grouped(row.ops_per_sec),
    ratio(rows, row, "psrpc-go", row.mode),
    ratio(rows, row, "raw", floorOf(row.mode as Mode)),
    latency(row.p50_us),
    latency(row.p99_us),
    String(row.errors),
    String(Math.round(row.rss_mb))
  ])
  const room = head.map((name, i) => Math.max(name.length, ...cells.map((each) => each[i]!.length)))
  const line = (names: ReadonlyArray<string>, values: ReadonlyArray<string>): string =>
    `${padded(names)}  ${values.map((value, i) => value.padStart(room[i]!)).join("  ")}`
  const lines = [line(["bus", "mode", "payload", "in flight", "peer"], head)]
  for (const [index, row] of rows.entries()) {
    const before = rows[index - 1]
    const isSameGroup =
      before?.bus === row.bus && before.payload === row.payload && before.concurrency === row.concurrency
    if (!isSameGroup) lines.push("")
    lines.push(line(namesOf(row), cells[index]!))
  }
  return lines.join("\n")
}
