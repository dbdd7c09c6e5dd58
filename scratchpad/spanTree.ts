// Spans as a tree for a person, each below the one that it is a part of.

/** A span that has ended. Times are in milliseconds. */
export interface SpanLine {
  readonly id: string
  readonly parentId: string | undefined
  readonly name: string
  readonly kind: string
  readonly start: number
  readonly end: number
  /** What is said behind the name. */
  readonly notes: ReadonlyArray<string>
}

const inOrder = (a: SpanLine, b: SpanLine): number => a.start - b.start

/** A line for each span: the oldest first, each part behind its whole. */
export const spanTree = (spans: ReadonlyArray<SpanLine>): ReadonlyArray<string> => {
  const ids = new Set(spans.map(({ id }) => id))
  const parts = new Map<string | undefined, Array<SpanLine>>()
  for (const span of spans) {
    // the whole may not be ours to see
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
