/** Makes a test network: a client, its servers, the records of their calls, and faults. */
import { Context, Effect, Layer, Scope, Tracer } from "effect"
import * as Client from "../../../Client.ts"
import type * as Interceptor from "../../../Interceptor.ts"
import { type AnyEffect, CurrentCall } from "../../../internal/calls/callContext.ts"
import { invalidArgument } from "../../../internal/errors/invalidArgument.ts"
import { millisOf } from "../../../internal/time/millis.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as Metadata from "../../../Metadata.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"
import * as Publisher from "../../../Publisher.ts"
import type * as Service from "../../../Service.ts"
import * as Faulty from "../../FaultyMessageBus.ts"
import { CallRecorder } from "./callRecorder.ts"
import { messageKinds } from "./faultOptions.ts"
import { type AnyCallInfo, type AnyFaultOptions, FaultRules } from "./faultRules.ts"
import type { AnyTestNetwork, Options, Target, TestNetwork, TestServer } from "./testNetworkTypes.ts"
import type { ServerOptions } from "./serverOptions.ts"
import { layer as brokerLayer, makeTestBroker, TestBroker } from "./testBroker.ts"
import { makeTestServer } from "./testServer.ts"
import { Waiters } from "./waiters.ts"

type AnyOptions = Options<ReadonlyArray<Interceptor.Any>>

const brokers = new WeakMap<AnyTestNetwork, TestBroker["Service"]>()

const brokerOf = (network: AnyTestNetwork): TestBroker["Service"] => {
  const found = brokers.get(network)
  if (found === undefined) throw new TypeError("join: expected the result of PsrpcTest.make or PsrpcTest.network")
  return found
}

const serviceOf = <S extends Service.Any>(target: Target<S>): S => ("service" in target ? target.service : target)

/** Returns the key of a service's test network in the context. */
export const keyOf = <S extends Service.Any>(target: Target<S>): Context.Service<TestNetwork<S>, TestNetwork<S>> =>
  Context.Service<TestNetwork<S>>(`@effect-psrpc/core/testing/PsrpcTest/${serviceOf(target).serviceName}`)

