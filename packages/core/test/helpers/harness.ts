/** What the tests of core share: a bus that tells what went over it, and peers that are played by hand. */
import { type Cause, Context, Effect, type Exit, type Fiber, Layer, Logger, Metric, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import { decodeMsg } from "../../src/internal/wire/msg.ts"
import { type Delivery, MessageBus } from "../../src/MessageBus.ts"

/** A message on the bus: the channel, and the name of what is in it (`Request`, `Response`, …). */
export interface Published {
  readonly channel: string
  readonly type: string
  readonly message: Uint8Array
}

/** Everything that was published on the bus of the test, in order. */
export class Traffic extends Context.Service<Traffic, Array<Published>>()("test/Traffic") {}

export interface Logged {
  readonly level: string
  readonly text: string
  readonly cause: Cause.Cause<unknown>
}

/** Everything that was logged in the test, at any level. */
export class Logs extends Context.Service<Logs, Array<Logged>>()("test/Logs") {}

/** What is in a message, without its package. */
export const typeOf = (message: Uint8Array): string => {
  const msg = decodeMsg(message)
  return msg === "malformed" ? msg : msg.typeUrl.slice(msg.typeUrl.lastIndexOf(".") + 1)
}

const recordedBus = Layer.effectContext(
  Effect.map(LocalMessageBus.make, (bus) => {
    const traffic: Array<Published> = []
    const recording = MessageBus.of({
      ...bus,
      publishUnsafe(target, message, expiry, delivery) {
        traffic.push({ channel: target.name, type: typeOf(message), message })
        bus.publishUnsafe(target, message, expiry, delivery)
      }
    })
    return Context.make(MessageBus, recording).pipe(Context.add(Traffic, traffic))
  })
)

const recordedLogs = Layer.unwrap(
  Effect.sync(() => {
    const logs: Array<Logged> = []
    const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
      logs.push({ level: logLevel, text: (Array.isArray(message) ? message : [message]).map(String).join(" "), cause })
    })
    return Layer.mergeAll(
      Logger.layer([logger]),
      Layer.succeed(References.MinimumLogLevel, "All"),
      Layer.sync(Metric.MetricRegistry, () => new Map()),
      Layer.succeed(Logs, logs)
    )
  })
)

const provided = Effect.provide(Layer.provideMerge(recordedBus, recordedLogs))

const gauges = new Set([
  "psrpc_bus_subscriptions",
  "psrpc_calls_in_flight",
  "psrpc_publishes_in_flight",
  "psrpc_streams_open",
  "psrpc_subscriptions"
])

/** Fails the test where something is still counted as open, with everything closed. */
const nothingIsLeft = Effect.flatMap(Metric.snapshot, (metrics) => {
  const left = metrics.flatMap(({ attributes, id, state }) =>
    gauges.has(id) && (state as Metric.GaugeState<number>).value !== 0
      ? [`${id} ${JSON.stringify(attributes)}: ${(state as Metric.GaugeState<number>).value}`]
      : []
  )
  return left.length === 0 ? Effect.void : Effect.die(new Error(`still counted as open:\n${left.join("\n")}`))
})

/**
 * Gives a test a bus, logs and metrics of its own. The clock goes on while its scope closes, so that a server with
 * handlers that still run does not hold up a test that has failed.
 */
export const onBus = <A, E, R>(
  test: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, MessageBus | Traffic | Logs | Scope.Scope>> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.provide(test, scope))
    const closing = yield* start(Scope.close(scope, exit))
    while (isRunning(closing)) yield* TestClock.adjust("1 second")
    const result = yield* exit
    yield* settle
    yield* nothingIsLeft
    return result
  }).pipe(provided) as Effect.Effect<A, E, Exclude<R, MessageBus | Traffic | Logs | Scope.Scope>>

/** Lets everything happen that needs no time to pass. */
export const settle: Effect.Effect<void> = Effect.gen(function* () {
  for (let i = 0; i < 20; i++) yield* Effect.yieldNow
})

/** Starts it now, up to where it waits. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Whether it still runs. */
export const isRunning = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() === undefined

/** How it ended: fails the test by a throw where it still runs. */
export const exitOf = <A, E>(fiber: Fiber.Fiber<A, E>): Exit.Exit<A, E> => {
  const exit = fiber.pollUnsafe()
  if (exit === undefined) throw new Error("expected the fiber to have ended")
  return exit
}

/** What it failed with. */
export const errorOf = <A, E>(fiber: Fiber.Fiber<A, E>): E => {
  const exit = exitOf(fiber)
  if (exit._tag === "Failure") {
    for (const reason of exit.cause.reasons) if (reason._tag === "Fail") return reason.error
  }
  throw new Error(`expected the fiber to have failed: ${String(exit)}`)
}

