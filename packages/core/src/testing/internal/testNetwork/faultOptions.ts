/** The types of faults of a test network; public as `PsrpcTest.FaultOptions` and so on. */
import type { DomainErrorOf, PsrpcError } from "../../../PsrpcError.ts"
import type * as Rpc from "../../../Rpc.ts"
import type { Methods } from "../../../Service.ts"
import type { Call, Update } from "./callRecords.ts"

/**
 * The kinds of messages of a method on the network.
 *
 * | kind | methods | sender | content |
 * | --- | --- | --- | --- |
 * | `request` | unary, multi, stream | client | the request, or the opening of a stream |
 * | `claim` | unary with claims, stream | server | the claim |
 * | `claimResponse` | unary, multi, stream | client | the selected server, or a cancellation |
 * | `response` | unary, multi, stream | server | the response, or the ack of a stream's opening |
 * | `sent` | stream | client | a message |
 * | `received` | stream | server | a message |
 * | `ack` | stream | both | the ack of a message |
 * | `close` | stream | both | the close |
 * | `update` | subscription | publisher | the update |
 *
 * @category models
 * @since 0.1.0
 */
export type MessageKind<M> = M extends { readonly kind: infer K extends Rpc.Kind }
  ? (typeof messageKinds)[K][number]
  : never

/** The kinds of messages, by the kind of the method. */
export const messageKinds = {
  unary: ["request", "claim", "claimResponse", "response"],
  multi: ["request", "claimResponse", "response"],
  stream: ["request", "claim", "claimResponse", "response", "sent", "received", "ack", "close"],
  subscription: ["update"]
} as const satisfies Readonly<Record<Rpc.Kind, ReadonlyArray<string>>>

/**
 * The properties of a call, or of an update, by which faults are decided.
 *
 * @category models
 * @since 0.1.0
 */
export type CallInfo<S, K extends keyof Methods<S>> = {
  [P in K]: Methods<S>[P] extends { readonly kind: "subscription" }
    ? Pick<Update<S, P>, "message" | "topic">
    : Methods<S>[P] extends { readonly kind: "stream" }
      ? Pick<Extract<Call<S, P>, { readonly sent: unknown }>, "clientId" | "metadata" | "topic">
      : Pick<Extract<Call<S, P>, { readonly request: unknown }>, "clientId" | "metadata" | "request" | "topic">
}[K]

/**
 * Options of a fault.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultOptions<S, K extends keyof Methods<S>> {
  /** The number of calls or messages with the fault, 1 or more. Default: all until the scope closes. */
  readonly times?: number | undefined
  /** Returns whether a call or an update has the fault. Default: each has it. */
  readonly when?: ((call: CallInfo<S, K>) => boolean) | undefined
  /**
   * The id of the server whose handlers, or whose messages, have the fault. Default: all servers; of messages, all
   * senders.
   */
  readonly serverId?: string | undefined
}

/**
 * The errors of a method: its own, and `PsrpcError`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ErrorOf<M> = (M extends { readonly error: infer Error } ? DomainErrorOf<Error> : never) | PsrpcError
