/** Shared by the cases: connections, services, clients with generous timeouts, and three processes that serve a method. */
import { Effect, Schema, Scope } from "effect"
import type { ServerStream } from "../../../../BidiStream.ts"
import * as Client from "../../../../Client.ts"
import { MessageBus } from "../../../../MessageBus.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import type { Bus, Run } from "../harness/run.ts"
import { CallLog } from "./callLog.ts"
import { hasTopics, type Topic, type TopicVariant } from "./topicVariants.ts"

/** Provides a server, a client or a publisher with a connection. */
export const on = (bus: Bus) => Effect.provideService(MessageBus, bus)

/** The timeout of calls that have to succeed, in milliseconds. */
const callTimeout = (run: Run): number => run.bus.timeout / 3

/** The time in which all claims or responses arrive, in milliseconds: 2 seconds by default. */
export const collectWindow = (run: Run): number => run.bus.timeout / 30

/** Options of a client whose calls have to succeed, also on a busy machine. */
export const clientOptions = (run: Run): Client.Options => ({
  timeout: callTimeout(run),
  selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: callTimeout(run) })
})

/** Options of a server whose sends on streams have to succeed, also on a busy machine. */
export const serverOptions = (run: Run) => ({ sendTimeout: callTimeout(run) })

/** Waits for the claims of all servers. */
export const compareAll = (run: Run, minimumAffinity?: number): Selection.Selection =>
  Selection.best({ affinityTimeout: collectWindow(run), minimumAffinity })

/** Accepts a claim with the given affinity immediately. */
export const acceptAt = (run: Run, affinity: number): Selection.Selection =>
  Selection.best({ affinityTimeout: callTimeout(run), maximumAffinity: affinity })

/** The payloads of a method with texts in both directions. */
export const text = { request: Schema.String, response: Schema.String } as const

/** A service with a stream of texts in both directions. */
export const chatService = (name: string) =>
  Service.make(name, { talk: Rpc.stream({ send: Schema.String, receive: Schema.String }) })

/** The server's endpoint of a stream of texts. */
export type Talk = ServerStream<string, string>

/** The clients of three processes for a service with one method. */
export type Clients<M extends Rpc.Any> = ReadonlyArray<Client.From<Service.Service<string, { readonly call: M }>>>

/**
 * Serves a method in three processes, runs `body` with a client in each of them, and closes the servers. Then fails if the
 * log does not have the calls that `body` returns, once each. Returns the log.
 */
export const onThreeProcesses = <M extends Rpc.Any, E>(
  run: Run,
  variant: TopicVariant,
  {
    handler,
    rpc,
    topics
  }: {
    readonly rpc: M
    /** The topics of a server. A process without topics has no server. */
    readonly topics: (variant: TopicVariant, server: number) => ReadonlyArray<Topic>
    readonly handler: (server: number, log: CallLog) => Server.HandlerOf<M>
  },
  body: (clients: Clients<M>) => Effect.Effect<ReadonlyArray<string>, E>
): Effect.Effect<CallLog, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const service = Service.make(run.service, { call: rpc } as { readonly call: Rpc.Any })
    const buses = yield* run.connections(3)
    const log = new CallLog()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      const served = topics(variant, i)
      if (served.length === 0) continue
      const options = {
        ...serverOptions(run),
        serverId: serverIdOf(i),
        ...(hasTopics(variant) ? { topics: { call: served } } : {})
      }
      yield* Server.make(service, { call: handler(i, log) } as never, options as never).pipe(
        on(bus),
        Scope.provide(servers.scope)
      )
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(service, clientOptions(run)))))
    const expected = yield* body(clients as unknown as Clients<M>)
    yield* servers.close
    yield* log.expect(expected)
    return log
  })

/** Returns the id of one of three servers. */
export const serverIdOf = (server: number): string => `server-${server}`
