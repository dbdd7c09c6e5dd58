interface Entry {
  readonly label: string
  count: number
}

/** A counter for each label of a small set. */
export class LabeledCounter {
  readonly #counts = new Map<string, Entry>()
  /** The entry of the previous label, which is usually that of the next. */
  #last: Entry | undefined
  /** Called when a label is counted for the first time. */
  onLabel: (label: string) => void = () => {}

  add(label: string): void {
    let entry = this.#last
    if (entry !== undefined && entry.label === label) {
      entry.count++
      return
    }
    entry = this.#counts.get(label)
    const isNew = entry === undefined
    if (entry === undefined) this.#counts.set(label, (entry = { label, count: 0 }))
    entry.count++
    this.#last = entry
    if (isNew) this.onLabel(label)
  }

  of(label: string): number {
    return this.#counts.get(label)?.count ?? 0
  }

  get entries(): Readonly<Record<string, number>> {
    return Object.fromEntries(Array.from(this.#counts, ([label, { count }]) => [label, count]))
  }
}
