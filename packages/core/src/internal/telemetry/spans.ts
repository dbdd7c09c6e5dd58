/**
 * Spans of calls, streams and updates, where a tracer is installed. Without one there is no `Spans`, and so no span: what is
 * left of this on the hot path is a look at an undefined field.
 *
 * Spans are Effect's own, so that what it lets a program say of spans (their links, their annotations, the least level,
 * that there be none) holds for these.
 */
import { Cause, Clock, Context, Effect, type Exit, type Fiber, References, Tracer } from "effect"
import type { Metadata } from "../metadata/model.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import type { DomainError } from "../errors/domainError.ts"
import type { Method, SubscriptionMethod } from "../definition/method.ts"
import type { TraceContext } from "../wire/msgTrace.ts"
import { wireCodeOf } from "../errors/wireCode.ts"
import * as Attributes from "./attributes.ts"
import { intoMetadata, outgoing } from "./traceContext.ts"

/** The most events that a span has: what OpenTelemetry's SDKs keep of one, where nobody says otherwise. */
export const mostEvents = 128

/** Whether somebody would see a span made in this context. */
const isTraced = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, Tracer.Tracer) !== undefined &&
  Context.get(context, References.TracerEnabled) &&
  !Context.get(context, Tracer.DisablePropagation)

/** The code that a failure has on the wire. */
const codeOf = (cause: Cause.Cause<unknown>, errors: DomainError<unknown> | undefined): string => {
  if (Cause.hasInterruptsOnly(cause)) return "canceled"
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "None") return "internal"
  const error = failure.value
  if (PsrpcError.is(error)) return wireCodeOf(error)
  try {
    return errors?.encode(error)?.code ?? wireCodeOf(PsrpcError.fromUnknown(error))
  } catch {
    return "internal"
  }
}

/** A line in the log about a tracer that throws: what it is to tell of goes on without it. */
const warn = (context: Context.Context<never>, name: string, cause: Cause.Cause<unknown>): void => {
  Effect.runForkWith(context)(Effect.logWarning(`psrpc: the tracer failed at a span of ${name}`, cause))
}

/** A span, from its start to its one end. A tracer that throws loses the span, and the call nothing. */
export class CallSpan {
  readonly span: Tracer.Span
  readonly #described: Described
  readonly #context: Context.Context<never>
  readonly #clock: Clock.Clock
  readonly #hasTime: boolean
  #events = 0
  #isBroken = false
  #hasEnded = false

  constructor(span: Tracer.Span, described: Described, context: Context.Context<never>) {
    this.span = span
    this.#described = described
    this.#context = context
    this.#clock = Context.get(context, Clock.Clock)
    this.#hasTime = Context.get(context, References.TracerTimingEnabled)
  }

