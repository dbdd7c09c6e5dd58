/** A net: a client, its servers, what is recorded of them and what goes wrong. */
import { Context, Effect, Scope, Tracer } from "effect"
import * as Client from "../../../Client.ts"
import { CurrentCall } from "../../../internal/calls/callContext.ts"
import { invalidArgument } from "../../../internal/errors/invalidArgument.ts"
import { millisOf } from "../../../internal/time/millis.ts"
import type { AnyEffect } from "../../../internal/calls/callContext.ts"
import type * as Interceptor from "../../../Interceptor.ts"
import { MessageBus } from "../../../MessageBus.ts"
import * as Metadata from "../../../Metadata.ts"
import type { PsrpcError } from "../../../PsrpcError.ts"
import * as Publisher from "../../../Publisher.ts"
import type * as Rpc from "../../../Rpc.ts"
import type * as Service from "../../../Service.ts"
import * as Faulty from "../../FaultyMessageBus.ts"
import type { AnyNet, Net, TestServer } from "../../PsrpcTest.ts"
import type { Network } from "./network.ts"
import { type CallRecord, Recorder, type UpdateRecord } from "./recorder.ts"
import { type AnyAsked, type AnyFaultOptions, Rules } from "./rules.ts"
import { makeServer } from "./server.ts"
import type { Part, ServerOptions } from "./types.ts"

const networks = new WeakMap<AnyNet, Network["Service"]>()

/** The network of a net, for another to join. */
export const networkOf = (net: AnyNet): Network["Service"] => {
  const found = networks.get(net)
  if (found === undefined) throw new TypeError("join: expected what PsrpcTest.make or PsrpcTest.net gives")
  return found
}

/** The messages that each kind of method has on the network. */
const parts: { readonly [K in Rpc.Kind]: ReadonlyArray<Part<{ readonly kind: K }>> } = {
  unary: ["request", "claim", "choice", "answer"],
  multi: ["request", "choice", "answer"],
  stream: ["request", "claim", "choice", "answer", "sent", "received", "ack", "close"],
  subscription: ["update"]
}

/** What waits for something to be recorded. */
interface Waiting {
  readonly isSo: () => boolean
  readonly resume: (effect: Effect.Effect<void>) => void
}

