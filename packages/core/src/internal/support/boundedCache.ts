/** Caches one value per key, up to a maximum number of keys. It drops the oldest key (FIFO, not LRU). */
export class BoundedCache<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #make: (key: K) => V
  readonly #limit: number

  constructor(limit: number, make: (key: K) => V) {
    this.#limit = limit
    this.#make = make
  }

  get(key: K): V {
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    if (this.#entries.size >= this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    const value = this.#make(key)
    this.#entries.set(key, value)
    return value
  }
}
