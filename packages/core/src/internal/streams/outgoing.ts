import { Exit } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Timed } from "../deadlines.ts"
import type { StreamHead } from "../streamEnvelope.ts"
import type { End } from "./end.ts"

/** A message on its way, until the other end has it. */
export class Outgoing implements Timed, Delivery {
  slot = -1
  due = 0
  seq = 0

  readonly head: StreamHead
  /** How much had been heard of the other end when it was sent. */
  readonly heardBefore: number
  readonly #end: End
  readonly #settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void
  /** Whether the broker has it: a silent other end then says something. */
  #left = false

  constructor(
    end: End,
    head: StreamHead,
    heardBefore: number,
    settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void
  ) {
    this.#end = end
    this.head = head
    this.heardBefore = heardBefore
    this.#settled = settled
  }

  settle(exit: Exit.Exit<void, PsrpcError.PsrpcError>): void {
    if (this.#end.remove(this)) this.#settled(exit)
  }

  expired(): void {
    this.settle(Exit.fail(this.#end.timedOut()))
    if (this.#left) this.#end.unanswered(this)
  }

  /** Nobody waits for it any more. */
  abandon(): void {
    if (this.#end.remove(this) && this.#left) this.#end.unanswered(this)
  }

  wanted(): boolean {
    return this.#end.isPending(this)
  }

  delivered(receivers: number): void {
    if (receivers === 0) this.#end.vanished("nobody listens", "no_listeners")
    else this.#left = true
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    // what may have been sent may still be acknowledged, once the connection is back
    if (!error.mayHaveRun) this.settle(Exit.fail(error))
  }
}
