import type { Redis } from "ioredis"

const slabSize = 64 * 1024
/** Bytes that are worth a piece of their own: copying them costs more than one more entry in the socket's write. */
const ownPiece = 4 * 1024
/** Bytes of such pieces that do not wait for the end of the turn. */
const mostLarge = 1024 * 1024

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
  /** What leaves before the rest of the slab. */
  #pieces: Array<Uint8Array> = []
  /** Bytes of the pieces that are not in the slab. */
  #large = 0
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

  /**
   * Makes room for `size` bytes, those of large arrays not counted. A slab that is full is left to the socket and never
   * rewritten.
   */
  begin(size: number): void {
    if (this.#large >= mostLarge) this.flush()
    if (this.#at + size <= this.#slab.length) return
    this.flush()
    this.#cut()
    this.#slab = Buffer.allocUnsafeSlow(Math.max(slabSize, size))
    this.#at = this.#flushed = 0
  }

  ascii(text: string): void {
    this.#at += this.#slab.write(text, this.#at, "latin1")
  }

  /** Bytes that nobody changes any more: large ones are not copied. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length >= ownPiece) {
      this.#cut()
      this.#pieces.push(bytes)
      this.#large += bytes.length
      return
    }
    this.#slab.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** What a frame's bytes take in the slab. */
  static sizeOf(bytes: Uint8Array): number {
    return bytes.length >= ownPiece ? 0 : bytes.length
  }

  /** Makes a piece of what has been put into the slab since the last one. */
  #cut(): void {
    if (this.#at === this.#flushed) return
    this.#pieces.push(this.#slab.subarray(this.#flushed, this.#at))
    this.#flushed = this.#at
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
    const { stream } = this.#redis
    if (this.#at === this.#flushed && this.#pieces.length === 0) return
    // what a broken connection does not take has certainly not left: it stays for who cleans up
    if (!stream.writable) return
    this.batch++
    this.#cut()
    const pieces = this.#pieces
    this.#pieces = []
    this.#large = 0
    if (pieces.length === 1) stream.write(pieces[0]!)
    else {
      stream.cork()
      for (const piece of pieces) stream.write(piece)
      stream.uncork()
    }
    this.#onWritten()
  }

  /** The connection is gone, and what was meant for it must not reach the next one. */
  discard(): void {
    this.#pieces = []
    this.#large = 0
    this.#flushed = this.#at
    this.batch++
  }
}
