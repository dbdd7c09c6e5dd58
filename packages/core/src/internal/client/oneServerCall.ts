/**
 * A call that one server answers: its request, the claims of the servers, the selection of one of them, and the outcome. A
 * unary call and the opening of a stream each have one.
 *
 * A pending call is an entry in a map and one of the deadlines, without a fiber of its own: claims, responses and the
 * outcome of its own messages arrive in the bus's callbacks.
 */
import { Effect, Exit } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Claim, Terms } from "../calls/selection.ts"
import type { CalledMethod } from "../definition/method.ts"
import { connectionLost, noListeners, timedOut } from "../errors/failures.ts"
import * as Attributes from "../telemetry/attributes.ts"
import { type Outcome, outcomeOfCause, type Series } from "../telemetry/metrics/series.ts"
import type { CallSpan } from "../telemetry/spans.ts"
import type { Timed } from "../time/deadlines.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import { newRequestId } from "../wire/id.ts"
import { Comparison } from "./comparison.ts"
import type { Prepared } from "./prepare.ts"
import { type ClientState, clientClosed, type PendingCall, type Route } from "./clientState.ts"

/** What a kind of method does with its calls. Unary methods have one for all calls, openings of streams one each. */
export interface CallKind {
  /** Called for each response. */
  onResponse(call: OneServerCall, response: Envelope.Response): void
  /** Called once, when the call is no longer pending. */
  onEnded(call: OneServerCall, outcome: Outcome): void
}

export class OneServerCall implements Timed, Delivery, PendingCall {
  slot = -1
  due = 0
  seq = 0

  readonly id: string = newRequestId()
  readonly series: Series
  readonly span: CallSpan | undefined
  /** Unix milliseconds. */
  readonly expiry: number
  /** The id of the selected server. */
  chosen: string | undefined
  /** Whether the request may have reached a server. */
  isSent = false
  readonly #client: ClientState
  readonly #method: CalledMethod
  readonly #kind: CallKind
  readonly #route: Route
  readonly #selection: Terms
  readonly #timeout: number
  /** The start of the call, in milliseconds on the monotonic clock. */
  #startedAt = 0
  /** The deadline of the call, as `due`. */
  #end = 0
  /** Whether the pending deadline is that of the call, and not that of the claims. */
  #isLastDeadline = true
  /** Whether the deadline of the call has passed while the claims are compared. */
  #isTooLate = false
  /** The number of claims. */
  #claims = 0
  #comparison: Comparison | undefined
  #rejection: PsrpcError.PsrpcError | undefined
  #sendError: PsrpcError.PsrpcError | undefined
  #resume: ((effect: Effect.Effect<unknown, unknown>) => void) | undefined
  #exit: Exit.Exit<unknown, unknown> | undefined

  constructor(
    client: ClientState,
    method: CalledMethod,
    kind: CallKind,
    prepared: Prepared,
    span: CallSpan | undefined,
    series: Series
  ) {
    this.series = series
    this.span = span
    span?.attribute(Attributes.requestId, this.id)
    this.expiry = prepared.now + prepared.timeout
    this.#client = client
    this.#method = method
    this.#kind = kind
    this.#route = prepared.route
    this.#selection = prepared.selection
    this.#timeout = prepared.timeout
  }

