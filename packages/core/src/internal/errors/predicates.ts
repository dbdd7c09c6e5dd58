import { is } from "./classes.ts"
import type { Reason } from "./models.ts"

const reasonOf = (u: unknown): Reason | undefined => (is(u) ? u.reason : undefined)

const closedReasons: ReadonlySet<Reason | undefined> = new Set<Reason>([
  "client_closed",
  "server_closed",
  "stream_closed"
])

const noServerReasons: ReadonlySet<Reason | undefined> = new Set<Reason>(["no_response", "no_servers", "no_listeners"])

/**
 * The time for the call has passed, here or at the server.
 *
 * This and the following predicates ask what happened, over the borders of the codes. They take anything, are false for
 * what is not an error of psrpc, and do not narrow: an error that is no timeout is still an error of psrpc.
 *
 * | predicate | true for | decides by |
 * | --- | --- | --- |
 * | `isTimeout` | the deadline passed, at either end | code `deadline_exceeded`, or reason `timeout` |
 * | `isCanceled` | the call was given up, at either end | code `canceled`, unless `isClosed` |
 * | `isClosed` | this side is closed | reason `client_closed`, `server_closed`, `stream_closed` |
 * | `isConnection` | the broker could not be reached | reason `connection` |
 * | `isNoServer` | nobody took the call | reason `no_response`, `no_servers`, `no_listeners` |
 * | `isOverflow` | a buffer on this side was full | reason `overflow` |
 * | `hasNotRun` | no handler can have run | `mayHaveRun` is false |
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTimeout = (u: unknown): boolean => is(u) && (u.code === "deadline_exceeded" || u.reason === "timeout")

/**
 * The call was given up, here or at the server. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCanceled = (u: unknown): boolean => is(u) && u.code === "canceled" && !isClosed(u)

/**
 * This side of the call is closed. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isClosed = (u: unknown): boolean => closedReasons.has(reasonOf(u))

/**
 * The broker could not be reached in time. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isConnection = (u: unknown): boolean => reasonOf(u) === "connection"

/**
 * Nobody took the call: no server listens, claimed, answered, or met the selection's terms. See {@link isTimeout} for how
 * the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isNoServer = (u: unknown): boolean => noServerReasons.has(reasonOf(u))

/**
 * A buffer on this side was full. A quota that a handler reports is `ResourceExhausted` and not meant here. See
 * {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOverflow = (u: unknown): boolean => reasonOf(u) === "overflow"

/**
 * No handler can have run, so that trying again repeats nothing. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const hasNotRun = (u: unknown): boolean => is(u) && !u.mayHaveRun
