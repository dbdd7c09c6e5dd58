/**
 * Unary calls, from the server's side: one dispatch for each method and topic that a server has registered.
 *
 * No fiber is parked for a request: one that waits for its claim is an entry in a map, and a handler that ends in its
 * first synchronous run leaves no trace.
 */
import { Cause, Context, Effect, type Exit, type Fiber } from "effect"
import type { Delivery, MessageBus, Target } from "../MessageBus.ts"
import type { Header } from "../Metadata.ts"
import * as PsrpcError from "../PsrpcError.ts"
import type { BoundedCache } from "./boundedCache.ts"
import { type Call, CurrentCall } from "./callContext.ts"
import type { Deadlines, Timed } from "./deadlines.ts"
import type { WireError } from "./domainError.ts"
import type { Drops } from "./drops.ts"
import * as Envelope from "./envelope.ts"
import { messageOf } from "./messageOf.ts"
import type { UnaryMethod } from "./method.ts"

/** The server that its dispatches share. */
export interface ServerState {
  readonly serverId: string
  readonly bus: MessageBus["Service"]
  readonly deadlines: Deadlines
  readonly drops: Drops
  /** What handlers run with, but for what belongs to one call. */
  readonly context: Context.Context<never>
  /** The channels back to each client. */
  readonly replies: BoundedCache<string, Replies>
  /** How many requests may wait for their affinity. */
  readonly bufferSize: number
  /** How many requests of a method may be in hand before it makes no more offers. */
  readonly maxPending: number
  /** Called whenever a request is done with. */
  readonly done: () => void
  /** Whether requests that still come in are ignored. */
  killed: boolean
}

/** The channels back to one client. */
export interface Replies {
  readonly claim: Target
  readonly response: Target
}

type AnyEffect = Effect.Effect<unknown, unknown>

/** A handler, ready to run. */
export interface Handler {
  readonly handle: (request: unknown, call: Call<Readonly<Record<string, unknown>>>) => AnyEffect
  /** How well this server fits a request; `undefined` where the method has no affinity. */
  readonly affinity:
    | ((request: unknown, call: Call<Readonly<Record<string, unknown>>>) => number | AnyEffect)
    | undefined
}

/** Why a handler was interrupted. */
type Interruption = "deadline" | "cancelled" | "closing"

const noBytes = new Uint8Array(0)

/** A request in hand, from its arrival to its answer. */
class Job implements Timed {
  slot = -1
  due = 0
  seq = 0

  readonly dispatch: UnaryDispatch
  readonly envelope: Envelope.Request
  readonly request: unknown
  readonly call: Call<Readonly<Record<string, unknown>>>
  phase: "weighing" | "waiting" | "running" = "weighing"
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  interruption: Interruption | undefined
  answered = false

  constructor(
    dispatch: UnaryDispatch,
    envelope: Envelope.Request,
    request: unknown,
    call: Call<Readonly<Record<string, unknown>>>
  ) {
    this.dispatch = dispatch
    this.envelope = envelope
    this.request = request
    this.call = call
  }

  expired(): void {
    this.dispatch.interrupt(this, "deadline")
  }
}

export class UnaryDispatch {
  readonly #server: ServerState
  readonly #method: UnaryMethod
  readonly #topic: Readonly<Record<string, unknown>>
  readonly #handler: Handler
  readonly #jobs = new Map<string, Job>()
  readonly #reply: Delivery
  #weighing = 0

