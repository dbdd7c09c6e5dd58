import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { BusRuntime, Limits } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import { makeBus } from "./bus.ts"
import { ready } from "./connection/clientEvents.ts"
import { type AnyClient, checkClients, identityOf, identityOfClient } from "./connection/clients.ts"
import { open } from "./connection/ownConnection.ts"
import { check } from "./options/checks.ts"
import type { ClientsOptions, Options } from "./options/optionTypes.ts"
import { connectionOptions } from "./options/redisUrl.ts"

type Made = Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope>

/** Makes a bus that opens its own connections. */
export const make = Effect.fnUntraced(function* (options: Options = {}): Made {
  const limits = yield* check.limits(options)
  const redis = yield* connectionOptions(options.url, options.redis ?? {})
  const interval = yield* check.millis("heartbeat", options.heartbeat ?? Limits.defaultHeartbeat)
  const heartbeat = interval === Infinity ? undefined : interval
  const delays = yield* check.delays(options.reconnect)
  const runtime = yield* BusRuntime.make
  const broker = identityOf(redis)
  const { connectTimeout } = limits
  const opened = open({ redis, connectTimeout, heartbeat, ...delays }, broker, runtime)
  const [publisher, subscriber] = yield* Effect.all([opened, opened], { concurrency: 2 })
  const gracePeriod = Limits.gracePeriodFor(delays.maxDelay)
  const own = { own: true, exclusive: true, heartbeat, gracePeriod }
  return yield* makeBus({ ...limits, ...own, publisher, subscriber }, broker, runtime)
})

/** Makes a bus on the caller's clients. */
export const makeClients = Effect.fnUntraced(function* (options: ClientsOptions): Made {
  const publisher = options.publisher as unknown as AnyClient
  const subscriber = options.subscriber as unknown as AnyClient
  const refusal = checkClients(publisher, subscriber)
  if (refusal !== undefined) return yield* refusal
  const limits = yield* check.limits(options)
  const runtime = yield* BusRuntime.make
  for (const client of new Set([publisher, subscriber])) {
    yield* ready(client, identityOfClient(client), limits.connectTimeout)
  }
  const exclusive = options.exclusive === true
  const given = { own: false, exclusive, heartbeat: undefined, gracePeriod: Limits.defaultGracePeriod }
  return yield* makeBus({ ...limits, ...given, publisher, subscriber }, identityOfClient(publisher), runtime)
})
