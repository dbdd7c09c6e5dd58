/**
 * What waits to be read: filled by callbacks, read as a Stream. What happens when it is full is its owner's to say.
 *
 * One message is taken at a time, and by the fiber that uses it: a reader that is interrupted, or wants only the first,
 * leaves the rest for the next.
 */
import { Cause, Effect, type Pull, Stream } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"

/** What readers find behind the last message. */
export type Ending = Effect.Effect<never, PsrpcError.PsrpcError | Cause.Done>

/** The end of a Stream that ends normally. */
export const done: Ending = Cause.done()

/** How many taken messages are left in front before they are cut off. */
const slack = 1024

export class Mailbox<A> {
  #items: Array<A | undefined> = []
  #head = 0
  #ending: Ending | undefined
  /** Readers that wait; all are woken, and look for themselves. */
  #readers = new Set<() => void>()
  readonly #taken: (() => void) | undefined

  /** `taken` is called when a message has been taken. */
  constructor(taken?: () => void) {
    this.#taken = taken
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  get hasEnded(): boolean {
    return this.#ending !== undefined
  }

  push(item: A): void {
    this.#items.push(item)
    if (this.#readers.size > 0) this.#wake()
  }

  /** Takes out the oldest; there must be one. */
  shift(): A {
    const item = this.#items[this.#head] as A
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head > slack && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Nothing is pushed after it. */
  end(ending: Ending): void {
    this.#ending = ending
    this.#wake()
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }

  #wake(): void {
    const readers = this.#readers
    this.#readers = new Set()
    for (const wake of readers) wake()
  }

  readonly #wait: Effect.Effect<void> = Effect.callback((resume) => {
    // the fiber may have yielded since it looked
    if (this.size > 0 || this.#ending !== undefined) return resume(Effect.void)
    const wake = (): void => resume(Effect.void)
    this.#readers.add(wake)
    return Effect.sync(() => {
      this.#readers.delete(wake)
    })
  })

  readonly #pull: Pull.Pull<readonly [A], PsrpcError.PsrpcError> = Effect.suspend(
    (): Pull.Pull<readonly [A], PsrpcError.PsrpcError> => {
      if (this.size > 0) {
        const item = this.shift()
        this.#taken?.()
        return Effect.succeed([item])
      }
      return this.#ending ?? Effect.flatMap(this.#wait, () => this.#pull)
    }
  )

  /** All that is there at once: for a reader that nobody comes after. */
  readonly #pullAll: Pull.Pull<readonly [A, ...Array<A>], PsrpcError.PsrpcError> = Effect.suspend(
    (): Pull.Pull<readonly [A, ...Array<A>], PsrpcError.PsrpcError> => {
      if (this.size > 0) {
        const items = (this.#head === 0 ? this.#items : this.#items.slice(this.#head)) as [A, ...Array<A>]
        this.clear()
        this.#taken?.()
        return Effect.succeed(items)
      }
      return this.#ending ?? Effect.flatMap(this.#wait, () => this.#pullAll)
    }
  )

  readonly batches: Stream.Stream<A, PsrpcError.PsrpcError> = Stream.fromPull(Effect.succeed(this.#pullAll))

  readonly stream: Stream.Stream<A, PsrpcError.PsrpcError> = Stream.fromPull(Effect.succeed(this.#pull))
}
