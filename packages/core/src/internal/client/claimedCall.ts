/**
 * A call that one server answers, from its request to its answer: what unary calls and the opening of streams share.
 *
 * It is an entry in a map while it waits, and no fiber of its own: claims and answers are handled inside the bus's
 * callback, and what became of its messages is told to the call itself.
 */
import { Effect, Exit, Latch, Queue } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Timed } from "../time/deadlines.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { disconnected, nobodyListens, timedOut } from "../errors/failures.ts"
import { newRequestId } from "../wire/id.ts"
import type { CalledMethod } from "../definition/method.ts"
import * as Attributes from "../telemetry/attributes.ts"
import type { CallSpan } from "../telemetry/spans.ts"
import { type Outcome, outcomeOfCause, type Series } from "../telemetry/metrics/series.ts"
import type { Claim, Terms } from "../calls/selection.ts"
import type { Prepared } from "./prepare.ts"
import { select } from "./select.ts"
import { type ClientState, clientClosed, type Route, type Waiting } from "./state.ts"

/** What a call that compares claims is told by. */
interface Comparison {
  readonly claims: Queue.Queue<Claim>
  /** Opens when the time for claims is over. */
  readonly over: Latch.Latch
  /** Opens when the call's own time is over. */
  readonly ended: Latch.Latch
}

/** One call; hears what became of what it published. */
export abstract class ClaimedCall<M extends CalledMethod> implements Timed, Delivery, Waiting {
  slot = -1
  due = 0
  seq = 0

  readonly id: string = newRequestId()
  protected readonly series: Series
  protected readonly span: CallSpan | undefined
  protected readonly client: ClientState
  protected readonly method: M
  /** Unix milliseconds. */
  protected readonly expiry: number
  protected chosen: string | undefined
  readonly #route: Route
  readonly #selection: Terms
  readonly #timeout: number
  #received = 0
  #rejection: PsrpcError.PsrpcError | undefined
  /** When the call ends, on the deadlines' own clock. */
  #end = 0
  /** Milliseconds on the monotonic clock. */
  #startedAt = 0
  /** Whether the pending deadline is the call's own, and not that of its claims. */
  #isLast = true
  #ended = false
  /** Whether the request may have reached a server. */
  protected sent = false
  #trouble: PsrpcError.PsrpcError | undefined
  #comparison: Comparison | undefined
  #resume: ((effect: Effect.Effect<unknown, unknown>) => void) | undefined
  #exit: Exit.Exit<unknown, unknown> | undefined

  constructor(client: ClientState, method: M, prepared: Prepared, span: CallSpan | undefined, series: Series) {
    this.series = series
    this.span = span
    span?.attribute(Attributes.requestId, this.id)
    this.client = client
    this.method = method
    this.expiry = prepared.now + prepared.timeout
    this.#route = prepared.route
    this.#timeout = prepared.timeout
    this.#selection = prepared.selection
  }

