import { Exit } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { Timed } from "../time/deadlines.ts"
import type { StreamHead } from "../wire/streamEnvelope.ts"

/** The endpoint, as far as its messages need it. */
export interface SendOwner {
  readonly isPending: (send: PendingSend) => boolean
  readonly remove: (send: PendingSend) => boolean
  readonly timedOut: (head: StreamHead) => PsrpcError.PsrpcError
  readonly unanswered: (left: number, heardBefore: number) => void
  readonly vanished: (text: string, reason: "peer_lost" | "no_listeners") => void
  readonly monotonic: () => number
}

/** A message on its way, until the other end has it. */
export class PendingSend implements Timed, Delivery {
  slot = -1
  due = 0
  seq = 0

  readonly head: StreamHead
  /** How much had been heard of the other end when it was sent. */
  readonly heardBefore: number
  readonly #end: SendOwner
  readonly #settled: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void
  /** When the broker had it, on the monotonic clock: from then on, a silent other end says something. */
  #left: number | undefined

  constructor(
    end: SendOwner,
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
    this.settle(Exit.fail(this.#end.timedOut(this.head)))
    this.#unanswered()
  }

  /** Nobody waits for it any more. */
  abandon(): void {
    if (this.#end.remove(this)) this.#unanswered()
  }

  #unanswered(): void {
    if (this.#left !== undefined) this.#end.unanswered(this.#left, this.heardBefore)
  }

  wanted(): boolean {
    return this.#end.isPending(this)
  }

  delivered(receivers: number): void {
    if (receivers === 0) this.#end.vanished("nobody listens", "no_listeners")
    else if (this.wanted()) this.#left = this.#end.monotonic()
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    // what may have been sent may still be acknowledged, once the connection is back
    if (!error.mayHaveRun) this.settle(Exit.fail(error))
  }
}
