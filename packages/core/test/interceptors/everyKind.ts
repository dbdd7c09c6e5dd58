/** A service with every kind of method, and servers of it, for interceptors to be around. */
import { Context, Effect, Schema, Stream } from "effect"
import type * as Client from "../../src/Client.ts"
import type * as Interceptor from "../../src/Interceptor.ts"
import { multi } from "../../src/internal/client/multiCall.ts"
import { opener } from "../../src/internal/client/streamCall.ts"
import { subscriber } from "../../src/internal/client/subscription.ts"
import { unary } from "../../src/internal/client/unaryCall.ts"
import { entriesOf } from "../../src/internal/interceptors/chain.ts"
import { servicesOf } from "../../src/internal/interceptors/interceptorServices.ts"
import * as Intercepted from "../../src/internal/client/clientChains.ts"
import {
  type CallMethod,
  methodOf,
  type StreamMethod,
  type SubscriptionMethod
} from "../../src/internal/definition/method.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { openClient } from "../helpers/openClient.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

export class Kinds extends Service.make("Kinds", {
  ask: Rpc.unary({ request: Schema.String, response: Schema.String, error: Refused }),
  other: Rpc.unary({ request: Schema.String, response: Schema.String }),
  best: Rpc.unary({ request: Schema.String, response: Schema.String, routing: "affinity" }),
  all: Rpc.multi({ request: Schema.String, response: Schema.String }),
  talk: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  news: Rpc.subscription({ message: Schema.String, routing: "multi" }),
  rumours: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

/** Handlers that give back what they get. */
export const echoes = Kinds.of({
  ask: (request) => Effect.succeed(request),
  other: (request) => Effect.succeed(request),
  best: { affinity: 1, handle: (request) => Effect.succeed(request) },
  all: (request) => Effect.succeed(request),
  talk: (stream) => Stream.runForEach(stream.messages, (message) => stream.send(message))
})

/** A server that gives back what it gets, behind interceptors. */
export const echo = <const I extends ReadonlyArray<Interceptor.Any>>(...interceptors: I) =>
  Server.make(Kinds, echoes, { interceptors })

/** Notes that something has happened. */
export const note = (events: Array<string>, event: string): Effect.Effect<void> =>
  Effect.sync(() => {
    events.push(event)
  })

/** A client of these kinds whose state the test can see. */
export const seenThrough = Effect.fnUntraced(function* (interceptors: ReadonlyArray<Interceptor.NoRequirements>) {
  const services = servicesOf(Context.empty())
  const state = yield* openClient("Kinds", { interception: { entries: entriesOf(interceptors), services } })
  const called = (key: "ask" | "all") => methodOf(Kinds, key) as CallMethod
  const talk = methodOf(Kinds, "talk") as StreamMethod
  const news = methodOf(Kinds, "news") as SubscriptionMethod
  const client = {
    ask: Intercepted.unary(state, called("ask"), unary(state, called("ask"))),
    all: Intercepted.multi(state, called("all"), multi(state, called("all"))),
    talk: Intercepted.stream(state, talk, opener(state, talk)),
    news: Intercepted.subscriber(state, news, subscriber(state, news))
  }
  return { state, client: client as unknown as Pick<Client.From<typeof Kinds>, keyof typeof client> }
})
