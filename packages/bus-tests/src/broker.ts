import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import type { Limits } from "@effect-psrpc/core/broker"
import type { TestServerError } from "@effect-psrpc/test-servers"
import type { Duration, Effect, Scope } from "effect"

/** A bus on one broker. */
export type Bus = MessageBus.MessageBus["Service"]

/** Options of a bus that opens its own connections. */
export interface Options extends Limits.LimitOptions {
  readonly reconnect?: Limits.ReconnectOptions | undefined
  readonly heartbeat?: Duration.Input | undefined
}

/** Makes a bus, on the server or the proxy at an address. */
export type Connect<O = Options> = (
  address: string,
  options?: O
) => Effect.Effect<Bus, PsrpcError.PsrpcError, Scope.Scope>

/** A broker, and functions that make its buses. */
export interface Broker {
  /** Its name in errors. */
  readonly kind: string
  /** Starts a server. */
  readonly server: Effect.Effect<Server, TestServerError, Scope.Scope>
  /** The address of a server that tests share and do not stop or configure. */
  readonly shared: Effect.Effect<string, TestServerError, Scope.Scope>
  /** The address of a server or a proxy. Default host: 127.0.0.1. */
  readonly address: (port: number, host?: string) => string
  /** Makes a bus that opens its own connections. */
  readonly own: Connect
  /** The number of receivers that the bus reports for a message with one listener; -1 if it does not count them. */
  readonly one: 1 | -1
}

/** A server that tests may stop and pause. */
export interface Server {
  readonly port: number
  readonly stop: (options?: { readonly kill?: boolean }) => Effect.Effect<void>
  readonly restart: Effect.Effect<void, TestServerError>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** The ways to make a bus of one broker, by name. */
export type Ways = Readonly<Record<string, Connect<Limits.LimitOptions>>>
