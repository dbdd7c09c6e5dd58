/** Numbers by a word from a small set. */
export class Tally {
  readonly #counts = new Map<string, { count: number }>()
  /** Called when a word is counted for the first time. */
  onWord: (word: string) => void = () => {}

  add(word: string): void {
    const known = this.#counts.get(word)
    if (known !== undefined) {
      known.count++
      return
    }
    this.#counts.set(word, { count: 1 })
    this.onWord(word)
  }

  of(word: string): number {
    return this.#counts.get(word)?.count ?? 0
  }

  get entries(): Readonly<Record<string, number>> {
    return Object.fromEntries(Array.from(this.#counts, ([word, { count }]) => [word, count]))
  }
}