/** How many messages were dropped: for a reason, on a side. */
export const dropped = (reason: string, side?: "client" | "server"): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (metrics) => {
    let count = 0
    for (const metric of metrics) {
      const { attributes } = metric
      if (metric.id !== "psrpc_messages_dropped" || attributes?.["reason"] !== reason) continue
      if (side !== undefined && attributes["side"] !== side) continue
      count += (metric.state as Metric.CounterState<number>).count
    }
    return count
  })

const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

/** Publishes bytes on a channel. */
export const publish = (channel: Channels.Channel, message: Uint8Array): Effect.Effect<void, never, MessageBus> =>
  Effect.map(MessageBus, (bus) => bus.publishUnsafe(bus.target(channel), message, Infinity, heedless))

export interface Answer {
  readonly raw?: Uint8Array
  readonly error?: string
  readonly code?: string
  readonly details?: ReadonlyArray<Envelope.Detail>
}

/** The JSON of a value, as a Schema's payload has it. */
export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

/** Servers of one method, played by hand: they hear its requests, and claim or answer the latest when told to. */
export const fakeServers = Effect.fnUntraced(function* (
  service: string,
  method: string,
  options: { readonly topic?: ReadonlyArray<string>; readonly queue?: boolean } = {}
) {
  const { queue = false, topic = [] } = options
  const bus = yield* MessageBus
  const requests: Array<Envelope.Request> = []
  const chosen: Array<Envelope.Claim> = []
  yield* bus.subscribe(Channels.request(service, method, topic, queue), (message) => {
    requests.push(Envelope.decodeRequest(message) as Envelope.Request)
  })
  yield* bus.subscribe(Channels.claimResponse(service, method, topic), (message) => {
    chosen.push(Envelope.decodeClaimResponse(message) as Envelope.Claim)
  })
  const latest = (): Envelope.Request => {
    const request = requests.at(-1)
    if (request === undefined) throw new Error("no request has come")
    return request
  }
  const say = (channel: Channels.Channel, message: Uint8Array): void =>
    bus.publishUnsafe(bus.target(channel), message, Infinity, heedless)
  return {
    requests,
    /** Every claim response, with an empty server id where the call was withdrawn. */
    chosen,
    claim: (serverId: string, affinity = 1): void => {
      const { clientId, id } = latest()
      say(
        Channels.claimRequest(service, clientId),
        Envelope.encodeClaimRequest(Envelope.noFrame, id, serverId, affinity)
      )
    },
    answer: (serverId: string, answer: Answer): void => {
      const { clientId, id } = latest()
      const { code = "", details = [], error = "", raw = new Uint8Array(0) } = answer
      const response = { id, serverId, sentAt: 0, raw, error, code, details }
      say(Channels.response(service, clientId), Envelope.encodeResponse(Envelope.noFrame, response))
    }
  }
})

/** A client played by hand: it hears claims and answers, and sends what it is told to. */
export const fakeClient = Effect.fnUntraced(function* (service: string, clientId = "CLI_fake") {
  const bus = yield* MessageBus
  const claims: Array<Envelope.Claim> = []
  const responses: Array<Envelope.Response> = []
  yield* bus.subscribe(Channels.claimRequest(service, clientId), (message) => {
    claims.push(Envelope.decodeClaimRequest(message) as Envelope.Claim)
  })
  yield* bus.subscribe(Channels.response(service, clientId), (message) => {
    responses.push(Envelope.decodeResponse(message) as Envelope.Response)
  })
  const say = (channel: Channels.Channel, message: Uint8Array): void =>
    bus.publishUnsafe(bus.target(channel), message, Infinity, heedless)
  return {
    claims,
    responses,
    request: (
      method: string,
      request: { readonly id: string; readonly expiry: number } & Partial<Envelope.Request>,
      options: { readonly topic?: ReadonlyArray<string>; readonly queue?: boolean } = {}
    ): void =>
      say(
        Channels.request(service, method, options.topic ?? [], options.queue ?? true),
        Envelope.encodeRequest(Envelope.noFrame, {
          clientId,
          sentAt: 0,
          multi: false,
          metadata: {},
          raw: new Uint8Array(0),
          ...request
        })
      ),
    choose: (method: string, id: string, serverId: string, topic: ReadonlyArray<string> = []): void =>
      say(Channels.claimResponse(service, method, topic), Envelope.encodeClaimResponse(Envelope.noFrame, id, serverId))
  }
})
