/** Numbers by a word from a small set. */
export class Tally {
  readonly #counts = new Map<string, number>()
  /** Called when a word is counted for the first time. */
  onWord: (word: string) => void = () => {}

  add(word: string): void {
    const count = this.#counts.get(word)
    this.#counts.set(word, (count ?? 0) + 1)
    if (count === undefined) this.onWord(word)
  }

  of(word: string): number {
    return this.#counts.get(word) ?? 0
  }

  get total(): number {
    let total = 0
    for (const count of this.#counts.values()) total += count
    return total
  }

  get entries(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
