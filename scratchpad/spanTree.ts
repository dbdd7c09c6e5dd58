// Formats spans as a tree, each below its parent.

/** An ended span. Times are in milliseconds. */
export interface SpanLine {
  readonly id: string
  readonly parentId: string | undefined
  readonly name: string
  readonly kind: string
  readonly start: number
  readonly end: number
  /** Texts after the duration. */
  readonly notes: ReadonlyArray<string>
}

const inOrder = (a: SpanLine, b: SpanLine): number => a.start - b.start

/** Returns a line for each span: the oldest first, each child after its parent. */
export const spanTree = (spans: ReadonlyArray<SpanLine>): ReadonlyArray<string> => {
  const ids = new Set(spans.map(({ id }) => id))
  const parts = new Map<string | undefined, Array<SpanLine>>()
  for (const span of spans) {
    // the parent may not be among the spans
    const parent = span.parentId !== undefined && ids.has(span.parentId) ? span.parentId : undefined
    parts.set(parent, [...(parts.get(parent) ?? []), span])
  }
  const lines: Array<string> = []
  const add = (parent: string | undefined, indent: string): void => {
    for (const span of (parts.get(parent) ?? []).toSorted(inOrder)) {
      const label = `${indent}${span.name} (${span.kind})`
      const time = `${(span.end - span.start).toFixed(1)} ms`
      lines.push(`${label.padEnd(46)} ${time.padStart(9)}  ${span.notes.join(", ")}`.trimEnd())
      add(span.id, `${indent}  `)
    }
  }
  add(undefined, "")
  return lines
}
