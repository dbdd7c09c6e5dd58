import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { BusRuntime, Limits } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import { makeBus } from "./bus.ts"
import { makeCloseDeadline } from "./connection/closeDeadline.ts"
import { checkConnection } from "./connection/natsConnection.ts"
import { NatsIdentity } from "./connection/natsIdentity.ts"
import { open } from "./connection/ownConnection.ts"
import { ReconnectDelay } from "./connection/reconnectDelay.ts"
import { check } from "./options/checks.ts"
import type { ConnectionOptions, Options } from "./options/optionTypes.ts"
import { serverOptions } from "./options/serverOptions.ts"

const defaultInboxPrefix = "_INBOX"

type Made = Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope>

/** Makes a bus that opens its own connection. */
export const make = Effect.fnUntraced(function* (options: Options = {}): Made {
  const limits = yield* check.limits(options)
  const { address, nats, secrets } = yield* serverOptions(options)
  const heartbeat = yield* check.millis("heartbeat", options.heartbeat ?? Limits.defaultHeartbeat)
  const delays = yield* check.delays(options.reconnect)
  const runtime = yield* BusRuntime.make
  const broker = new NatsIdentity(address, secrets)
  const closeDeadline = makeCloseDeadline(runtime, limits.closeTimeout)
  const reconnectDelay = new ReconnectDelay(delays)
  const { connectTimeout } = limits
  const connection = yield* open({ nats, connectTimeout, heartbeat }, broker, reconnectDelay, closeDeadline)
  const inboxPrefix = options.nats?.inboxPrefix ?? defaultInboxPrefix
  const own = { gracePeriod: Limits.gracePeriodFor(delays.maxDelay), inboxPrefix, listener: reconnectDelay }
  return yield* makeBus(connection, { ...limits, ...own }, broker, runtime, closeDeadline)
})

/** Makes a bus on the caller's connection. */
export const makeConnection = Effect.fnUntraced(function* (options: ConnectionOptions): Made {
  const { connection, inboxPrefix = defaultInboxPrefix } = options
  const refusal = checkConnection(connection)
  if (refusal !== undefined) return yield* refusal
  const limits = yield* check.limits(options)
  const runtime = yield* BusRuntime.make
  const broker = new NatsIdentity(connection.getServer(), [])
  const closeDeadline = makeCloseDeadline(runtime, limits.closeTimeout)
  const given = { gracePeriod: Limits.defaultGracePeriod, inboxPrefix }
  return yield* makeBus(connection, { ...limits, ...given }, broker, runtime, closeDeadline)
})
