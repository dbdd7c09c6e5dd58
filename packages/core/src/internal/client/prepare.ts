/** The preparation of a call of any kind: its route, its timeout, its selection and its metadata. */
import { Context, type Duration, type Fiber } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import { CurrentCall } from "../calls/callContext.ts"
import { affinity, first, type Selection, type Terms, termsFor, termsOf, TypeId } from "../calls/selection.ts"
import { byTopic } from "../definition/byTopic.ts"
import type { CalledMethod } from "../definition/method.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { merge } from "../metadata/combine.ts"
import { problemOf } from "../metadata/metadataCheck.ts"
import * as Metadata from "../metadata/model.ts"
import { millisOf } from "../time/millis.ts"
import * as Channels from "../wire/channel.ts"
import { type ClientState, clientClosed, type Route } from "./clientState.ts"

/** Options of a call of any method. */
export interface AnyCallOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly timeout?: Duration.Input | undefined
  readonly selection?: Selection | undefined
  readonly metadata?: Metadata.Metadata | undefined
}

/** Default timeout of a call that is not made in a handler, in milliseconds: the same as Go's. */
export const defaultTimeout = 3000

/** The timeouts of a call, in milliseconds. */
export interface Timeouts {
  /** Ends no later than the deadline of the handler in which the call is made. */
  readonly timeout: number
  /** Default timeout of the sends on an opened stream. The stream may outlive the handler, whose deadline does not count. */
  readonly sendTimeout: number
}

/** A call that can be started. */
export interface Prepared extends Timeouts {
  readonly route: Route
  /** Unix milliseconds. */
  readonly now: number
  readonly metadata: Metadata.Metadata
  readonly selection: Terms
}

/**
 * Returns the timeouts of a call that starts now: from its options, its client and its handler's deadline. Throws a
 * `TypeError` for an invalid option.
 */
export const resolveTimeouts = (
  client: ClientState,
  fiber: Fiber.Fiber<unknown, unknown>,
  option: Duration.Input | undefined,
  now = client.deadlines.now()
): Timeouts => {
  const handler = Context.getOrUndefined(fiber.context, CurrentCall)
  const given = option === undefined ? client.timeout : millisOf("timeout", option)
  const sendTimeout = given ?? defaultTimeout
  // the handler of a stream has no deadline
  if (handler === undefined || handler.deadline === Infinity) return { timeout: sendTimeout, sendTimeout }
  const left = handler.deadline - now
  return { timeout: Math.min(given ?? left, left), sendTimeout }
}

/** Returns the timeout of the sends on a stream. Throws a `TypeError` for an invalid option. */
export const sendTimeoutOf = (
  options: { readonly sendTimeout?: Duration.Input | undefined } | undefined,
  { sendTimeout }: Timeouts
): number => (options?.sendTimeout === undefined ? sendTimeout : millisOf("sendTimeout", options.sendTimeout))

/** The selection of calls without the option. */
const defaultSelectionOf = (client: ClientState, { affinity: comparing }: CalledMethod): Terms =>
  client.selection !== undefined && (comparing || client.selection[TypeId] === "first")
    ? client.selection
    : termsOf(comparing ? affinity : first)

/** Makes the function that prepares a method's calls, with everything that is made once. It returns its failure. */
export const preparation = (
  client: ClientState,
  method: CalledMethod
): ((
  fiber: Fiber.Fiber<unknown, unknown>,
  options: AnyCallOptions | undefined
) => Prepared | PsrpcError.PsrpcError) => {
  const { bus } = client
  const { label, name, service } = method
  const routeOf = byTopic(method, (topic): Route => ({
    request: bus.target(
      method.kind === "stream"
        ? Channels.stream(service, name, topic)
        : Channels.request(service, name, topic, method.queue)
    ),
    claimResponse: bus.target(Channels.claimResponse(service, name, topic))
  }))
  const onlyRoute = method.topic.names.length === 0 ? routeOf(undefined) : undefined
  const defaultSelection = defaultSelectionOf(client, method)

  return (fiber, options) => {
    if (client.closed) return clientClosed(label, false)
    const now = client.deadlines.now()
    let route: Route
    let timeouts: Timeouts
    let selection = defaultSelection
    try {
      route = onlyRoute ?? routeOf(options?.topic)
      timeouts = resolveTimeouts(client, fiber, options?.timeout, now)
      if (options?.selection !== undefined && method.requireClaim) selection = termsFor(options.selection, method)
    } catch (cause) {
      return invalidArgument(`${label}: ${messageOf(cause)}`, cause)
    }
    const { sendTimeout, timeout } = timeouts
    if (!(timeout > 0)) {
      return PsrpcError.fromCode("deadline_exceeded", {
        message: `request timed out before it was sent (${label})`,
        reason: "timeout",
        mayHaveRun: false
      })
    }
    let { metadata } = client
    const outgoing = fiber.getRef(Metadata.Outgoing)
    if (outgoing !== Metadata.emptyMetadata) metadata = merge(metadata, outgoing)
    if (options?.metadata !== undefined) metadata = merge(metadata, options.metadata)
    if (metadata !== Metadata.emptyMetadata) {
      const problem = problemOf(metadata, client.maxMetadataSize)
      if (problem !== undefined) return invalidArgument(`${label}: ${problem}`)
    }
    return { route, now, timeout, sendTimeout, metadata, selection }
  }
}
