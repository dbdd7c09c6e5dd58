/** An item of an `IndexedHeap`. `slot` belongs to the heap; its initial value is -1. */
export interface HeapEntry {
  /** Position in the heap; -1 outside of it. */
  slot: number
  /** The order of entries: the smallest `due` is first. Must not change while the entry is in the heap. */
  due: number
  /** The order of entries with equal `due`: the smallest is first. Must not change while the entry is in the heap. */
  seq: number
}

const isBefore = (a: HeapEntry, b: HeapEntry): boolean => a.due < b.due || (a.due === b.due && a.seq < b.seq)

/** A binary heap whose entries store their position, so that any entry is removed in logarithmic time. */
export class IndexedHeap<A extends HeapEntry> {
  readonly #entries: Array<A> = []

  /** The number of entries. */
  get size(): number {
    return this.#entries.length
  }

  /** Returns the first entry; `undefined` if the heap is empty. */
  get first(): A | undefined {
    return this.#entries[0]
  }

  has(entry: A): boolean {
    return entry.slot >= 0 && this.#entries[entry.slot] === entry
  }

  /** Adds an entry, which must not be in the heap. */
  add(entry: A): void {
    const entries = this.#entries
    entries.push(entry)
    this.#siftUp(entry, entries.length - 1)
  }

  /** Removes an entry, which must be in the heap. */
  delete(entry: A): void {
    const { slot } = entry
    const last = this.#entries.pop()!
    if (last !== entry) {
      this.#siftDown(last, slot)
      if (last.slot === slot) this.#siftUp(last, slot)
    }
    entry.slot = -1
  }

  /** Removes all entries. */
  clear(): void {
    for (const entry of this.#entries) entry.slot = -1
    this.#entries.length = 0
  }

  /** Places an entry at `slot` or at a slot above it. */
  #siftUp(entry: A, slot: number): void {
    const entries = this.#entries
    while (slot > 0) {
      const above = (slot - 1) >> 1
      const parent = entries[above]!
      if (isBefore(parent, entry)) break
      entries[slot] = parent
      parent.slot = slot
      slot = above
    }
    entries[slot] = entry
    entry.slot = slot
  }

  /** Places an entry at `slot` or at a slot below it. */
  #siftDown(entry: A, slot: number): void {
    const entries = this.#entries
    const { length } = entries
    for (;;) {
      let below = 2 * slot + 1
      if (below >= length) break
      let child = entries[below]!
      if (below + 1 < length) {
        const right = entries[below + 1]!
        if (isBefore(right, child)) {
          child = right
          below++
        }
      }
      if (isBefore(entry, child)) break
      entries[slot] = child
      child.slot = slot
      slot = below
    }
    entries[slot] = entry
    entry.slot = slot
  }
}
