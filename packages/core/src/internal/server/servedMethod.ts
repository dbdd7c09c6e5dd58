/** What the requests of one method and topic share: metrics, spans, log lines, and the fibers of the user's functions. */
import { type Cause, Context, Effect, type Fiber, References, Tracer } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import { type AnyCall, type AnyEffect, type AnyTopic, CurrentCall } from "../calls/callContext.ts"
import { type CallControl, CurrentControl } from "../calls/callControl.ts"
import type { CalledMethod } from "../definition/method.ts"
import * as Attributes from "../telemetry/attributes.ts"
import type { DropReason } from "../telemetry/drops.ts"
import type { Outcome, Series } from "../telemetry/metrics/series.ts"
import { type CallSpan, Spans, templateOfCalls } from "../telemetry/spans.ts"
import { fromMetadata } from "../telemetry/traceContext.ts"
import type { ServerState } from "./serverState.ts"

type Requested = Pick<AnyCall, "requestId" | "header">

/** The time at which a handler started, in milliseconds on the monotonic clock. */
interface Started {
  startedAt: number
}

/** A method of a server, for one topic. */
export class ServedMethod<M extends CalledMethod> {
  readonly server: ServerState
  readonly method: M
  readonly topic: AnyTopic
  readonly series: Series
  /** The delivery of a message whose loss is only counted: the caller has a deadline. */
  readonly delivery: Delivery
  readonly #spans: Spans | undefined
  /** The method's full name. */
  readonly #name: string
  /** The log annotations of the context; `undefined` for none. */
  readonly #contextAnnotations: Readonly<Record<string, unknown>> | undefined

  constructor(server: ServerState, method: M, topic: AnyTopic) {
    this.server = server
    this.method = method
    this.topic = topic
    this.series = server.metrics.of(method)
    this.delivery = {
      wanted: () => true,
      delivered() {},
      undelivered: (error) => server.drops("undelivered", method.label, error.message)
    }
    this.#name = Attributes.fullName(method.service, method.name)
    const annotations = Context.get(server.context, References.CurrentLogAnnotations)
    this.#contextAnnotations = Object.keys(annotations).length === 0 ? undefined : annotations
    this.#spans = Spans.make(server.context, () => {
      const template = templateOfCalls(method, "server")
      return { ...template, attributes: { ...template.attributes, ...Attributes.topic(method, topic) } }
    })
  }

  /** Counts the start of a request. */
  started(request: Started): void {
    this.series.started++
    request.startedAt = this.server.deadlines.monotonic()
  }

  /** Counts the end of a request. */
  finished({ startedAt }: Started, outcome: Outcome): void {
    this.series.finish(outcome, this.server.deadlines.monotonic() - startedAt)
  }

  /** Counts and logs a message that is dropped. */
  drop(reason: DropReason, call: Requested, detail?: unknown, warning?: string): void {
    this.server.drops(reason, this.method.label, detail, warning, call)
  }

  /** Makes the log annotations of a call. */
  #annotations({ header, requestId }: Requested): Readonly<Record<string, unknown>> {
    const annotations = {
      [Attributes.rpcService]: this.method.service,
      [Attributes.rpcMethod]: this.#name,
      [Attributes.requestId]: requestId,
      [Attributes.peerId]: header.remoteId
    }
    return this.#contextAnnotations === undefined ? annotations : { ...this.#contextAnnotations, ...annotations }
  }

  /** Logs an error of a call. */
  log(call: Requested, message: string, cause: Cause.Cause<unknown>): void {
    const line = Effect.annotateLogs(Effect.logError(message, cause), this.#annotations(call))
    Effect.runForkWith(this.server.context)(line)
  }

  /** Starts the span of a request whose handler starts; `undefined` without a tracer. */
  startSpan({ header, requestId }: Requested): CallSpan | undefined {
    return this.#spans?.start(fromMetadata(header.metadata), {
      [Attributes.requestId]: requestId,
      [Attributes.peerId]: header.remoteId
    })
  }

  /** The span of the client, in which an affinity function runs; `undefined` without a tracer. */
  clientSpan({ header }: Requested): Tracer.AnySpan | undefined {
    return this.#spans && fromMetadata(header.metadata)
  }

  /** Starts the fiber of a handler or an affinity function. Returns after its first synchronous part. */
  fork(
    call: AnyCall,
    effect: AnyEffect,
    parent: Tracer.AnySpan | undefined,
    control?: CallControl
  ): Fiber.Fiber<unknown, unknown> {
    // additions to a context are overlays, without a copy
    let context: Context.Context<never> = Context.add(this.server.context, CurrentCall, call)
    context = Context.add(context, References.CurrentLogAnnotations, this.#annotations(call))
    if (parent !== undefined) context = Context.add(context, Tracer.ParentSpan, parent)
    if (control !== undefined) context = Context.add(context, CurrentControl, control)
    return Effect.runForkWith(context)(Effect.scoped(effect))
  }
}
