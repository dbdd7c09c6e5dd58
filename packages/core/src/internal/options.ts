import { type Duration, Effect } from "effect"
import type { Metadata } from "../Metadata.ts"
import type * as PsrpcError from "../PsrpcError.ts"
import { type Entry, entriesOf, idleOf, type Owner } from "./interceptors/chain.ts"
import type { Any as AnyInterceptor } from "./calls/interceptorTypes.ts"
import { invalidArgument } from "./errors/invalidArgument.ts"
import { messageOf } from "./errors/messageOf.ts"
import { problemOf } from "./metadata/metadataCheck.ts"
import { millisOf } from "./time/millis.ts"
import { shortestKeepalive } from "./stream/liveness.ts"

const refuse = (message: string): Effect.Effect<never, PsrpcError.PsrpcError> => Effect.fail(invalidArgument(message))

/** A server's id: any text. */
export const checkServerId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && id !== ""
    ? Effect.succeed(id)
    : refuse(`${at}: serverId: expected a text that is not empty`)

/** A client's id is part of NATS subjects as it is, so it must not split or match them. */
export const checkClientId = (at: string, id: string): Effect.Effect<string, PsrpcError.PsrpcError> =>
  typeof id === "string" && /^[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u.test(id)
    ? Effect.succeed(id)
    : refuse(
        `${at}: clientId ${JSON.stringify(id)}: expected a text without spaces, "*", ">" and empty parts around "."`
      )

const checked = <A>(at: string, check: () => A): Effect.Effect<A, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(check())
    } catch (cause) {
      return refuse(`${at}: ${messageOf(cause)}`)
    }
  })

/** A time to wait, in milliseconds. */
export const checkTimeout = (
  at: string,
  option: string,
  timeout: Duration.Input
): Effect.Effect<number, PsrpcError.PsrpcError> => checked(at, () => millisOf(option, timeout))

/** How often a stream gives a sign of life, in milliseconds. */
export const checkKeepalive = (at: string, keepalive: Duration.Input): Effect.Effect<number, PsrpcError.PsrpcError> =>
  checked(at, () => {
    const millis = millisOf("keepalive", keepalive)
    if (millis >= shortestKeepalive) return millis
    throw new TypeError(`keepalive: expected ${shortestKeepalive} ms or more, or "Infinity" for never`)
  })

/** How many of something there may be. Throws a `TypeError` for what is no number of them. */
export const countOf = (option: string, count: number): number => {
  if (Number.isInteger(count) && count > 0) return count
  throw new TypeError(`${option} ${String(count)}: expected a whole number above 0`)
}

/** The same as an Effect. */
export const checkCount = (at: string, option: string, count: number): Effect.Effect<number, PsrpcError.PsrpcError> =>
  checked(at, () => countOf(option, count))

/** What runs around calls, in their order. */
export const checkInterceptors = (
  at: string,
  owner: Owner,
  interceptors: ReadonlyArray<AnyInterceptor> | undefined
): Effect.Effect<ReadonlyArray<Entry>, PsrpcError.PsrpcError> =>
  Effect.tap(
    checked(at, () => entriesOf(interceptors)),
    () => Effect.forEach(idleOf(owner, interceptors), (problem) => Effect.logWarning(`psrpc: ${at}: ${problem}`))
  )

/** Metadata of every call. */
export const checkMetadata = (
  at: string,
  metadata: Metadata,
  maxSize: number
): Effect.Effect<Metadata, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    const problem = problemOf(metadata, maxSize)
    return problem === undefined ? Effect.succeed(metadata) : refuse(`${at}: ${problem}`)
  })
