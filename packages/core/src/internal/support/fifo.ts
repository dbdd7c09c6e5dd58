const smallest = 4
/** An empty queue gives up an array with more places than this. */
const largestKept = 16_384

/**
 * A first-in, first-out queue on a ring of array places. `push` and `shift` allocate nothing once the ring is large
 * enough.
 *
 * One push and one shift take 7 to 15 ns on Node 24; those of Effect's `MutableList`, a list of arrays, take 20 to 70 ns.
 */
export class Fifo<A> {
  #places: Array<A | undefined> = new Array(smallest)
  /** The number of places less one; the number of places is a power of two. */
  #mask = smallest - 1
  #head = 0
  #size = 0

  /** The number of items in the queue. */
  get size(): number {
    return this.#size
  }

  /** Adds an item at the end. */
  push(item: A): void {
    if (this.#size > this.#mask) this.#grow()
    this.#places[(this.#head + this.#size++) & this.#mask] = item
  }

  /** Adds an item at the front. */
  unshift(item: A): void {
    if (this.#size > this.#mask) this.#grow()
    this.#head = (this.#head - 1) & this.#mask
    this.#places[this.#head] = item
    this.#size++
  }

  /** Removes and returns the oldest item; returns `undefined` if the queue is empty. */
  shift(): A | undefined {
    if (this.#size === 0) return undefined
    const item = this.#places[this.#head]
    this.#places[this.#head] = undefined
    this.#head = (this.#head + 1) & this.#mask
    if (--this.#size === 0 && this.#mask >= largestKept) this.clear()
    return item
  }

  /** Removes and returns the newest item; returns `undefined` if the queue is empty. */
  pop(): A | undefined {
    if (this.#size === 0) return undefined
    const index = (this.#head + --this.#size) & this.#mask
    const item = this.#places[index]
    this.#places[index] = undefined
    return item
  }

  /** Returns the item at a position counted from the oldest, which has position 0; `undefined` outside of the queue. */
  at(position: number): A | undefined {
    return position >= 0 && position < this.#size ? this.#places[(this.#head + position) & this.#mask] : undefined
  }

  /** Copies the items, oldest first. */
  toArray(): Array<A> {
    const items = new Array<A>(this.#size)
    for (let i = 0; i < this.#size; i++) items[i] = this.#places[(this.#head + i) & this.#mask] as A
    return items
  }

  /** Removes all items. */
  clear(): void {
    this.#places = new Array(smallest)
    this.#mask = smallest - 1
    this.#head = this.#size = 0
  }

  #grow(): void {
    const places = new Array<A | undefined>((this.#mask + 1) * 2)
    for (let i = 0; i < this.#size; i++) places[i] = this.#places[(this.#head + i) & this.#mask]
    this.#places = places
    this.#mask = places.length - 1
    this.#head = 0
  }
}
