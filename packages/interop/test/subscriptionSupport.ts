/** What the tests of subscriptions share: the Go peer's as our service, and readers of either side. */
import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { type PsrpcError, Rpc, Service } from "@effect-psrpc/core"
import { Effect, Fiber, Metric, Stream } from "effect"
import type { GoPeer, SubscriptionMethod, TopicParts } from "../src/index.ts"
import { eventually, newServiceName } from "./support.ts"

const message = StringValueSchema

export const newUpdates = () =>
  Service.make(newServiceName(), {
    jobDone: Rpc.subscription({ message }),
    jobDoneIn: Rpc.subscription({ message, topic: ["region"] }),
    regionChanged: Rpc.subscription({ message, topic: ["region"], routing: "multi" })
  })

/** Reads into a list, in the background. */
export const reading = (updates: Stream.Stream<{ readonly value: string }, PsrpcError.PsrpcError>) =>
  Effect.gen(function* () {
    const texts: Array<string> = []
    const fiber = yield* Effect.forkScoped(
      Stream.runForEach(updates, ({ value }) => Effect.sync(() => texts.push(value)))
    )
    return { texts, done: Fiber.join(fiber) }
  })

/** A subscription of the Go peer's, read into a list. */
export const subscribeGo = (go: GoPeer.GoPeer, method: SubscriptionMethod, topic?: TopicParts) =>
  Effect.gen(function* () {
    const { sub } = yield* go.command("subscribe", { method, ...(topic !== undefined && { topic }) })
    const texts: Array<string> = []
    const next = go.event("update", (event) => event.sub === sub)
    yield* Effect.forkScoped(
      Effect.forever(Effect.map(next, ({ text, typeUrl }) => void texts.push(text ?? `no text: ${typeUrl}`)))
    )
    return { texts, unsubscribe: go.command("unsubscribe", { sub }) }
  })

export interface Reader {
  readonly texts: ReadonlyArray<string>
}

/** All that the readers have got together, once it is so many. */
export const together = (readers: ReadonlyArray<Reader>, count: number) =>
  eventually(
    Effect.sync(() => readers.flatMap(({ texts }) => texts)),
    ({ length }) => length >= count
  )

/** How many messages were dropped, for a reason, by clients of a service. */
export const dropped = (reason: string, service: string) =>
  Effect.map(Metric.snapshot, (metrics) => {
    let count = 0
    for (const { attributes, id, state } of metrics) {
      if (id !== "psrpc_messages_dropped" || attributes?.["reason"] !== reason) continue
      if (attributes["service"] === service) count += (state as Metric.CounterState<number>).count
    }
    return count
  })
