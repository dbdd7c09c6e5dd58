/**
 * The way of a request to its handler: its affinity, the server's claim, and the client's selection.
 *
 * A request that waits for the selection is an entry in a map and one of the deadlines, without a fiber.
 */
import { Cause, type Fiber } from "effect"
import type { AnyCall, AnyEffect } from "../calls/callContext.ts"
import type { CalledMethod } from "../definition/method.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { ClaimOutcome } from "../telemetry/metrics/series.ts"
import type { Timed } from "../time/deadlines.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import type { ServedMethod } from "./servedMethod.ts"
import type { Interruption } from "./serverState.ts"

/** A request from its arrival until it is discarded or its handler has finished. */
export class InFlightRequest implements Timed {
  slot = -1
  due = 0
  seq = 0

  readonly id: string
  readonly call: AnyCall
  /** `claimed`: the server has sent its claim. `running`: the client has selected the server, or needs no claim. */
  phase: "computingAffinity" | "claimed" | "running" = "computingAffinity"
  /** The fiber of the affinity function, or of the handler. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** The start of the handler, in milliseconds on the monotonic clock. */
  startedAt = 0
  readonly #gate: { interrupt(request: InFlightRequest, interruption: Interruption): void }

  constructor(
    gate: { interrupt(request: InFlightRequest, interruption: Interruption): void },
    id: string,
    call: AnyCall
  ) {
    this.#gate = gate
    this.id = id
    this.call = call
  }

  expired(): void {
    this.#gate.interrupt(this, "deadline")
  }
}

/** What a kind of method does with the requests that pass the gate. */
export interface RequestKind<R extends InFlightRequest> {
  /** Returns the affinity of a request; `undefined` for a method without affinity. */
  affinity(request: R): number | AnyEffect | undefined
  /** Called once for a request that this server has to answer. */
  onReady(request: R): void
  /** Called for a request whose handler runs. */
  onInterrupt(request: R, interruption: Interruption): void
  /** Called when the gate tracks a request. */
  onTracked?(request: R): void
  /** Called when the gate removes a request that it tracks. */
  onRemoved?(request: R): void
}

/** The requests of one method and topic that are not finished. */
export class ClaimGate<R extends InFlightRequest> {
  readonly #served: ServedMethod<CalledMethod>
  readonly #kind: RequestKind<R>
  readonly #requests = new Map<string, R>()
  /** The number of affinity functions that run. */
  #computing = 0

  constructor(served: ServedMethod<CalledMethod>, kind: RequestKind<R>) {
    this.#served = served
    this.#kind = kind
  }

  get size(): number {
    return this.#requests.size
  }

  has(id: string): boolean {
    return this.#requests.has(id)
  }

  /** Takes a request: sends a claim, or passes it on if the method needs no claim. */
  dispatch(request: R): void {
    if (!this.#served.method.requireClaim) {
      request.phase = "running"
      return this.#kind.onReady(request)
    }
    let affinity: number | AnyEffect | undefined
    try {
      affinity = this.#kind.affinity(request)
    } catch (defect) {
      return this.#decline(request, Cause.die(defect))
    }
    if (affinity === undefined) this.#sendClaim(request, 1)
    else if (typeof affinity === "number") this.#sendClaim(request, affinity)
    else this.#computeAffinity(request, affinity)
  }

  #computeAffinity(request: R, affinity: AnyEffect): void {
    const served = this.#served
    const { call } = request
    if (this.#computing >= served.server.maxPendingAffinity) return served.drop("overflow", call, "affinity")
    this.#computing++
    this.track(request)
    // the server's own span starts with the handler
    const fiber = served.fork(call, affinity, served.clientSpan(call))
    request.fiber = fiber
    fiber.addObserver((exit) => {
      this.#computing--
      request.fiber = undefined
      // the client may have selected another server in the meantime
      if (!this.#requests.has(request.id)) return
      if (exit._tag === "Success") this.#sendClaim(request, exit.value as number)
      else this.#decline(request, exit.cause)
    })
  }

  /** Sends no claim, since the affinity function has failed. */
  #decline(request: R, cause: Cause.Cause<unknown>): void {
    this.remove(request)
    this.#served.log(request.call, `psrpc: the affinity function of ${this.#served.method.label} failed`, cause)
  }

