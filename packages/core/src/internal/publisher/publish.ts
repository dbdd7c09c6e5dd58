/** Publishes the updates of one method. */
import { type Clock, Effect, Exit } from "effect"
import type { Delivery, MessageBus } from "../../MessageBus.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import type { PublishOptions } from "../calls/callOptions.ts"
import { byTopic } from "../definition/byTopic.ts"
import type { SubscriptionMethod } from "../definition/method.ts"
import { unencodable } from "../errors/failures.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import * as Attributes from "../telemetry/attributes.ts"
import type { Outcome, Series } from "../telemetry/metrics/series.ts"
import { type CallSpan, templateOfUpdates, within } from "../telemetry/spans.ts"
import { millisOf } from "../time/millis.ts"
import { encodeValue } from "../wire/callEnvelope.ts"
import * as Channels from "../wire/channel.ts"

/** One update, from publishing to its outcome. */
class Update implements Delivery {
  readonly #resume: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void
  readonly #series: Series
  #isWanted = true

  constructor(resume: (exit: Exit.Exit<void, PsrpcError.PsrpcError>) => void, series: Series) {
    this.#resume = resume
    this.#series = series
  }

  wanted(): boolean {
    return this.#isWanted
  }

  // an update without listeners is published all the same
  delivered(): void {
    this.#end(Exit.void, "ok")
  }

  undelivered(error: PsrpcError.PsrpcError): void {
    this.#end(Exit.fail(error), error.code)
  }

  /** Withdraws the update, unless it was sent. */
  withdraw(): void {
    this.#over("canceled")
  }

  #end(exit: Exit.Exit<void, PsrpcError.PsrpcError>, outcome: Outcome): void {
    if (this.#over(outcome)) this.#resume(exit)
  }

  #over(outcome: Outcome): boolean {
    if (!this.#isWanted) return false
    this.#isWanted = false
    this.#series.finish(outcome)
    return true
  }
}

export interface AnyPublishOptions extends PublishOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
}

/** Makes the function that publishes a method's updates, with everything that is made once per method. */
export const publisher = (
  bus: MessageBus["Service"],
  clock: Clock.Clock,
  method: SubscriptionMethod,
  defaultMillis: number,
  series: Series
): ((message: unknown, options?: AnyPublishOptions) => Effect.Effect<void, PsrpcError.PsrpcError>) => {
  const { label, name, queue, service, type } = method
  // unique: equal updates are separate updates, also for a queue that identifies messages by their bytes
  const targetOf = byTopic(method, (topic) =>
    bus.target(Channels.request(service, name, topic, queue), { unique: true })
  )
  const spanTemplate = templateOfUpdates(method, "producer")

  const publish = (
    message: unknown,
    options: AnyPublishOptions | undefined,
    span: CallSpan | undefined
  ): Effect.Effect<void, PsrpcError.PsrpcError> => {
    let target: ReturnType<typeof targetOf>
    let timeout: number
    let raw: Uint8Array
    try {
      target = targetOf(options?.topic)
      timeout = options?.timeout === undefined ? defaultMillis : millisOf("timeout", options.timeout)
    } catch (cause) {
      return Effect.fail(invalidArgument(`${label}: ${messageOf(cause)}`, cause))
    }
    try {
      raw = method.message.encode(message)
    } catch (cause) {
      return Effect.fail(unencodable(label, "update", cause))
    }
    span?.attribute(Attributes.messagingBodySize, raw.length)
    // sent within the callback: an interruption before it sends nothing
    return Effect.callback((resume) => {
      const update = new Update(resume, series)
      const value = encodeValue(target, type, raw, span?.context())
      series.started++
      series.send(raw.length)
      bus.publishUnsafe(target, value, clock.currentTimeMillisUnsafe() + timeout, update)
      return Effect.sync(() => update.withdraw())
    })
  }

  return (message, options) =>
    Effect.withFiber((fiber) =>
      fiber.cache.tracer === undefined
        ? publish(message, options, undefined)
        : within(fiber, spanTemplate, Attributes.destination(method, options?.topic), (span) =>
            publish(message, options, span)
          )
    )
}
