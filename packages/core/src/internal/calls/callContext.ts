import { Context, type Effect } from "effect"
import type { Header } from "../metadata/model.ts"

/** What a handler knows of the call that it answers. */
export interface Call<out T> {
  /** The service's name on the wire. */
  readonly service: string
  /** The method's name on the wire. */
  readonly method: string
  /** The request's id, unique: one for each time that it is sent. */
  readonly requestId: string
  /** The topic of the registration that the call came in by. */
  readonly topic: T
  /** Who asks, when, until when, and what came along. */
  readonly header: Header
  /** When the caller stops waiting: unix milliseconds. Calls made inside never wait longer. */
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

/** What a handler returns, erased. */
export type AnyEffect = Effect.Effect<unknown, unknown>