  // ── the request ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sends the request. */
  start(message: Uint8Array): void {
    const { bus, calls, deadlines } = this.#client
    calls.set(this.id, this)
    this.series.started++
    this.#startedAt = deadlines.add(this, this.#timeout)
    this.#end = this.due
    bus.publishUnsafe(this.#route.request, message, this.expiry, this)
  }

  wanted(): boolean {
    return this.#client.calls.has(this.id)
  }

  delivered(receivers: number): void {
    if (receivers === 0) this.fail(noListeners(this.#method.label))
    else this.#sent()
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    if (!error.mayHaveRun) return this.fail(error)
    // the message may have left, and the response may arrive after a reconnect
    this.#sendError = error
    this.#sent()
  }

  /** Starts the affinity timeout. A request that waits for the connection has the whole timeout of the call. */
  #sent(): void {
    if (this.isSent) return
    this.isSent = true
    const { deadlines } = this.#client
    const { affinityTimeout } = this.#selection
    if (!this.#method.requireClaim || this.chosen !== undefined || affinityTimeout === Infinity || !this.wanted())
      return
    deadlines.move(this, affinityTimeout)
    this.#isLastDeadline = this.due >= this.#end
    if (this.#isLastDeadline) deadlines.moveTo(this, this.#end)
  }

  // ── claims ────────────────────────────────────────────────────────────────────────────────────────────────────────

  claim(claim: Claim): void {
    if (this.chosen !== undefined || !this.#method.requireClaim) return
    this.#claims++
    this.series.claims++
    this.span?.event("claim", { [Attributes.peerId]: claim.serverId, [Attributes.affinity]: claim.affinity })
    if (this.#comparison !== undefined) {
      if (!this.#comparison.offer(claim)) this.#client.drops("overflow", this.#method.label, "claims")
    } else if (this.#selection.acceptsAny) this.#select(claim.serverId)
    else if (this.#selection.isEligible(claim.affinity)) {
      if (this.#selection.acceptsImmediately(claim.affinity)) this.#select(claim.serverId)
      else this.#startComparison().offer(claim)
    }
  }

  /** Selects a server, and announces it to all servers of the method, unless the call has ended. */
  #select(serverId: string): void {
    const { bus, deadlines } = this.#client
    if (!this.wanted()) return
    if (this.#isTooLate) return this.#giveUp(this.timeoutError())
    if (!this.#isLastDeadline) {
      this.#isLastDeadline = true
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

  /** Lets the caller's fiber compare the claims from now on. The end of the call interrupts the comparison. */
  #startComparison(): Comparison {
    const comparison = new Comparison(this.#selection, this.#method.label, this.#client.claimBufferSize)
    this.#comparison = comparison
    const winner = comparison.run(
      () => this.#noServerError(),
      () => this.timeoutError()
    )
    const compared = Effect.flatMap(
      Effect.raceFirst(winner, Effect.andThen(this.#outcome, Effect.never)),
      (serverId) => {
        this.#select(serverId)
        return this.#outcome
      }
    ).pipe(
      Effect.onInterrupt(() => Effect.sync(() => this.cancel())),
      Effect.onError((cause) => Effect.sync(() => this.#abandon(outcomeOfCause(cause))))
    )
    const resume = this.#resume
    this.#resume = undefined
    resume?.(compared)
    return comparison
  }

  /** Stores the error of a server that refuses the request before the selection. Another server may still claim it. */
  reject(error: PsrpcError.PsrpcError): void {
    this.#rejection = error
  }

  /** The error of a call without a selected server: a server's refusal, a lost connection, or no eligible claim. */
  #noServerError(): PsrpcError.PsrpcError {
    const known = this.#rejection ?? this.#connectionError()
    if (known !== undefined) return known
    const { label } = this.#method
    return PsrpcError.fromCode("unavailable", {
      message:
        this.#claims === 0
          ? `no response from servers (${label})`
          : `no servers available (received ${this.#claims} responses) (${label})`,
      reason: this.#claims === 0 ? "no_response" : "no_servers",
      mayHaveRun: false
    })
  }

  // ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Passes the outcome to `resume`, at once if the call has ended. */
  resumeTo(resume: (effect: Effect.Effect<unknown, unknown>) => void): void {
    if (this.#exit === undefined) this.#resume = resume
    else resume(this.#exit)
  }

  /** Waits for the outcome. */
  get #outcome(): Effect.Effect<unknown, unknown> {
    return Effect.callback((resume) => {
      this.resumeTo(resume)
      return Effect.sync(() => {
        this.#resume = undefined
      })
    })
  }

  response(response: Envelope.Response): void {
    this.#kind.onResponse(this, response)
  }

  /** The deadline of the claims, or of the call, has passed. */
  expired(): void {
    if (!this.#method.requireClaim || this.chosen !== undefined) return this.fail(this.timeoutError())
    if (this.#isLastDeadline) this.#isTooLate = true
    else {
      // a selection function has the rest of the call's time
      this.#isLastDeadline = true
      this.#client.deadlines.add(this, (this.#end - this.due) / 1e6)
    }
    // a selection function is also called without eligible claims
    if (this.#comparison === undefined && this.#selection.selectionFunc !== undefined) this.#startComparison()
    if (this.#comparison === undefined) return this.#giveUp(this.#noServerError())
    this.#comparison.endClaims()
    if (this.#isTooLate) this.#comparison.endCall()
  }

  /** The client is closed: no response arrives any more. */
  close(): void {
    this.cancel()
    this.#resumeWith(Exit.fail(clientClosed(this.#method.label, this.mayHaveRun)))
  }

  /** Ends the call, and cancels the request at the servers. */
  cancel(outcome: Outcome = "canceled"): void {
    if (!this.#remove(outcome)) return
    const { bus } = this.#client
    const target = this.#route.claimResponse
    // no server has a request that still waits for the connection
    const delivery: Delivery = { wanted: () => this.isSent, delivered() {}, undelivered() {} }
    bus.publishUnsafe(target, Envelope.encodeClaimResponse(target, this.id, ""), this.expiry, delivery)
  }

  /** Ends a call without a selected server. Servers that sent a claim need not wait for the selection. */
  #abandon(outcome: Outcome): void {
    if (this.#claims > 0) this.cancel(outcome)
    else this.#remove(outcome)
  }

  #giveUp(error: PsrpcError.PsrpcError): void {
    this.#abandon(error.code)
    this.#resumeWith(Exit.fail(error))
  }

  /** Ends the call with an exit, which the metrics count as `outcome`. */
  settle(exit: Exit.Exit<unknown, unknown>, outcome: Outcome): void {
    if (this.#remove(outcome)) this.#resumeWith(exit)
  }

  fail(error: PsrpcError.PsrpcError): void {
    this.settle(Exit.fail(error), error.code)
  }

  #resumeWith(exit: Exit.Exit<unknown, unknown>): void {
    this.#exit = exit
    this.#resume?.(exit)
  }

  #remove(outcome: Outcome): boolean {
    if (!this.#client.calls.delete(this.id)) return false
    this.#client.deadlines.delete(this)
    this.#kind.onEnded(this, outcome)
    return true
  }

  /** Counts the call in the metrics. */
  count(outcome: Outcome): void {
    this.series.finish(outcome, this.#client.deadlines.monotonic() - this.#startedAt)
  }

  /** The error of a call whose deadline has passed: a lost connection, if there is one, is the more precise reason. */
  timeoutError(): PsrpcError.PsrpcError {
    return this.#connectionError() ?? timedOut(this.#method.label, this.#timeout, this.mayHaveRun)
  }

  #connectionError(): PsrpcError.PsrpcError | undefined {
    const cause = this.#sendError ?? this.#client.bus.failure()
    return cause === undefined ? undefined : connectionLost(this.#method.label, cause, this.mayHaveRun)
  }

  get mayHaveRun(): boolean {
    return !this.#method.requireClaim || this.chosen !== undefined
  }
}
