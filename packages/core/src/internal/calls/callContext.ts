import { Context, type Effect } from "effect"
import type { Header } from "../metadata/model.ts"

/** The call that a handler answers. */
export interface Call<out T> {
  /** The service's name on the wire. */
  readonly service: string
  /** The method's name on the wire. */
  readonly method: string
  /** The request's id. Each attempt of a retried call has its own. */
  readonly requestId: string
  /** The topic of the registration that received the request. */
  readonly topic: T
  /** The client's id, the time of sending, the expiry and the metadata. */
  readonly header: Header
  /** The deadline of the call: Unix time in milliseconds. Calls inside have no later deadline. */
  readonly deadline: number
}

/** The call that the current fiber answers. */
export class CurrentCall extends Context.Service<CurrentCall, Call<Readonly<Record<string, unknown>>>>()(
  "@effect-psrpc/core/Server/CurrentCall"
) {}

/** A call of any method, erased. */
export type AnyCall = Call<Readonly<Record<string, unknown>>>

/** A topic of any method, erased. */
export type AnyTopic = Readonly<Record<string, unknown>>

/** The result of a handler, erased. */
export type AnyEffect = Effect.Effect<unknown, unknown>
