/** Makes a server: checks its options, finds its handlers, and registers the methods that need no call of `register`. */
import { Context, Effect, Scope, Tracer } from "effect"
import { MessageBus } from "../../MessageBus.ts"
import * as Metadata from "../metadata/model.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import { configured } from "../calls/configurable.ts"
import type * as Interceptor from "../calls/interceptorTypes.ts"
import type { AnyMethods, Service } from "../definition/service.ts"
import { BoundedCache } from "../support/boundedCache.ts"
import { CurrentCall } from "../calls/callContext.ts"
import { CurrentControl } from "../calls/callControl.ts"
import { defaultBufferSize, defaultKeepalive } from "../calls/defaults.ts"
import * as Channels from "../wire/channel.ts"
import * as Deadlines from "../time/deadlines.ts"
import * as Drops from "../telemetry/drops.ts"
import * as MethodMetrics from "../telemetry/metrics/methodMetrics.ts"
import { newServerId } from "../wire/id.ts"
import { intercepted } from "./interceptedHandler.ts"
import { type CalledMethod, methodOf } from "../definition/method.ts"
import { checkCount, checkTimeout, refuse as refused } from "../errors/checks.ts"
import { messageOf } from "../errors/messageOf.ts"
import { checkInterceptors } from "../interceptors/checkInterceptors.ts"
import { checkKeepalive } from "../stream/keepalive.ts"
import { checkServerId } from "./serverId.ts"
import { CallDispatch, type CallHandler } from "./callDispatch.ts"
import { type AnyHandler, handlerOf } from "./handlerOf.ts"
import { Idle } from "./idle.ts"
import { type Entry, Registrations } from "./registrations.ts"
import type { AnyTopic } from "../calls/callContext.ts"
import type { Replies, ServerState } from "./serverState.ts"
import type { ConfigOptions, Options, Server } from "./serverTypes.ts"
import { StreamDispatch, type StreamHandler } from "./streamDispatch.ts"

/** Milliseconds. */
export const defaultDrainTimeout = 3000

/** Milliseconds. */
export const defaultSendTimeout = 3000

export const defaultMaxInFlight = 10_000

/** Maximum number of clients whose targets a server keeps. */
const maxClients = 10_000