  constructor(server: ServerState, method: UnaryMethod, topic: Readonly<Record<string, unknown>>, handler: Handler) {
    this.#server = server
    this.#method = method
    this.#topic = topic
    this.#handler = handler
    // the caller's deadline covers the loss of a claim or of an answer
    this.#reply = {
      wanted: () => true,
      delivered() {},
      undelivered: (error) => server.drops("undelivered", method.label, error.message)
    }
  }

  /** How many requests are in hand. */
  get size(): number {
    return this.#jobs.size
  }

  readonly onRequest = (message: Uint8Array): void => {
    const { deadlines, drops } = this.#server
    if (this.#server.killed) return
    const method = this.#method
    const envelope = Envelope.decodeRequest(message)
    if (typeof envelope === "string") return drops(envelope, method.label)
    if (!(envelope.expiry > deadlines.now())) return drops("expired", method.label)
    if (this.#jobs.has(envelope.id)) return drops("repeated", method.label)
    let request: unknown
    try {
      request = method.request.decode(envelope.raw)
    } catch (cause) {
      drops("malformed", method.label, cause)
      const message = `the request cannot be decoded (${method.label}): ${messageOf(cause)}`
      return this.#answer(envelope, noBytes, { code: "malformed_request", message, details: [] })
    }
    const header: Header = {
      remoteId: envelope.clientId,
      sentAt: envelope.sentAt,
      expiry: envelope.expiry,
      metadata: envelope.metadata
    }
    const call = { service: method.service, method: method.name, topic: this.#topic, header, deadline: envelope.expiry }
    const job = new Job(this, envelope, request, call)
    if (!method.requireClaim) this.#run(job)
    else if (this.#handler.affinity === undefined) this.#offer(job, 1)
    else this.#weigh(job, this.#handler.affinity)
  }

  readonly onClaim = (message: Uint8Array): void => {
    const { drops, serverId } = this.#server
    const claim = Envelope.decodeClaimResponse(message)
    if (typeof claim === "string") return drops(claim, this.#method.label)
    const job = this.#jobs.get(claim.id)
    if (job === undefined) return
    if (job.phase === "waiting" && claim.serverId === serverId) this.#run(job)
    else if (claim.serverId === "") this.interrupt(job, "cancelled")
    else if (claim.serverId !== serverId && job.phase !== "running") this.#forget(job)
  }

  /** Interrupts a handler, or forgets a request that has none yet. */
  interrupt(job: Job, interruption: Interruption): void {
    if (job.phase !== "running") return this.#forget(job)
    if (this.#method.runToCompletion && interruption !== "closing") return
    job.interruption ??= interruption
    job.fiber?.interruptUnsafe()
    // who waits is told at once, also where the handler takes its time to stop
    if (interruption === "closing" && this.#jobs.has(job.envelope.id) && !job.answered) {
      job.answered = true
      this.#answer(job.envelope, noBytes, interrupted("closing", this.#method.label))
    }
  }

  /** Interrupts everything in hand. */
  interruptAll(): void {
    for (const job of Array.from(this.#jobs.values())) this.interrupt(job, "closing")
  }

  /** Takes a request in hand that does not end at once. */
  #admit(job: Job): void {
    if (this.#jobs.has(job.envelope.id)) return
    this.#jobs.set(job.envelope.id, job)
    const { deadlines } = this.#server
    deadlines.add(job, job.envelope.expiry - deadlines.now())
  }

  /** Forgets a request that waits: its caller has chosen another, or has gone. */
  #forget(job: Job): void {
    // out first: the interruption is no failure of the affinity
    this.#remove(job)
    job.fiber?.interruptUnsafe()
  }

  #remove(job: Job): void {
    if (!this.#jobs.delete(job.envelope.id)) return
    this.#server.deadlines.delete(job)
    this.#server.done()
  }

  #weigh(job: Job, affinity: NonNullable<Handler["affinity"]>): void {
    let weighed: number | AnyEffect
    try {
      weighed = affinity(job.request, job.call)
    } catch (defect) {
      return this.#silence(job, Cause.die(defect))
    }
    if (typeof weighed === "number") return this.#offer(job, weighed)
    if (this.#weighing >= this.#server.bufferSize) {
      this.#server.drops("overflow", this.#method.label, "affinity")
      return this.#remove(job)
    }
    this.#weighing++
    this.#admit(job)
    job.fiber = this.#fork(job, weighed)
    job.fiber.addObserver((exit) => {
      this.#weighing--
      job.fiber = undefined
      // meanwhile another server may have been chosen
      if (!this.#jobs.has(job.envelope.id)) return
      if (exit._tag === "Success") this.#offer(job, exit.value as number)
      else this.#silence(job, exit.cause)
    })
  }

  /** No claim: what an affinity of less than 0 says, and what a failure of it comes to. */
  #silence(job: Job, cause: Cause.Cause<unknown>): void {
    this.#remove(job)
    this.#log(`psrpc: the affinity of ${this.#method.label} failed`, cause)
  }

  #offer(job: Job, affinity: number): void {
    if (typeof affinity !== "number" || Number.isNaN(affinity)) {
      return this.#silence(job, Cause.die(new TypeError(`expected a number, got ${String(affinity)}`)))
    }
    if (affinity < 0) return this.#remove(job)
    if (this.#jobs.size >= this.#server.maxPending && !this.#jobs.has(job.envelope.id)) {
      return this.#server.drops("overflow", this.#method.label, "requests")
    }
    job.phase = "waiting"
    this.#admit(job)
    const { bus, replies, serverId } = this.#server
    const { clientId, expiry, id } = job.envelope
    const target = replies.get(clientId).claim
    bus.publishUnsafe(target, Envelope.encodeClaimRequest(target, id, serverId, affinity), expiry, this.#reply)
  }

  #run(job: Job): void {
    job.phase = "running"
    const fiber = this.#fork(
      job,
      Effect.suspend(() => this.#handler.handle(job.request, job.call))
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.#finish(job, exit)
    job.fiber = fiber
    this.#admit(job)
    fiber.addObserver((exit) => this.#finish(job, exit))
  }

  #fork(job: Job, effect: AnyEffect): Fiber.Fiber<unknown, unknown> {
    return Effect.runForkWith(Context.add(this.#server.context, CurrentCall, job.call))(Effect.scoped(effect))
  }

  #finish(job: Job, exit: Exit.Exit<unknown, unknown>): void {
    if (exit._tag === "Failure") this.#fail(job, exit.cause)
    else if (!job.answered) this.#succeed(job, exit.value)
    this.#remove(job)
  }

  #succeed(job: Job, value: unknown): void {
    const { label, response } = this.#method
    let raw: Uint8Array
    try {
      raw = response.encode(value)
    } catch (cause) {
      this.#log(`psrpc: the answer of ${label} cannot be encoded`, Cause.die(cause))
      // why is for the log: the text may hold what the caller must not see
      const message = `the answer cannot be encoded (${label})`
      return this.#answer(job.envelope, noBytes, { code: "malformed_result", message, details: [] })
    }
    this.#answer(job.envelope, raw, undefined)
  }

  #fail(job: Job, cause: Cause.Cause<unknown>): void {
    if (Cause.hasInterruptsOnly(cause)) {
      // who has gone hears nothing; whose deadline has passed is told, in case its clock is behind
      if (job.interruption !== "cancelled" && !job.answered)
        this.#answer(job.envelope, noBytes, interrupted(job.interruption, this.#method.label))
      return
    }
    const failure = Cause.findErrorOption(cause)
    // a defect, alone or beside the failure, is for the log: its text may hold anything
    if (failure._tag === "None" || Cause.hasDies(cause))
      this.#log(`psrpc: the handler of ${this.#method.label} died`, cause)
    if (job.answered) return
    this.#answer(job.envelope, noBytes, failure._tag === "None" ? internal : this.#wireError(failure.value))
  }

  #wireError(error: unknown): WireError {
    if (!PsrpcError.is(error)) {
      try {
        const own = this.#method.error?.encode(error)
        if (own !== undefined) return own
      } catch (defect) {
        this.#log(`psrpc: an error of ${this.#method.label} cannot be encoded`, Cause.die(defect))
        return internal
      }
    }
    const known = PsrpcError.fromUnknown(error)
    const peerCode = known._tag === "Unknown" ? known.peerCode : undefined
    return { code: peerCode ?? known.code, message: known.message, details: known.details }
  }

  #answer(envelope: Envelope.Request, raw: Uint8Array, error: WireError | undefined): void {
    const { bus, deadlines, replies, serverId } = this.#server
    const target = replies.get(envelope.clientId).response
    const response = {
      id: envelope.id,
      serverId,
      sentAt: deadlines.now(),
      raw,
      // an empty message would be an answer
      error: error === undefined ? "" : error.message || error.code,
      code: error === undefined ? "" : error.code,
      details: error === undefined ? Envelope.emptyDetails : error.details
    }
    bus.publishUnsafe(target, Envelope.encodeResponse(target, response), envelope.expiry, this.#reply)
  }

  #log(message: string, cause: Cause.Cause<unknown>): void {
    Effect.runForkWith(this.#server.context)(Effect.logError(message, cause))
  }
}

const internal: WireError = { code: "internal", message: "internal error", details: [] }

const interrupted = (interruption: Interruption | undefined, label: string): WireError =>
  interruption === "deadline"
    ? { code: "deadline_exceeded", message: "request timed out", details: [] }
    : interruption === "closing"
      ? { code: "unavailable", message: `server is closing (${label})`, details: [] }
      : { code: "canceled", message: "request canceled", details: [] }
