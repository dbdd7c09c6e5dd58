/** A client whose state the test can see. */
import { Context, Effect } from "effect"
import * as Channels from "../../src/internal/wire/channel.ts"
import type { ClientState } from "../../src/internal/client/clientState.ts"
import { servicesOf } from "../../src/internal/interceptors/interceptorServices.ts"
import * as Deadlines from "../../src/internal/time/deadlines.ts"
import * as Drops from "../../src/internal/telemetry/drops.ts"
import * as MethodMetrics from "../../src/internal/telemetry/metrics/methodMetrics.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import { decodeStream, type Stream } from "../../src/internal/wire/streamEnvelope.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as Metadata from "../../src/Metadata.ts"

/** It hears the answers, the claims and the streams of a service. */
export const openClient = Effect.fnUntraced(function* (service: string, options: Partial<ClientState> = {}) {
  const bus = yield* MessageBus
  const context = yield* Effect.context<never>()
  const metrics = MethodMetrics.make(context, "client", service)
  const state: ClientState = {
    clientId: "CLI_open",
    bus,
    deadlines: yield* Deadlines.make,
    calls: new Map(),
    streams: new Map(),
    subscriptions: new Set(),
    metrics,
    drops: Drops.make(context, metrics),
    fork: Effect.runForkWith(context),
    timeout: undefined,
    selection: undefined,
    interception: { entries: [], services: servicesOf(Context.empty()) },
    metadata: Metadata.empty,
    maxMetadataSize: 16_384,
    streamBufferSize: 100,
    subscriptionBufferSize: 100,
    multiBufferSize: 100,
    claimBufferSize: 100,
    keepalive: Infinity,
    closed: false,
    ...options
  }
  yield* bus.subscribe(Channels.response(service, state.clientId), (message) => {
    const response = Envelope.decodeResponse(message) as Envelope.Response
    state.calls.get(response.id)?.response(response)
  })
  yield* bus.subscribe(Channels.claimRequest(service, state.clientId), (message) => {
    const claim = Envelope.decodeClaimRequest(message) as Envelope.Claim
    state.calls.get(claim.id)?.claim(claim)
  })
  yield* bus.subscribe(Channels.clientStream(service, state.clientId), (bytes) => {
    const message = decodeStream(bytes) as Stream
    state.streams.get(message.streamId)?.receive(message)
  })
  return state
})
