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
 * Checks whether the deadline passed, at the client or at the server.
 *
 * The predicates combine codes and reasons. They accept any value, and return `false` for a value that is not an error of
 * psrpc. They do not narrow types: an error that is not a timeout is still an error of psrpc.
 *
 * | predicate | true if | decided by |
 * | --- | --- | --- |
 * | `isTimeout` | the deadline passed, on either side | code `deadline_exceeded`, or reason `timeout` |
 * | `isCanceled` | the call was canceled, on either side | code `canceled`, unless `isClosed` |
 * | `isClosed` | this side is closed | reason `client_closed`, `server_closed`, `stream_closed` |
 * | `isConnection` | the broker was not reachable | reason `connection` |
 * | `isNoServer` | no server accepted the call | reason `no_response`, `no_servers`, `no_listeners` |
 * | `isOverflow` | a buffer on this side was full | reason `overflow` |
 * | `hasNotRun` | no handler can have run | `mayHaveRun` is `false` |
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTimeout = (u: unknown): boolean => is(u) && (u.code === "deadline_exceeded" || u.reason === "timeout")

/**
 * Checks whether the call was canceled, at the client or at the server. See {@link isTimeout} for the rule.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCanceled = (u: unknown): boolean => is(u) && u.code === "canceled" && !isClosed(u)

/**
 * Checks whether this side of the call is closed. See {@link isTimeout} for the rule.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isClosed = (u: unknown): boolean => closedReasons.has(reasonOf(u))

/**
 * Checks whether the broker was not reachable in time. See {@link isTimeout} for the rule.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isConnection = (u: unknown): boolean => reasonOf(u) === "connection"

/**
 * Checks whether no server accepted the call: no server is subscribed, sent a claim or a response, or had an eligible claim.
 * See {@link isTimeout} for the rule.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isNoServer = (u: unknown): boolean => noServerReasons.has(reasonOf(u))

/**
 * Checks whether a buffer on this side was full. A `ResourceExhausted` of a handler does not count. See {@link isTimeout} for
 * the rule.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOverflow = (u: unknown): boolean => reasonOf(u) === "overflow"

/**
 * Checks whether no handler can have run, so that a retry repeats nothing. See {@link isTimeout} for the rule.
 *
 * @category predicates
 * @since 0.1.0
 */
export const hasNotRun = (u: unknown): boolean => is(u) && !u.mayHaveRun