  /** Sends the message that the call begins with. */
  start(message: Uint8Array): void {
    const { bus, calls, deadlines } = this.client
    calls.set(this.id, this)
    this.series.started++
    this.#startedAt = deadlines.add(this, this.#timeout)
    this.#end = this.due
    bus.publishUnsafe(this.#route.request, message, this.expiry, this)
  }

  /**
   * The request has left, as far as that is known: now servers can claim it, and a withdrawal would reach somebody. A
   * request that still waits for a connection has all the time that the call has.
   */
  #left(): void {
    if (this.sent) return
    this.sent = true
    const { calls, deadlines } = this.client
    const { affinityTimeout } = this.#selection
    if (!this.method.requireClaim || this.chosen !== undefined || affinityTimeout === Infinity || !calls.has(this.id))
      return
    deadlines.move(this, affinityTimeout)
    this.#isLast = this.due >= this.#end
    if (this.#isLast) deadlines.moveTo(this, this.#end)
  }

  /** A server offers itself. */
  claim(claim: Claim): void {
    if (this.chosen !== undefined || !this.method.requireClaim) return
    this.#received++
    this.series.claims++
    this.span?.event("claim", { [Attributes.peerId]: claim.serverId, [Attributes.affinity]: claim.affinity })
    if (this.#comparison !== undefined) {
      if (Queue.offerUnsafe(this.#comparison.claims, claim)) return
      this.client.drops("overflow", this.method.label, "claims")
    } else if (this.#selection.isEligible(claim.affinity)) {
      if (this.#selection.acceptsImmediately(claim.affinity)) this.#choose(claim.serverId)
      else Queue.offerUnsafe(this.#compare().claims, claim)
    }
  }

  /** Has the waiting fiber compare claims from now on: a race, which the call's own end cuts short. */
  #compare(): Comparison {
    const comparison: Comparison = {
      claims: Effect.runSync(Queue.dropping<Claim>(this.client.claimBufferSize)),
      over: Latch.makeUnsafe(false),
      ended: Latch.makeUnsafe(false)
    }
    this.#comparison = comparison
    const chosen = select({
      ...comparison,
      label: this.method.label,
      selection: this.#selection,
      nobody: () => this.#nobody(),
      timedOut: () => this.timedOut()
    })
    const decided = Effect.flatMap(
      Effect.raceFirst(chosen, Effect.andThen(this.#outcome, Effect.never)),
      (serverId) => {
        this.#choose(serverId)
        return this.#outcome
      }
    ).pipe(
      Effect.onInterrupt(() => Effect.sync(() => this.cancel())),
      Effect.onError((cause) => Effect.sync(() => this.#abandon(outcomeOfCause(cause))))
    )
    const resume = this.#resume
    this.#resume = undefined
    resume?.(decided)
    return comparison
  }

  /** Tells every server of the method who runs the request, unless it is too late for that. */
  #choose(serverId: string): void {
    const { bus, calls, deadlines } = this.client
    if (!calls.has(this.id)) return
    if (this.#ended) return this.#giveUp(this.timedOut())
    if (!this.#isLast) {
      this.#isLast = true
      deadlines.moveTo(this, this.#end)
    }
    this.chosen = serverId
    this.series.claimWait.record(deadlines.monotonic() - this.#startedAt)
    if (this.span !== undefined) {
      this.span.attribute(Attributes.peerId, serverId)
      this.span.event("chosen", { [Attributes.peerId]: serverId })
    }
    const target = this.#route.claimResponse
    bus.publishUnsafe(target, Envelope.encodeClaimResponse(target, this.id, serverId), this.expiry, this)
  }

  abstract response(response: Envelope.Response): void

  /** A server refuses the request before anybody is chosen: others may still claim it. */
  protected reject(error: PsrpcError.PsrpcError): void {
    this.#rejection = error
  }

  expired(): void {
    if (!this.method.requireClaim || this.chosen !== undefined) return this.fail(this.timedOut())
    if (this.#isLast) this.#ended = true
    else {
      // the time for claims is over: what is left is for the choice
      this.#isLast = true
      this.client.deadlines.add(this, (this.#end - this.due) / 1e6)
    }
    // a function that chooses is asked also when no claim counts
    if (this.#comparison === undefined && this.#selection.selectionFunc !== undefined) this.#compare()
    if (this.#comparison === undefined) return this.#giveUp(this.#nobody())
    this.#comparison.over.openUnsafe()
    if (this.#ended) this.#comparison.ended.openUnsafe()
  }

  wanted(): boolean {
    return this.client.calls.has(this.id)
  }

  delivered(receivers: number): void {
    if (receivers !== 0) return this.#left()
    this.fail(nobodyListens(this.method.label))
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    // what may have been sent may still be answered, once the connection is back
    if (error.mayHaveRun) {
      this.#trouble = error
      this.#left()
    } else this.fail(error)
  }

  /** The client is closed: nobody hears an answer any more. */
  close(): void {
    this.cancel()
    this.#resumeWith(Exit.fail(clientClosed(this.method.label, this.mayHaveRun)))
  }

  /** Stops waiting, and tells the servers. */
  cancel(outcome: Outcome = "canceled"): void {
    if (!this.#remove(outcome)) return
    const { bus } = this.client
    const target = this.#route.claimResponse
    // while the request itself still waits for a connection, there is nothing to withdraw
    const delivery: Delivery = { wanted: () => this.sent, delivered() {}, undelivered() {} }
    bus.publishUnsafe(target, Envelope.encodeClaimResponse(target, this.id, ""), this.expiry, delivery)
  }

  /** No server was chosen: those that offered themselves need not wait. */
  #abandon(outcome: Outcome): void {
    if (this.#received > 0) this.cancel(outcome)
    else this.#remove(outcome)
  }

  /** Has the answer, or whatever else ends the call, told to `resume`. */
  resumeTo(resume: (effect: Effect.Effect<unknown, unknown>) => void): void {
    if (this.#exit === undefined) this.#resume = resume
    else resume(this.#exit)
  }

  /** Waits for the answer, or for whatever else ends the call. */
  get #outcome(): Effect.Effect<unknown, unknown> {
    return Effect.callback((resume) => {
      this.resumeTo(resume)
      return Effect.sync(() => {
        this.#resume = undefined
      })
    })
  }

  /** What a call fails with when no claim is taken: a server's own refusal, a lost connection, or silence. */
  #nobody(): PsrpcError.PsrpcError {
    const known = this.#rejection ?? this.#connectionError()
    if (known !== undefined) return known
    const { label } = this.method
    return PsrpcError.fromCode("unavailable", {
      message:
        this.#received === 0
          ? `no response from servers (${label})`
          : `no servers available (received ${this.#received} responses) (${label})`,
      reason: this.#received === 0 ? "no_response" : "no_servers",
      mayHaveRun: false
    })
  }

  /** What a call fails with when its time is over: a lost connection says more than the time. */
  protected timedOut(): PsrpcError.PsrpcError {
    return this.#connectionError() ?? timedOut(this.method.label, this.#timeout, this.mayHaveRun)
  }

  #giveUp(error: PsrpcError.PsrpcError): void {
    this.#abandon(error.code)
    this.#resumeWith(Exit.fail(error))
  }

  /** Ends the call; `outcome` is what it counts as. */
  protected settle(exit: Exit.Exit<unknown, unknown>, outcome: Outcome): void {
    if (this.#remove(outcome)) this.#resumeWith(exit)
  }

  protected fail(error: PsrpcError.PsrpcError): void {
    this.settle(Exit.fail(error), error.code)
  }

  #resumeWith(exit: Exit.Exit<unknown, unknown>): void {
    this.#exit = exit
    this.#resume?.(exit)
  }

  #remove(outcome: Outcome): boolean {
    if (!this.client.calls.delete(this.id)) return false
    this.client.deadlines.delete(this)
    this.released(outcome)
    return true
  }

  /** Called once, when the call does not wait any more. */
  protected released(outcome: Outcome): void {
    this.over(outcome)
  }

  /** Called once, when all that it is has come to its end. */
  protected over(outcome: Outcome): void {
    this.series.finish(outcome, this.client.deadlines.monotonic() - this.#startedAt)
  }

  protected get mayHaveRun(): boolean {
    return !this.method.requireClaim || this.chosen !== undefined
  }

  #connectionError(): PsrpcError.PsrpcError | undefined {
    const cause = this.#trouble ?? this.client.bus.failure()
    return cause === undefined ? undefined : disconnected(this.method.label, cause, this.mayHaveRun)
  }
}
