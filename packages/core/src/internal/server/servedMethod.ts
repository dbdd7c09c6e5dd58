/** What the requests of one method and topic share: metrics, spans, log lines, and the fibers of the user's functions. */
import { type Cause, Context, Effect, type Fiber, References, Tracer } from "effect"
import type { Delivery } from "../../MessageBus.ts"
import { type AnyCall, type AnyEffect, type AnyTopic, CurrentCall } from "../calls/callContext.ts"
import { type CallControl, CurrentControl } from "../calls/callControl.ts"
import type { CalledMethod } from "../definition/method.ts"
import * as Attributes from "../telemetry/attributes.ts"
import type { DropReason } from "../telemetry/drops.ts"
import * as LogAnnotations from "../telemetry/logAnnotations.ts"
import type { Outcome, Series } from "../telemetry/metrics/series.ts"
import { type CallSpan, Spans, templateOfCalls } from "../telemetry/spans.ts"
import { fromMetadata } from "../telemetry/traceContext.ts"
import type { InFlightRequest } from "./inFlightRequest.ts"
import type { ServerState } from "./serverState.ts"

type Requested = Pick<AnyCall, "requestId" | "header">

/** A method of a server, for one topic. */
export class ServedMethod<M extends CalledMethod> {
  readonly server: ServerState
  readonly method: M
  readonly topic: AnyTopic
  readonly series: Series
  /** The delivery of a message whose loss is only counted: the caller has a deadline. */
  readonly delivery: Delivery
  readonly #spans: Spans | undefined
  readonly #annotations: ReturnType<typeof LogAnnotations.ofCalls>

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
    this.#annotations = LogAnnotations.ofCalls(server.context, method.service, method.name)
    this.#spans = Spans.make(server.context, () => {
      const template = templateOfCalls(method, "server")
      return { ...template, attributes: { ...template.attributes, ...Attributes.topic(method, topic) } }
    })
  }

  /** Counts the start of a request. */
  started(request: InFlightRequest): void {
    this.series.started++
    request.startedAt = this.server.deadlines.monotonic()
  }

  /** Counts the end of a request. */
  finished(request: InFlightRequest, outcome: Outcome): void {
    this.series.finish(outcome, this.server.deadlines.monotonic() - request.startedAt)
  }

  /** Counts and logs a message that is dropped. */
  drop(reason: DropReason, call: Requested, detail?: unknown, warning?: string): void {
    this.server.drops(reason, this.method.label, detail, warning, call)
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
