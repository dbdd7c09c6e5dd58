/**
 * Spans of calls, streams and updates, if a tracer is installed. Without a tracer there is no `Spans` object: the cost on the
 * hot path is the check of an undefined field.
 *
 * Spans are made by Effect, so that Effect's options for spans (links, annotations, minimum level, disabled propagation)
 * apply.
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

/** Maximum number of events of a span: the default limit of OpenTelemetry's SDKs. */
export const maxEvents = 128

/** Whether a span made in this context reaches a tracer. */
const isTraced = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, Tracer.Tracer) !== undefined &&
  Context.get(context, References.TracerEnabled) &&
  !Context.get(context, Tracer.DisablePropagation)

/** Returns the code that a failure has on the wire. */
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

/** Logs a warning about a tracer that throws. The call continues without its span. */
const warn = (context: Context.Context<never>, name: string, cause: Cause.Cause<unknown>): void => {
  Effect.runForkWith(context)(Effect.logWarning(`psrpc: the tracer failed at a span of ${name}`, cause))
}

/** A span, from its start to its only end. If the tracer throws, the span is lost and the call continues. */
export class CallSpan {
  readonly span: Tracer.Span
  readonly #template: SpanTemplate
  readonly #context: Context.Context<never>
  readonly #clock: Clock.Clock
  readonly #hasTime: boolean
  #events = 0
  #isBroken = false
  #hasEnded = false

