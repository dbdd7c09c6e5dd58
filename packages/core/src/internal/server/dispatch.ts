/**
 * The requests of one method and topic that a server has in hand, from their arrival until they are done with: what calls
 * and the opening of streams share, the claim above all.
 *
 * No fiber is parked for a request: one that waits for its claim is an entry in a map.
 */
import { Cause, Context, Effect, type Fiber, References, Tracer } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import { CurrentCall } from "../calls/callContext.ts"
import { type CallControl, CurrentControl } from "../calls/callControl.ts"
import type { Timed } from "../time/deadlines.ts"
import type { DropReason } from "../telemetry/drops.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import * as Envelope from "../wire/callEnvelope.ts"
import type { CalledMethod } from "../definition/method.ts"
import * as Attributes from "../telemetry/attributes.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"
import type { ClaimOutcome, Outcome, Series } from "../telemetry/metrics/series.ts"
import { type CallSpan, templateOfCalls, Spans } from "../telemetry/spans.ts"
import { fromMetadata } from "../telemetry/traceContext.ts"
import type { AnyCall, AnyEffect, AnyTopic } from "../calls/callContext.ts"
import type { Interruption, ServerState } from "./serverState.ts"

/** A request in hand. */
export abstract class Job implements Timed {
  slot = -1
  due = 0
  seq = 0

  readonly #dispatch: { interrupt(job: Job, interruption: Interruption): void }
  readonly id: string
  readonly call: AnyCall
  phase: "weighing" | "waiting" | "running" = "weighing"
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** When it began to be worked on: milliseconds on the monotonic clock. */
  startedAt = 0

  constructor(dispatch: { interrupt(job: Job, interruption: Interruption): void }, id: string, call: AnyCall) {
    this.#dispatch = dispatch
    this.id = id
    this.call = call
  }

  expired(): void {
    this.#dispatch.interrupt(this, "deadline")
  }
}

export abstract class Dispatch<M extends CalledMethod, J extends Job> {
  protected readonly server: ServerState
  protected readonly method: M
  protected readonly topic: AnyTopic
  protected readonly series: Series
  protected readonly jobs = new Map<string, J>()
  /** The caller's deadline covers the loss of a claim or of an answer. */
  protected readonly reply: Delivery
  readonly #spans: Spans | undefined
  readonly #annotations: ReturnType<typeof LogAnnotations.ofCalls>
  #weighing = 0

