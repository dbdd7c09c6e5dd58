import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { Limits } from "@effect-psrpc/core/broker"
import type { TestServerError } from "@effect-psrpc/test-servers"
import type { Duration, Effect, Scope } from "effect"

/** A bus on one broker. */
export type Bus = MessageBus.MessageBus["Service"]

/** What a bus with connections of its own is given. */
export interface Options extends Limits.LimitOptions {
  readonly reconnect?: Limits.ReconnectOptions | undefined
  readonly heartbeat?: Duration.Input | undefined
}

/** Makes a bus, on the server or the proxy at an address. */
export type Connect<O = Options> = (
  address: string,
  options?: O
) => Effect.Effect<Bus, PsrpcError.PsrpcError, Scope.Scope>

/** A broker, and how its buses are made. */
export interface Broker {
  /** As its errors call it. */
  readonly kind: string
  /** Starts one. */
  readonly server: Effect.Effect<Server, TestServerError, Scope.Scope>
  /** The address of a server that tests share, and neither stop nor configure. */
  readonly shared: Effect.Effect<string, TestServerError, Scope.Scope>
  /** The address of a server or a proxy. Default host: 127.0.0.1. */
  readonly address: (port: number, host?: string) => string
  /** A bus with connections of its own. */
  readonly own: Connect
  /** What is told of a message that one listener gets: the bus may be unable to count. */
  readonly one: 1 | -1
}

/** A server that the tests may treat badly. */
export interface Server {
  readonly port: number
  readonly stop: (options?: { readonly kill?: boolean }) => Effect.Effect<void>
  readonly restart: Effect.Effect<void, TestServerError>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** The ways to make a bus of one broker, by what each is called. */
export type Ways = Readonly<Record<string, Connect<Limits.LimitOptions>>>