  constructor(span: Tracer.Span, template: SpanTemplate, context: Context.Context<never>) {
    this.span = span
    this.#template = template
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

  /** Returns the trace context for a message without metadata. */
  context(): TraceContext | undefined {
    try {
      return outgoing(this.span)
    } catch (defect) {
      this.#failed(defect)
      return undefined
    }
  }

  /** Returns the metadata with the trace context of this span. */
  into(metadata: Metadata): Metadata {
    const context = this.context()
    return context === undefined ? metadata : intoMetadata(metadata, context)
  }

  /** Adds an event. Events beyond the maximum are dropped. */
  event(name: string, attributes: Record<string, unknown>): void {
    if (this.#isBroken || this.#events++ >= maxEvents) return
    try {
      this.span.event(name, this.#now(), attributes)
    } catch (defect) {
      this.#failed(defect)
    }
  }

  /** Ends the span, once. `code` is the code of a failure, if known. */
  end(exit: Exit.Exit<unknown, unknown>, code?: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    if (exit._tag === "Failure") this.#failedWith(exit.cause, code ?? codeOf(exit.cause, this.#template.errors))
    // even if the tracer has failed before, its span can still end
    try {
      this.span.end(this.#now(), exit)
    } catch (defect) {
      this.#failed(defect)
    }
  }

  #failedWith(cause: Cause.Cause<unknown>, code: string): void {
    const { kind } = this.#template
    // a code that psrpc does not define is not an error type: a peer may send any text
    const known = PsrpcError.isCode(code) ? code : "unknown"
    this.attribute(Attributes.statusCode, code)
    if (kind === "client" || kind === "server") this.attribute(Attributes.rpcStatusCode, known)
    // an interruption is not a failure
    if (!Cause.hasInterruptsOnly(cause)) this.attribute(Attributes.errorType, known)
  }

  #failed(defect: unknown): void {
    if (!this.#isBroken) warn(this.#context, this.#template.name, Cause.die(defect))
    this.#isBroken = true
  }

  #now(): bigint {
    return this.#hasTime ? this.#clock.currentTimeNanosUnsafe() : 0n
  }
}

/** The start of a span. */
export interface Start {
  /** The peer's span. Default: the parent span of the context, unless `root` is true. */
  readonly parent?: Tracer.AnySpan | undefined
  readonly root?: boolean | undefined
  readonly attributes?: Record<string, unknown> | undefined
}

/** The constant part of the spans of one method on one side. */
export interface SpanTemplate {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly attributes: Record<string, unknown>
  readonly errors: DomainError<unknown> | undefined
}

/** Makes the template of the spans of calls and streams. */
export const templateOfCalls = (method: Method, kind: "client" | "server"): SpanTemplate => ({
  name: Attributes.fullName(method.service, method.name),
  kind,
  attributes: { [Attributes.rpcSystem]: "psrpc", ...Attributes.ofMethod(method) },
  errors: method.kind === "stream" || method.kind === "subscription" ? undefined : method.error
})

/** Makes the template of the spans of updates. All spans of a subscription have its topic. */
export const templateOfUpdates = (
  method: SubscriptionMethod,
  kind: "producer" | "consumer",
  topic?: Readonly<Record<string, unknown>>
): SpanTemplate => {
  const operation = kind === "producer" ? "publish" : "receive"
  const destination = Attributes.fullName(method.service, method.name)
  return {
    name: `${operation} ${destination}`,
    kind,
    attributes: {
      ...Attributes.ofMethod(method),
      [Attributes.messagingSystem]: "psrpc",
      [Attributes.messagingOperationName]: operation,
      // a pushed message is "process": the conventions use "receive" for messages that a client polls
      [Attributes.messagingOperationType]: kind === "producer" ? "send" : "process",
      [Attributes.messagingDestinationTemplate]: destination,
      ...(kind === "consumer" && Attributes.destination(method, topic))
    },
    errors: undefined
  }
}

/** Starts a span in a context. Returns `undefined` without a tracer. */
export const startIn = (
  context: Context.Context<never>,
  template: SpanTemplate,
  { attributes, parent, root }: Start
): CallSpan | undefined => {
  if (!isTraced(context)) return undefined
  const options = {
    kind: template.kind,
    attributes: attributes === undefined ? template.attributes : { ...template.attributes, ...attributes },
    parent,
    root
  }
  const exit = Effect.runSyncExitWith(context)(Effect.makeSpan(template.name, options))
  if (exit._tag === "Success") return new CallSpan(exit.value, template, context)
  warn(context, template.name, exit.cause)
  return undefined
}

/** Makes the spans of a server or of a subscription. */
export class Spans {
  readonly #context: Context.Context<never>
  readonly #template: SpanTemplate

  private constructor(context: Context.Context<never>, template: SpanTemplate) {
    this.#context = context
    this.#template = template
  }

  static make(context: Context.Context<never>, template: () => SpanTemplate): Spans | undefined {
    return isTraced(context) ? new Spans(context, template()) : undefined
  }

  /** Starts a span of a message of a peer. Without the peer's span it is a root span. */
  start(parent: Tracer.ExternalSpan | undefined, attributes: Record<string, unknown>): CallSpan | undefined {
    return startIn(
      this.#context,
      this.#template,
      parent === undefined ? { root: true, attributes } : { parent, attributes }
    )
  }
}

/** Runs an Effect with a span of the fiber. No interruption separates the start of the span from its end. */
const withSpan = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  template: SpanTemplate,
  attributes: Record<string, unknown>,
  run: (span: CallSpan | undefined) => Effect.Effect<A, E, R>,
  ended: (span: CallSpan, exit: Exit.Exit<A, E>) => void
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const span = startIn(fiber.context, template, { attributes })
    const body = restore(Effect.suspend(() => run(span)))
    if (span === undefined) return body
    // spans that are made for the call are children of its span
    const within = Effect.provideService(body, Tracer.ParentSpan, span.span) as Effect.Effect<A, E, R>
    return Effect.onExit(within, (exit) => Effect.sync(() => ended(span, exit)))
  })

/** Runs an Effect within a span that ends with it. Callers check for a tracer first. */
export const within = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  template: SpanTemplate,
  attributes: Record<string, unknown>,
  run: (span: CallSpan | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => withSpan(fiber, template, attributes, run, (span, exit) => span.end(exit))

/** Runs an Effect within a span that stays open after a success: `run` passes the span on to its later end. */
export const withOpenSpan = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  template: SpanTemplate,
  attributes: Record<string, unknown>,
  run: (span: CallSpan | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  withSpan(fiber, template, attributes, run, (span, exit) => {
    if (exit._tag === "Failure") span.end(exit)
  })
