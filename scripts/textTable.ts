/** Tables of text: the benchmark's and the one of `Telemetry.stats`. */

/** A column: text is aligned to the left, numbers to the right. */
export interface Column {
  readonly title: string
  readonly align: "left" | "right"
  /** Default: as wide as the widest cell. */
  readonly width?: number | undefined
}

/** A row of cells, a rule across the table, or an empty line. */
export type Line = ReadonlyArray<string> | "rule" | "gap"

/** Formats one row without a table around it. The columns need widths. */
export const row = (columns: ReadonlyArray<Column>, cells: ReadonlyArray<string>): string =>
  columns
    .map(({ align, width = 0 }, i) => (align === "right" ? cells[i]!.padStart(width) : cells[i]!.padEnd(width)))
    .join("  ")
    .trimEnd()

/** Formats a table: the titles, then the lines. */
export const textTable = (columns: ReadonlyArray<Column>, lines: ReadonlyArray<Line>): string => {
  const rows = lines.filter((line) => typeof line !== "string")
  const sized = columns.map((column, i) => ({
    ...column,
    width: Math.max(column.width ?? column.title.length, ...rows.map((cells) => cells[i]!.length))
  }))
  const titles = sized.map(({ title }) => title)
  return [titles, ...lines]
    .map((line) =>
      line === "gap" ? "" : line === "rule" ? sized.map(({ width }) => "-".repeat(width)).join("  ") : row(sized, line)
    )
    .join("\n")
}