  #sendClaim(request: R, affinity: number): void {
    if (typeof affinity !== "number" || Number.isNaN(affinity)) {
      return this.#decline(request, Cause.die(new TypeError(`expected a number, got ${String(affinity)}`)))
    }
    if (affinity < 0) return this.remove(request)
    if (this.isFull(request)) return this.#served.drop("overflow", request.call, "requests")
    request.phase = "claimed"
    this.#served.series.claims++
    this.track(request)
    const { bus, replies, serverId } = this.#served.server
    const { expiry, remoteId } = request.call.header
    const target = replies.get(remoteId).claim
    const claim = Envelope.encodeClaimRequest(target, request.id, serverId, affinity)
    bus.publishUnsafe(target, claim, expiry, this.#served.delivery)
  }

  /** The listener of claim responses, in which a client announces its selection, or cancels its request. */
  readonly onClaimResponse = (message: Uint8Array): void => {
    const { method, series, server } = this.#served
    const response = Envelope.decodeClaimResponse(message)
    if (typeof response === "string") return server.drops(response, method.label)
    const request = this.#requests.get(response.id)
    if (request === undefined) return
    if (request.phase === "claimed" && response.serverId === server.serverId) {
      series.claimOutcomes.add("chosen")
      request.phase = "running"
      this.#kind.onReady(request)
    } else if (response.serverId === "") this.interrupt(request, "canceled")
    else if (response.serverId !== server.serverId && request.phase !== "running") this.discard(request, "other")
  }

  /** Interrupts a handler, or discards a request without a handler. */
  interrupt(request: R, interruption: Interruption): void {
    if (request.phase === "running") return this.#kind.onInterrupt(request, interruption)
    if (interruption === "deadline" && request.phase === "claimed") this.#served.drop("unclaimed", request.call)
    this.discard(request, claimOutcomes[interruption])
  }

  interruptAll(): void {
    for (const request of Array.from(this.#requests.values())) this.interrupt(request, "closing")
  }

  /** Discards a request without a handler. */
  discard(request: R, outcome: ClaimOutcome): void {
    if (request.phase === "claimed") this.#served.series.claimOutcomes.add(outcome)
    // removed first: the interruption is not a failure of the affinity function
    this.remove(request)
    request.fiber?.interruptUnsafe()
  }

  // ── in-flight requests ────────────────────────────────────────────────────────────────────────────────────────────

  /** Returns whether there is no room for a request. A request that is tracked has its room. */
  isFull(request: R): boolean {
    return this.#requests.size >= this.#served.server.maxInFlight && !this.#requests.has(request.id)
  }

  /** Drops a request for which there is no room. Returns the error for its caller. */
  tooManyRequests(call: AnyCall): PsrpcError.PsrpcError {
    const { maxInFlight } = this.#served.server
    const { label } = this.#served.method
    this.#served.drop("overflow", call, "requests")
    const message = `the server has ${maxInFlight} in-flight requests of ${label}, the maximum (maxInFlight)`
    return PsrpcError.fromCode("resource_exhausted", { message, reason: "overflow", mayHaveRun: false })
  }

  /** Tracks a request until it is removed. Its deadline interrupts it. */
  track(request: R): void {
    if (this.#requests.has(request.id)) return
    this.#requests.set(request.id, request)
    const { deadlines } = this.#served.server
    deadlines.add(request, request.call.header.expiry - deadlines.now())
    this.#kind.onTracked?.(request)
  }

  /** Removes a request, if it is tracked. */
  remove(request: R): void {
    if (!this.#requests.delete(request.id)) return
    const { deadlines, idle } = this.#served.server
    deadlines.delete(request)
    this.#kind.onRemoved?.(request)
    if (idle.isAwaited) idle.check()
  }
}

/** The outcome of a claim whose request is interrupted. */
const claimOutcomes: Readonly<Record<Interruption, ClaimOutcome>> = {
  deadline: "expired",
  canceled: "canceled",
  closing: "closing"
}
