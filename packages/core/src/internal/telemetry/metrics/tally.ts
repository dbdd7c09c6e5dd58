interface Entry {
  readonly word: string
  count: number
}

/** Numbers by a word from a small set. */
export class Tally {
  readonly #counts = new Map<string, Entry>()
  /** The word that came last is nearly always the next: most of what ends, ends well. */
  #last: Entry | undefined
  /** Called when a word is counted for the first time. */
  onWord: (word: string) => void = () => {}

  add(word: string): void {
    let entry = this.#last
    if (entry !== undefined && entry.word === word) {
      entry.count++
      return
    }
    entry = this.#counts.get(word)
    const isNew = entry === undefined
    if (entry === undefined) this.#counts.set(word, (entry = { word, count: 0 }))
    entry.count++
    this.#last = entry
    if (isNew) this.onWord(word)
  }

  of(word: string): number {
    return this.#counts.get(word)?.count ?? 0
  }

  get entries(): Readonly<Record<string, number>> {
    return Object.fromEntries(Array.from(this.#counts, ([word, { count }]) => [word, count]))
  }
}
