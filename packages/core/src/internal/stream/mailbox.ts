/**
 * A queue that callbacks fill and a Stream reads. It has no maximum size: the owner decides what happens when it is full.
 *
 * The reading fiber takes one item at a time, so a reader that is interrupted, or reads only the first item, leaves the rest
 * for the next reader.
 */
import { Cause, Effect, type Pull, Stream } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { Fifo } from "../support/fifo.ts"

/** The end of the Stream, after the last item. */
export type Ending = Effect.Effect<never, PsrpcError.PsrpcError | Cause.Done>

/** The end of a Stream that ends normally. */
export const done: Ending = Cause.done()

export class Mailbox<A> {
  readonly #items = new Fifo<A>()
  #ending: Ending | undefined
  /** Readers that wait. All of them wake, and look for an item. */
  #readers = new Set<() => void>()
  readonly #taken: (() => void) | undefined

  /** `taken` is called when an item has been taken. */
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

  /** Takes the oldest item, which must exist. */
  shift(): A {
    return this.#items.shift() as A
  }

  /** Ends the Stream after the last item. No item may be pushed afterwards. */
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
    // the fiber may have yielded since it found no item
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

  /** Takes all items at once, for a Stream with a single reader. */
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