export const makeNet = Effect.fnUntraced(function* <Name extends string, M extends Service.AnyMethods>(
  network: Network["Service"],
  service: Service.Service<Name, M>,
  stated: ReadonlyArray<ServerOptions<M>>,
  clientOptions: Client.Options<ReadonlyArray<Interceptor.Any>> | undefined
): Effect.fn.Return<Net<Name, M>, PsrpcError, Scope.Scope> {
  const { clock, connection, plain } = network
  const name = service.serviceName
  const rules = new Rules()
  const recorder = new Recorder(service, () => clock.currentTimeMillisUnsafe())
  const waiting = new Set<Waiting>()
  yield* network.observe((sender, channel, bytes, message) => {
    const seen = recorder.see(sender, channel, bytes)
    if (seen === undefined) return undefined
    for (const each of waiting) recheck(each)
    return rules.fault(seen.key, seen.part, sender, seen.record as unknown as AnyAsked, message)
  })

  const recheck = (one: Waiting): void => {
    let outcome: Effect.Effect<void> = Effect.void
    try {
      if (!one.isSo()) return
    } catch (defect) {
      outcome = Effect.die(defect)
    }
    waiting.delete(one)
    one.resume(outcome)
  }

  const client = yield* Effect.provideService(Client.make(service, clientOptions), MessageBus, connection)
  const publisher = yield* Effect.provideService(Publisher.make(service), MessageBus, plain)
  const servers = new Map<string, TestServer<M>>()
  const at = `net of ${name}`
  for (const [i, options] of stated.entries()) {
    const serverId = options.serverId ?? `server-${i + 1}`
    if (servers.has(serverId)) return yield* Effect.fail(invalidArgument(`${at}: two servers with the id ${serverId}`))
    servers.set(serverId, (yield* makeServer(network, { service, serverId, options, rules } as never)) as never)
  }

  const serverOf = (serverId: string): TestServer<M> => {
    const server = servers.get(serverId)
    if (server !== undefined) return server
    throw new TypeError(`${at}: no server ${serverId}: there are ${[...servers.keys()].join(", ")}`)
  }
  /** Options of a program without types: a fault that never happens would be a test that tests nothing. */
  const check = (key: string, options: AnyFaultOptions | undefined): void => {
    if (!Object.hasOwn(service.methods, key)) throw new TypeError(`${at}: no method ${key}`)
    if (options?.server !== undefined) serverOf(options.server)
  }
  const isSubscription = (key: string): boolean => service.methods[key]?.kind === "subscription"
  const made = (
    key: string,
    options: AnyFaultOptions | undefined,
    make: () => Effect.Effect<void, never, Scope.Scope>
  ): Effect.Effect<void, never, Scope.Scope> =>
    Effect.suspend(() => {
      check(key, options)
      return make()
    })
  const disturb = (
    key: string,
    part: string,
    fault: (asked: AnyAsked) => Faulty.Fault,
    options: AnyFaultOptions | undefined
  ) =>
    made(key, options, () => {
      const known: ReadonlyArray<string> = parts[service.methods[key]!.kind]
      if (!known.includes(part)) throw new TypeError(`${at}, ${key}: no part ${part}: there are ${known.join(", ")}`)
      return rules.forMessages(key, options, part, fault)
    })

  const net: Net<Name, M> = {
    serviceName: name,
    client,
    publisher,
    connection,
    servers: [...servers.values()],
    server: serverOf,
    calls: (method?: string) => {
      const { calls } = recorder
      return (
        method === undefined ? calls.slice() : calls.filter((call: CallRecord) => call.method === method)
      ) as never
    },
    updates: (method?: string) => {
      const { updates } = recorder
      return (
        method === undefined ? updates.slice() : updates.filter((update: UpdateRecord) => update.method === method)
      ) as never
    },
    until: (isSo) =>
      Effect.callback((resume) => {
        const one: Waiting = { isSo, resume }
        waiting.add(one)
        recheck(one)
        return Effect.sync(() => waiting.delete(one))
      }),
    fail: (key, error, options) => {
      const errorOf = (asked: AnyAsked): unknown =>
        typeof error === "function" ? (error as (asked: AnyAsked) => unknown)(asked) : error
      if (isSubscription(key)) {
        const fault = (asked: AnyAsked) => ({ latency: 0, copies: [], error: errorOf(asked) as PsrpcError })
        return disturb(key, "update", fault, options)
      }
      const handle = (asked: AnyAsked): AnyEffect => Effect.suspend(() => Effect.fail(errorOf(asked)))
      return made(key, options, () => rules.forHandlers(key, options, { handle }))
    },
    delay: (key, duration, options) => {
      if (isSubscription(key)) return disturb(key, "update", () => Faulty.delay(duration), options)
      return made(key, options, () => rules.forHandlers(key, options, { delay: millisOf("delay", duration) }))
    },
    handle: (key, handler, options) =>
      made(key, options, () => {
        if (isSubscription(key)) throw new TypeError(`${at}, ${key}: a subscription has no handler`)
        return Effect.contextWith((context: Context.Context<Scope.Scope>) => {
          // the call has these of its own
          const own = Context.omit(Scope.Scope, Tracer.ParentSpan, Metadata.Outgoing, CurrentCall)(context as never)
          const handle = (_: AnyAsked, ...args: ReadonlyArray<unknown>): AnyEffect =>
            Effect.provideContext((handler as (...args: ReadonlyArray<unknown>) => AnyEffect)(...args), own as never)
          return rules.forHandlers(key, options, { handle })
        })
      }) as never,
    lose: (key, part, options) => disturb(key, part, () => Faulty.lose, options),
    disturb: (key, part, fault, options) => disturb(key, part, () => fault, options),
    reset: Effect.gen(function* () {
      rules.clear()
      for (const server of servers.values()) yield* server.start
      const connections = [connection, ...Array.from(servers.values(), (server) => server.connection)]
      for (const each of connections) {
        yield* each.setFaults(Faulty.none)
        yield* each.heal
        yield* each.reconnect
        yield* each.forget
      }
      recorder.clear()
    })
  }
  networks.set(net, network)
  return net
})