  constructor(server: ServerState, method: M, topic: AnyTopic) {
    this.server = server
    this.method = method
    this.topic = topic
    this.series = server.metrics.of(method)
    this.reply = {
      wanted: () => true,
      delivered() {},
      undelivered: (error) => server.drops("undelivered", method.label, error.message)
    }
    this.#annotations = LogAnnotations.ofCalls(server.context, method.service, method.name)
    this.#spans = Spans.make(server.context, () => {
      const spanTemplate = templateOfCalls(method, "server")
      return { ...spanTemplate, attributes: { ...spanTemplate.attributes, ...Attributes.topic(method, topic) } }
    })
  }

  /** How many requests are in hand. */
  get size(): number {
    return this.jobs.size
  }

  /** What comes in on the channel of requests. */
  abstract readonly onRequest: (message: Uint8Array) => void

  /** How well this server fits; `undefined` where the method has no affinity. */
  protected abstract affinity(job: J): number | AnyEffect | undefined

  /** The request is this server's: its handler runs from here on. */
  protected abstract run(job: J): void

  /** Interrupts a handler. */
  protected abstract interruptHandler(job: J, interruption: Interruption): void

  /** The server takes no more: what its dispatch has to say to those that it talks with. */
  leave(): void {}

  readonly onClaim = (message: Uint8Array): void => {
    const { drops, serverId } = this.server
    const claim = Envelope.decodeClaimResponse(message)
    if (typeof claim === "string") return drops(claim, this.method.label)
    const job = this.jobs.get(claim.id)
    if (job === undefined) return
    if (job.phase === "waiting" && claim.serverId === serverId) {
      this.series.claimOutcomes.add("chosen")
      job.phase = "running"
      this.run(job)
    } else if (claim.serverId === "") this.interrupt(job, "cancelled")
    else if (claim.serverId !== serverId && job.phase !== "running") this.forget(job, "other")
  }

  /** A request that can be served: offers it to the client, or runs it where nothing has to be claimed. */
  protected arrived(job: J): void {
    if (!this.method.requireClaim) {
      job.phase = "running"
      return this.run(job)
    }
    let weighed: number | AnyEffect | undefined
    try {
      weighed = this.affinity(job)
    } catch (defect) {
      return this.#silence(job, Cause.die(defect))
    }
    if (weighed === undefined) this.#offer(job, 1)
    else if (typeof weighed === "number") this.#offer(job, weighed)
    else this.#weigh(job, weighed)
  }

  /** Whether as many requests are in hand as there may be; one that was claimed has its place already. */
  protected isFull(job: J): boolean {
    return this.jobs.size >= this.server.maxInFlight && !this.jobs.has(job.id)
  }

  /** What a client is told whose request nobody else can take. */
  protected tooMany(call: AnyCall): PsrpcError.PsrpcError {
    const { maxInFlight } = this.server
    const { label } = this.method
    this.dropped("overflow", call, "requests")
    const message = `the server has ${maxInFlight} requests of ${label} in hand`
    return PsrpcError.fromCode("resource_exhausted", { message, reason: "overflow", mayHaveRun: false })
  }

  /** Interrupts a handler, or forgets a request that has none yet. */
  interrupt(job: J, interruption: Interruption): void {
    if (job.phase === "running") return this.interruptHandler(job, interruption)
    if (interruption === "deadline" && job.phase === "waiting") this.dropped("unclaimed", job.call)
    this.forget(job, unclaimed[interruption])
  }

  /** Interrupts everything in hand. */
  interruptAll(): void {
    for (const job of Array.from(this.jobs.values())) this.interrupt(job, "closing")
  }

  /** Takes a request in hand that does not end at once. */
  protected admit(job: J): void {
    if (this.jobs.has(job.id)) return
    this.jobs.set(job.id, job)
    const { deadlines } = this.server
    deadlines.add(job, job.call.header.expiry - deadlines.now())
  }

  /** Forgets a request that waits: its caller has chosen another, or has gone. */
  protected forget(job: J, outcome: ClaimOutcome): void {
    if (job.phase === "waiting") this.series.claimOutcomes.add(outcome)
    // out first: the interruption is no failure of the affinity
    this.remove(job)
    job.fiber?.interruptUnsafe()
  }

  protected remove(job: J): void {
    if (!this.jobs.delete(job.id)) return
    this.server.deadlines.delete(job)
    this.server.done()
  }

  #weigh(job: J, affinity: AnyEffect): void {
    if (this.#weighing >= this.server.maxPendingAffinity) {
      this.dropped("overflow", job.call, "affinity")
      return this.remove(job)
    }
    this.#weighing++
    this.admit(job)
    // the server's own span begins when the request is its own
    job.fiber = this.fork(job, affinity, this.#spans && fromMetadata(job.call.header.metadata))
    job.fiber.addObserver((exit) => {
      this.#weighing--
      job.fiber = undefined
      // meanwhile another server may have been chosen
      if (!this.jobs.has(job.id)) return
      if (exit._tag === "Success") this.#offer(job, exit.value as number)
      else this.#silence(job, exit.cause)
    })
  }

  /** No claim: what an affinity of less than 0 says, and what a failure of it comes to. */
  #silence(job: J, cause: Cause.Cause<unknown>): void {
    this.remove(job)
    this.log(job.call, `psrpc: the affinity of ${this.method.label} failed`, cause)
  }

  #offer(job: J, affinity: number): void {
    if (typeof affinity !== "number" || Number.isNaN(affinity)) {
      return this.#silence(job, Cause.die(new TypeError(`expected a number, got ${String(affinity)}`)))
    }
    if (affinity < 0) return this.remove(job)
    if (this.isFull(job)) {
      return this.dropped("overflow", job.call, "requests")
    }
    job.phase = "waiting"
    this.series.claims++
    this.admit(job)
    const { bus, replies, serverId } = this.server
    const { expiry, remoteId } = job.call.header
    const target = replies.get(remoteId).claim
    bus.publishUnsafe(target, Envelope.encodeClaimRequest(target, job.id, serverId, affinity), expiry, this.reply)
  }

  /** A request is worked on from here on. */
  protected started(job: J): void {
    this.series.started++
    job.startedAt = this.server.deadlines.monotonic()
  }

  /** It is done with. */
  protected finished(job: J, outcome: Outcome): void {
    this.series.finish(outcome, this.server.deadlines.monotonic() - job.startedAt)
  }

  /** The span of a request whose handler is about to run. */
  protected spanOf(job: J): CallSpan | undefined {
    if (this.#spans === undefined) return undefined
    const { header, requestId } = job.call
    return this.#spans.start(fromMetadata(header.metadata), {
      [Attributes.requestId]: requestId,
      [Attributes.peerId]: header.remoteId
    })
  }

  protected fork(
    job: J,
    effect: AnyEffect,
    parent: Tracer.AnySpan | undefined,
    control?: CallControl
  ): Fiber.Fiber<unknown, unknown> {
    const { call } = job
    // what is added to a context is laid over it: nothing is copied
    const known = Context.add(this.server.context, CurrentCall, call)
    const called = Context.add(known, References.CurrentLogAnnotations, this.#annotations(call))
    const within = parent === undefined ? called : Context.add(called, Tracer.ParentSpan, parent)
    const context = control === undefined ? within : Context.add(within, CurrentControl, control)
    return Effect.runForkWith(context)(Effect.scoped(effect))
  }

  /** A request that comes to nothing. */
  protected dropped(reason: DropReason, call: Pick<AnyCall, "requestId" | "header">, detail?: unknown): void {
    this.server.drops(reason, this.method.label, detail, undefined, call)
  }

  /** A line about a call. */
  protected log(call: Pick<AnyCall, "requestId" | "header">, message: string, cause: Cause.Cause<unknown>): void {
    const line = Effect.annotateLogs(Effect.logError(message, cause), this.#annotations(call))
    Effect.runForkWith(this.server.context)(line)
  }
}

/** What a claim that is waited for counts as once its request is interrupted. */
const unclaimed: Readonly<Record<Interruption, ClaimOutcome>> = {
  deadline: "expired",
  cancelled: "canceled",
  closing: "closing"
}
