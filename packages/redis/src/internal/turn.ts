import type { Redis } from "ioredis"

const slabSize = 64 * 1024

/**
 * What one turn of the event loop writes: frames side by side in a slab, handed to the socket in one piece.
 *
 * It stands where ioredis' own Pipeline stands, as the second argument of `sendCommand`, so that the commands keep
 * ioredis' order of replies. The connection must be ours alone: a command that somebody else writes in the same turn
 * would overtake the slab, and the replies would be mistaken for each other.
 */
export class Turn {
  // what ioredis reads
  readonly isPipeline = true
  readonly destination: { readonly redis: Redis }

  /** How often the slab was handed to the socket: who remembers it knows whether its bytes have left. */
  batch = 0
  readonly #redis: Redis
  readonly #onWritten: () => void
  #slab = Buffer.allocUnsafeSlow(slabSize)
  #at = 0
  #flushed = 0
  #scheduled = false
  readonly #tick = (): void => {
    this.#scheduled = false
    this.flush()
  }

  constructor(redis: Redis, onWritten: () => void) {
    this.#redis = redis
    this.#onWritten = onWritten
    this.destination = { redis }
  }

  /** Makes room for a frame of at most `size` bytes. A slab that is full is left to the socket and never rewritten. */
  begin(size: number): void {
    if (this.#at + size <= this.#slab.length) return
    this.flush()
    this.#slab = Buffer.allocUnsafeSlow(Math.max(slabSize, size))
    this.#at = this.#flushed = 0
  }

  ascii(text: string): void {
    this.#at += this.#slab.write(text, this.#at, "latin1")
  }

  bytes(bytes: Uint8Array): void {
    this.#slab.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** ioredis calls it with what `toWritable` returned: nothing, where the frame is in the slab already. */
  write(frame?: string): void {
    if (frame !== undefined) {
      this.begin(frame.length)
      this.ascii(frame)
    }
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#tick)
  }

  flush(): void {
    // what a broken connection does not take has certainly not left: it stays for who cleans up
    if (this.#at === this.#flushed || !this.#redis.stream.writable) return
    this.batch++
    this.#redis.stream.write(this.#slab.subarray(this.#flushed, this.#at))
    this.#flushed = this.#at
    this.#onWritten()
  }

  /** The connection is gone, and what was meant for it must not reach the next one. */
  discard(): void {
    this.#flushed = this.#at
    this.batch++
  }
}
