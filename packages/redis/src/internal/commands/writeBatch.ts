import type { Redis } from "ioredis"

const slabSize = 64 * 1024
/** Bytes from which a message is written by itself: to copy it costs more than one more entry in the socket's write. */
const ownPieceSize = 4 * 1024
/** Bytes of such messages that are written before the turn of the event loop ends. */
const largestWait = 1024 * 1024

/**
 * Collects the commands of one turn of the event loop and writes them to the socket at once: frames are put side by side
 * in a slab of memory, which becomes one piece of the write.
 *
 * It takes the place of ioredis' own Pipeline as the second argument of `sendCommand`, so that replies stay in ioredis'
 * order. No other code may write commands on the connection: a command that is written in the same turn would overtake
 * the slab, and replies would be assigned to the wrong commands.
 */
export class WriteBatch {
  // read by ioredis
  readonly isPipeline = true
  readonly destination: { readonly redis: Redis }

  /** The number of the current batch. A command whose batch has a smaller number has been written. */
  number = 0
  readonly #redis: Redis
  readonly #onWritten: () => void
  #slab = Buffer.allocUnsafeSlow(slabSize)
  #at = 0
  #flushed = 0
  /** Pieces that are written before the rest of the slab. */
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
   * Reserves `size` bytes for a frame, without those of large messages. A full slab is left to the socket and never
   * written to again.
   */
  begin(size: number): void {
    if (this.#large >= largestWait) this.flush()
    if (this.#at + size <= this.#slab.length) return
    this.flush()
    this.#cut()
    this.#slab = Buffer.allocUnsafeSlow(Math.max(slabSize, size))
    this.#at = this.#flushed = 0
  }

  ascii(text: string): void {
    this.#at += this.#slab.write(text, this.#at, "latin1")
  }

  /** Adds bytes. Large ones are not copied, so they must not change. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length >= ownPieceSize) {
      this.#cut()
      this.#pieces.push(bytes)
      this.#large += bytes.length
      return
    }
    this.#slab.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Returns how many bytes of the slab a message takes. */
  static sizeOf(bytes: Uint8Array): number {
    return bytes.length >= ownPieceSize ? 0 : bytes.length
  }

  /** Makes a piece of the bytes that were put into the slab since the last piece. */
  #cut(): void {
    if (this.#at === this.#flushed) return
    this.#pieces.push(this.#slab.subarray(this.#flushed, this.#at))
    this.#flushed = this.#at
  }

  /** Called by ioredis with the result of `toWritable`: `undefined` if the frame is in the slab already. */
  write(frame?: string): void {
    if (frame !== undefined) {
      this.begin(frame.length)
      this.ascii(frame)
    }
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#tick)
  }

  /** Writes the batch to the socket. */
  flush(): void {
    const { stream } = this.#redis
    if (this.#at === this.#flushed && this.#pieces.length === 0) return
    // a broken connection has certainly not sent the batch: it stays for `connectionLost`
    if (!stream.writable) return
    this.number++
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

  /** Drops the batch: its connection is lost, and the next connection must not send it. */
  discard(): void {
    this.#pieces = []
    this.#large = 0
    this.#flushed = this.#at
    this.number++
  }
}
