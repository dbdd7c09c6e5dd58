import type { MessageBus } from "@effect-psrpc/core"
import { Msg } from "@effect-psrpc/core/broker"
import { type Broker, bytes, text } from "@effect-psrpc/bus-tests"
import { NatsServer, natsUrl } from "@effect-psrpc/test-servers"
import * as nats3 from "@nats-io/transport-node"
import { Effect, type Scope } from "effect"
import * as nats2 from "nats"
import { NatsMessageBus } from "../src/index.ts"

/** A channel that shares its subject with others. */
export const routed = (subject: string, route: string): MessageBus.Channel => ({ name: "", subject, route })

/** A `Msg` for a channel that shares its subject. */
export const msg = (route: string, content: string): Uint8Array =>
  Msg.encode({ typeUrl: "x", value: bytes(content), channel: route }).slice()

export const contentOf = (message: Uint8Array): string => {
  const decoded = Msg.decode(message)
  return decoded === "malformed" ? decoded : text(decoded.value)
}

const open = <C extends { close(): Promise<void> }>(connect: () => Promise<C>): Effect.Effect<C, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.promise(connect), (connection) => Effect.promise(() => connection.close()))

/** Connections that are closed with the test. */
export const connect2 = (servers: string, options: nats2.ConnectionOptions = {}) =>
  open(() => nats2.connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50, ...options }))
export const connect3 = (servers: string, options: nats3.ConnectionOptions = {}) =>
  open(() => nats3.connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50, ...options }))

/** The connections that a bus can be made on, which must behave alike. */
export const ways = {
  "a connection that the bus opens": (servers: string, options: NatsMessageBus.LimitOptions = {}) =>
    NatsMessageBus.make({ servers, ...options }),
  "a connection of nats 2": (servers: string, options: NatsMessageBus.LimitOptions = {}) =>
    Effect.flatMap(connect2(servers), (connection) => NatsMessageBus.makeConnection({ connection, ...options })),
  "a connection of nats 3": (servers: string, options: NatsMessageBus.LimitOptions = {}) =>
    Effect.flatMap(connect3(servers), (connection) => NatsMessageBus.makeConnection({ connection, ...options }))
}

/** The broker, for the tests that all buses share. */
export const broker: Broker = {
  kind: "nats",
  server: NatsServer.make(),
  shared: natsUrl,
  address: (port, host = "127.0.0.1") => `${host}:${port}`,
  own: (servers, options = {}) => NatsMessageBus.make({ servers, ...options }),
  one: -1
}