/** Returns a property that is not inherited: a key may be the name of a member of `Object`. */
const own = <A>(record: { readonly [key: string]: A }, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** `Server.make`, with handlers of any type. */
export const make = Effect.fnUntraced(function* <Name extends string, M extends AnyMethods>(
  service: Service<Name, M>,
  handlers: object,
  options: Options<M, ReadonlyArray<Interceptor.Any>> = {}
): Effect.fn.Return<Server<M>, PsrpcError.PsrpcError, any> {
  const name = service.serviceName
  const at = `server of ${name}`
  const scope = yield* Effect.scope
  // handlers do not get values of the Layer, or of the call, in which the server is made
  const context = Context.omit(
    Scope.Scope,
    Tracer.ParentSpan,
    Metadata.Outgoing,
    CurrentCall,
    CurrentControl
  )(yield* Effect.context<any>()) as Context.Context<never>
  const serverId = options.serverId === undefined ? newServerId() : yield* checkServerId(at, options.serverId)
  const maxInFlight = yield* checkCount(at, "maxInFlight", options.maxInFlight ?? defaultMaxInFlight)
  const maxPendingAffinity = yield* checkCount(
    at,
    "maxPendingAffinity",
    options.maxPendingAffinity ?? defaultBufferSize
  )
  const streamBufferSize = yield* checkCount(at, "streamBufferSize", options.streamBufferSize ?? defaultBufferSize)
  const drainTimeout = yield* checkTimeout(at, "drainTimeout", options.drainTimeout ?? defaultDrainTimeout)
  const sendTimeout = yield* checkTimeout(at, "sendTimeout", options.sendTimeout ?? defaultSendTimeout)
  const keepalive = yield* checkKeepalive(at, options.keepalive ?? defaultKeepalive)
  const interceptors = yield* checkInterceptors(at, "server", options.interceptors)
  const bus = yield* MessageBus
  const idle = new Idle()
  const metrics = MethodMetrics.make(context, "server", name)
  const state: ServerState = {
    serverId,
    bus,
    deadlines: yield* Deadlines.make,
    metrics,
    drops: Drops.make(context, metrics),
    context,
    replies: new BoundedCache<string, Replies>(maxClients, (clientId) => ({
      claim: bus.target(Channels.claimRequest(name, clientId)),
      response: bus.target(Channels.response(name, clientId)),
      stream: bus.target(Channels.clientStream(name, clientId))
    })),
    maxInFlight,
    maxPendingAffinity,
    streamBufferSize,
    sendTimeout,
    keepalive,
    idle,
    isKilled: false
  }
  const registrations = new Registrations(state, name, idle, drainTimeout)
  yield* registrations.closeWith(scope)

  const methods = new Map<string, { readonly method: CalledMethod; readonly handler: AnyHandler }>()
  for (const key of Object.keys(service.methods)) {
    const method = methodOf(service, key)
    if (method.kind === "subscription") continue
    const handler = yield* handlerOf(handlers, key, method)
    methods.set(key, { method, handler: intercepted(interceptors, method, handler) })
  }
  const refuse = (problem: string): Effect.Effect<never, PsrpcError.PsrpcError> => refused(`${at}: ${problem}`)
  const extra = Object.keys(handlers).find((key) => !methods.has(key))
  if (extra !== undefined) {
    return yield* refuse(
      own(service.methods, extra) === undefined
        ? `there is a handler for "${extra}": expected one of its methods ${[...methods.keys()].join(", ")}`
        : `there is a handler for "${extra}", a subscription: make a Publisher to send its updates`
    )
  }

  /** Makes the entries of methods for a topic. */
  const entries = (
    keys: ReadonlyArray<string>,
    topic: AnyTopic | undefined
  ): Effect.Effect<ReadonlyArray<Entry>, PsrpcError.PsrpcError> =>
    Effect.forEach(keys, (key) =>
      Effect.suspend((): Effect.Effect<Entry, PsrpcError.PsrpcError> => {
        const known = methods.get(key)
        if (known === undefined)
          return refuse(`there is no method "${key}": expected one of ${[...methods.keys()].join(", ")}`)
        const { handler, method } = known
        try {
          const parts = method.topic.encode(topic)
          const dispatch =
            method.kind === "stream"
              ? new StreamDispatch(state, method, topic ?? {}, handler as unknown as StreamHandler)
              : new CallDispatch(state, method, topic ?? {}, handler as CallHandler)
          return Effect.succeed({ method, topic: parts, dispatch })
        } catch (cause) {
          return refuse(`method ${key}: ${messageOf(cause)}`)
        }
      })
    )
  /** Makes the entry of a method that is in no topic group. */
  const alone = (key: string, topic: AnyTopic): ReturnType<typeof entries> => {
    const group = methods.get(key)?.method.group
    return group === undefined
      ? entries([key], topic)
      : refuse(`method ${key} is in the topic group "${group}": use registerGroup, or the option groups`)
  }
  const members = (group: string, topic: AnyTopic): ReturnType<typeof entries> => {
    const keys = [...methods].filter(([, { method }]) => method.group === group).map(([key]) => key)
    return keys.length > 0 ? entries(keys, topic) : refuse(`no method is in the topic group "${group}"`)
  }
  const topics = (options.topics ?? {}) as Record<string, ReadonlyArray<AnyTopic>>
  const groups = (options.groups ?? {}) as Record<string, ReadonlyArray<AnyTopic>>
  const atOnce = [
    ...[...methods].filter(([, { method }]) => method.topic.names.length === 0).map(([key]) => entries([key], {})),
    ...Object.keys(topics).flatMap((key) => topics[key]!.map((topic) => alone(key, topic))),
    ...Object.keys(groups).flatMap((group) => groups[group]!.map((topic) => members(group, topic)))
  ]
  const first = (yield* Effect.all(atOnce)).flat()
  yield* Effect.forEach(first, (entry) => registrations.add(entry), { concurrency: "unbounded", discard: true })

  return {
    serverId,
    register: (key, topic) => Effect.flatMap(alone(key, topic as AnyTopic), (all) => registrations.addScoped(all)),
    deregister: (key, topic) => Effect.flatMap(alone(key, topic as AnyTopic), (all) => registrations.remove(all)),
    registerGroup: (group, topic) =>
      Effect.flatMap(members(group, topic as AnyTopic), (all) => registrations.addScoped(all)),
    deregisterGroup: (group, topic) =>
      Effect.flatMap(members(group, topic as AnyTopic), (all) => registrations.remove(all)),
    drain: registrations.drain,
    kill: registrations.kill
  }
})

/** Makes a server from handlers, or from an Effect that makes them. */
export const makeFrom = <Name extends string, M extends AnyMethods>(
  service: Service<Name, M>,
  handlers: object,
  options: Options<M, ReadonlyArray<Interceptor.Any>> | undefined
): Effect.Effect<Server<M>, unknown, unknown> =>
  Effect.flatMap(Effect.isEffect(handlers) ? handlers : Effect.succeed(handlers), (made) =>
    make(service, made as never, options)
  )

/** Makes a server with options from the configuration. */
export const makeConfigured = <Name extends string, M extends AnyMethods>(
  service: Service<Name, M>,
  handlers: object,
  options: ConfigOptions<M, ReadonlyArray<Interceptor.Any>>
): Effect.Effect<Server<M>, unknown, unknown> =>
  Effect.flatMap(configured<Options<M, ReadonlyArray<Interceptor.Any>>>(options), (read) =>
    makeFrom(service, handlers, read)
  )