  attribute(key: string, value: unknown): void {
    if (this.#isBroken) return
    try {
      this.span.attribute(key, value)
    } catch (defect) {
      this.#failed(defect)
    }
  }

  /** What another end goes on from, where there is no metadata to put it into. */
  context(): TraceContext | undefined {
    try {
      return outgoing(this.span)
    } catch (defect) {
      this.#failed(defect)
      return undefined
    }
  }

  /** The metadata with this span in it, for the other end to go on from. */
  into(metadata: Metadata): Metadata {
    const context = this.context()
    return context === undefined ? metadata : intoMetadata(metadata, context)
  }

  /** One of its first events; what comes after them is not kept. */
  event(name: string, attributes: Record<string, unknown>): void {
    if (this.#isBroken || this.#events++ >= mostEvents) return
    try {
      this.span.event(name, this.#now(), attributes)
    } catch (defect) {
      this.#failed(defect)
    }
  }

  /** Ends it, if it has not ended; `code` is that of a failure, where it is known. */
  end(exit: Exit.Exit<unknown, unknown>, code?: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    if (exit._tag === "Failure") this.#failedWith(exit.cause, code ?? codeOf(exit.cause, this.#described.errors))
    // also where the tracer has failed before: what it has begun can still end
    try {
      this.span.end(this.#now(), exit)
    } catch (defect) {
      this.#failed(defect)
    }
  }

  #failedWith(cause: Cause.Cause<unknown>, code: string): void {
    const { kind } = this.#described
    // what a peer makes up is no class of failures
    const known = PsrpcError.isCode(code) ? code : "unknown"
    this.attribute(Attributes.statusCode, code)
    if (kind === "client" || kind === "server") this.attribute(Attributes.rpcStatusCode, known)
    // who is interrupted has not failed
    if (!Cause.hasInterruptsOnly(cause)) this.attribute(Attributes.errorType, known)
  }

  #failed(defect: unknown): void {
    if (!this.#isBroken) warn(this.#context, this.#described.name, Cause.die(defect))
    this.#isBroken = true
  }

  #now(): bigint {
    return this.#hasTime ? this.#clock.currentTimeNanosUnsafe() : 0n
  }
}

/** What a span begins with. */
export interface Start {
  /** The span at the other end. Without it, one that came with the context, unless `root` says that there is none. */
  readonly parent?: Tracer.AnySpan | undefined
  readonly root?: boolean | undefined
  readonly attributes?: Record<string, unknown> | undefined
}

/** What the spans of one method have in common on one side; made once. */
export interface Described {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly attributes: Record<string, unknown>
  readonly errors: DomainError<unknown> | undefined
}

/** Spans of calls and streams. */
export const describeCalls = (method: Method, kind: "client" | "server"): Described => ({
  name: Attributes.fullName(method.service, method.name),
  kind,
  attributes: { [Attributes.rpcSystem]: "psrpc", ...Attributes.ofMethod(method) },
  errors: method.kind === "stream" || method.kind === "subscription" ? undefined : method.error
})

/** Spans of updates; a subscription has one topic, which all of its spans have. */
export const describeUpdates = (
  method: SubscriptionMethod,
  kind: "producer" | "consumer",
  topic?: Readonly<Record<string, unknown>>
): Described => {
  const operation = kind === "producer" ? "publish" : "receive"
  const destination = Attributes.fullName(method.service, method.name)
  return {
    name: `${operation} ${destination}`,
    kind,
    attributes: {
      ...Attributes.ofMethod(method),
      [Attributes.messagingSystem]: "psrpc",
      [Attributes.messagingOperationName]: operation,
      // what is pushed is "process": "receive" is for who asks for messages, whose spans are a client's
      [Attributes.messagingOperationType]: kind === "producer" ? "send" : "process",
      [Attributes.messagingDestinationTemplate]: destination,
      ...(kind === "consumer" && Attributes.destination(method, topic))
    },
    errors: undefined
  }
}

/** Starts a span in a context; there is none where nobody would see it. */
export const startIn = (
  context: Context.Context<never>,
  described: Described,
  { attributes, parent, root }: Start
): CallSpan | undefined => {
  if (!isTraced(context)) return undefined
  const options = {
    kind: described.kind,
    attributes: attributes === undefined ? described.attributes : { ...described.attributes, ...attributes },
    parent,
    root
  }
  const exit = Effect.runSyncExitWith(context)(Effect.makeSpan(described.name, options))
  if (exit._tag === "Success") return new CallSpan(exit.value, described, context)
  warn(context, described.name, exit.cause)
  return undefined
}

/** What makes a server's, or a subscription's spans; `undefined` where nobody would see them. */
export class Spans {
  readonly #context: Context.Context<never>
  readonly #described: Described

  private constructor(context: Context.Context<never>, described: Described) {
    this.#context = context
    this.#described = described
  }

  static make(context: Context.Context<never>, described: () => Described): Spans | undefined {
    return isTraced(context) ? new Spans(context, described()) : undefined
  }

  /** Starts a span of what came from somebody else: never within one that is under way here. */
  start(parent: Tracer.ExternalSpan | undefined, attributes: Record<string, unknown>): CallSpan | undefined {
    return startIn(
      this.#context,
      this.#described,
      parent === undefined ? { root: true, attributes } : { parent, attributes }
    )
  }
}

/** Runs something with a span of what a fiber asks for; no interruption comes between its start and who ends it. */
const withSpan = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  described: Described,
  attributes: Record<string, unknown>,
  run: (span: CallSpan | undefined) => Effect.Effect<A, E, R>,
  ended: (span: CallSpan, exit: Exit.Exit<A, E>) => void
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const span = startIn(fiber.context, described, { attributes })
    const body = restore(Effect.suspend(() => run(span)))
    if (span === undefined) return body
    // what is done for the sake of a call is done within its span
    const within = Effect.provideService(body, Tracer.ParentSpan, span.span) as Effect.Effect<A, E, R>
    return Effect.onExit(within, (exit) => Effect.sync(() => ended(span, exit)))
  })

/** Runs it within a span that ends as it does. Look for a tracer before: without one there is nothing to do. */
export const within = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  described: Described,
  attributes: Record<string, unknown>,
  run: (span: CallSpan | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => withSpan(fiber, described, attributes, run, (span, exit) => span.end(exit))

/** The same for what goes on when `run` has succeeded: who was given the span ends it then. */
export const opening = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  described: Described,
  attributes: Record<string, unknown>,
  run: (span: CallSpan | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  withSpan(fiber, described, attributes, run, (span, exit) => {
    if (exit._tag === "Failure") span.end(exit)
  })
