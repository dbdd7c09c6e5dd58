/**
 * What waits to be read: filled by callbacks, read as a Stream. What happens when it is full is its owner's to say.
 *
 * One message is taken at a time, and by the fiber that uses it: a reader that is interrupted, or wants only the first,
 * leaves the rest for the next.
 */
import { Cause, Effect, type Pull, Stream } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { Fifo } from "../support/fifo.ts"

/** What readers find behind the last message. */
export type Ending = Effect.Effect<never, PsrpcError.PsrpcError | Cause.Done>

/** The end of a Stream that ends normally. */
export const done: Ending = Cause.done()

export class Mailbox<A> {
  readonly #items = new Fifo<A>()
  #ending: Ending | undefined
  /** Readers that wait; all are woken, and look for themselves. */
  #readers = new Set<() => void>()
  readonly #taken: (() => void) | undefined

  /** `taken` is called when a message has been taken. */
  constructor(taken?: () => void) {
    this.#taken = taken
  }

  get size(): number {
    return this.#items.size
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
    return this.#items.shift() as A
  }

  /** Nothing is pushed after it. */
  end(ending: Ending): void {
    this.#ending = ending
    this.#wake()
  }

  clear(): void {
    this.#items.clear()
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
        const items = this.#items.toArray() as [A, ...Array<A>]
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