const makeOn = Effect.fnUntraced(function* <S extends Service.Any>(
  broker: TestBroker["Service"],
  service: S,
  serverOptions: ReadonlyArray<ServerOptions<S>>,
  options: AnyOptions | undefined
): Effect.fn.Return<TestNetwork<S>, PsrpcError, Scope.Scope> {
  const { clock, connection, reliable } = broker
  const { serviceName } = service
  const label = `test network of ${serviceName}`
  const rules = new FaultRules()
  const recorder = new CallRecorder(service, () => clock.currentTimeMillisUnsafe())
  const waiters = new Waiters()
  yield* broker.observe((sender, bytes, message) => {
    const recorded = recorder.record(sender, message.channel, bytes)
    if (recorded === undefined) return undefined
    waiters.check()
    const { key, kind, record } = recorded
    return rules.messageFault(key, kind, sender, record as unknown as AnyCallInfo, message)
  })

  const client = yield* Effect.provideService(Client.make(service, options?.client), MessageBus, connection)
  const publisher = yield* Effect.provideService(Publisher.make(service), MessageBus, reliable)
  const servers = new Map<string, TestServer<S>>()
  for (const [i, options] of serverOptions.entries()) {
    const serverId = options.serverId ?? `server-${i + 1}`
    if (servers.has(serverId))
      return yield* Effect.fail(invalidArgument(`${label}: two servers with the id ${serverId}`))
    servers.set(serverId, (yield* makeTestServer({ broker, service, serverId, options, rules } as never)) as never)
  }

  const serverOf = (serverId: string): TestServer<S> => {
    const server = servers.get(serverId)
    if (server !== undefined) return server
    throw new TypeError(`${label}: no server ${serverId}: the servers are ${[...servers.keys()].join(", ")}`)
  }
  const isSubscription = (key: string): boolean => service.methods[key]?.kind === "subscription"
  /** Checks the arguments of untyped programs: a fault that never happens would be a test without effect. */
  const checked = <R>(
    key: string,
    options: AnyFaultOptions | undefined,
    add: () => Effect.Effect<void, never, R>
  ): Effect.Effect<void, never, R> =>
    Effect.suspend(() => {
      if (!Object.hasOwn(service.methods, key)) throw new TypeError(`${label}: no method ${key}`)
      if (options?.serverId !== undefined) serverOf(options.serverId)
      return add()
    })
  const inject = (
    key: string,
    kind: string,
    fault: (call: AnyCallInfo) => Faulty.Fault,
    options: AnyFaultOptions | undefined
  ) =>
    checked(key, options, () => {
      const kinds: ReadonlyArray<string> = messageKinds[service.methods[key]!.kind]
      if (kinds.includes(kind)) return rules.addMessageRule(key, options, { kind, fault })
      throw new TypeError(`${label}, ${key}: no messages of kind ${kind}: the kinds are ${kinds.join(", ")}`)
    })

  const network: TestNetwork<S> = {
    serviceName,
    client,
    publisher,
    connection,
    servers: [...servers.values()],
    server: serverOf,
    calls: (method?: string) => ofMethod(recorder.calls, method) as never,
    updates: (method?: string) => ofMethod(recorder.updates, method) as never,
    waitUntil: (predicate) => waiters.wait(predicate),
    fail: (key, error, options) => {
      const errorOf = (call: AnyCallInfo): unknown =>
        typeof error === "function" ? (error as (call: AnyCallInfo) => unknown)(call) : error
      if (isSubscription(key)) {
        const fault = (call: AnyCallInfo) => ({ latency: 0, copies: [], error: errorOf(call) as PsrpcError })
        return inject(key, "update", fault, options)
      }
      const handle = (call: AnyCallInfo): AnyEffect => Effect.suspend(() => Effect.fail(errorOf(call)))
      return checked(key, options, () => rules.addHandlerRule(key, options, { handle }))
    },
    delay: (key, duration, options) => {
      if (isSubscription(key)) return inject(key, "update", () => Faulty.delay(duration), options)
      return checked(key, options, () => rules.addHandlerRule(key, options, { delay: millisOf("delay", duration) }))
    },
    handle: (key, handler, options) =>
      checked(key, options, () => {
        if (isSubscription(key)) throw new TypeError(`${label}, ${key}: a subscription method has no handler`)
        return Effect.contextWith((context: Context.Context<Scope.Scope>) => {
          // each call has its own of these
          const services = Context.omit(
            Scope.Scope,
            Tracer.ParentSpan,
            Metadata.Outgoing,
            CurrentCall
          )(context as never)
          const handle = (_: AnyCallInfo, ...args: ReadonlyArray<unknown>): AnyEffect =>
            Effect.provideContext(
              (handler as (...args: ReadonlyArray<unknown>) => AnyEffect)(...args),
              services as never
            )
          return rules.addHandlerRule(key, options, { handle })
        })
      }) as never,
    lose: (key, kind, options) => inject(key, kind, () => Faulty.lose, options),
    inject: (key, kind, fault, options) => inject(key, kind, () => fault, options),
    reset: Effect.gen(function* () {
      rules.clear()
      for (const server of servers.values()) yield* server.start
      for (const each of [connection, ...Array.from(servers.values(), (server) => server.connection)]) {
        yield* each.setFaults(Faulty.none)
        yield* each.heal
        yield* each.reconnect
        yield* each.clearRecords
      }
      recorder.clear()
    })
  }
  brokers.set(network, broker)
  return network
})

const ofMethod = <R extends { readonly method: string }>(
  records: ReadonlyArray<R>,
  method: string | undefined
): ReadonlyArray<R> => (method === undefined ? records.slice() : records.filter((record) => record.method === method))

/** Makes a test network on a broker of its own, or on that of another network. */
export const make = <S extends Service.Any>(
  target: Target<S>,
  servers: ReadonlyArray<ServerOptions<S>>,
  options: (AnyOptions & { readonly join?: AnyTestNetwork | undefined }) | undefined
): Effect.Effect<TestNetwork<S>, PsrpcError, Scope.Scope> =>
  Effect.suspend(() => {
    const broker = options?.join === undefined ? makeTestBroker : Effect.succeed(brokerOf(options.join))
    return Effect.flatMap(broker, (broker) => makeOn(broker, serviceOf(target), servers, options))
  })

/** Makes a Layer of a test network, of its client if `target` is a client's class, and of its broker's connection. */
export const layer = <S extends Service.Any>(
  target: Target<S>,
  servers: ReadonlyArray<ServerOptions<S>>,
  options: AnyOptions | undefined
): Layer.Layer<never, PsrpcError> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const network = yield* makeOn(yield* TestBroker, serviceOf(target), servers, options)
      const context = Context.make(keyOf(target), network)
      return Context.isKey(target) ? Context.add(context, target as never, network.client as never) : context
    })
  ).pipe(Layer.provideMerge(brokerLayer)) as Layer.Layer<never, PsrpcError>
