/** What every call begins with, whatever its kind: where it goes, how long it waits, what goes along. */
import { Context, type Duration, type Fiber } from "effect"
import * as Metadata from "../metadata/model.ts"
import * as PsrpcError from "../../PsrpcError.ts"
import { CurrentCall } from "../calls/callContext.ts"
import { affinity, first, type Selection, type Terms, termsFor, termsOf, TypeId } from "../calls/selection.ts"
import * as Channels from "../wire/channel.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { merge } from "../metadata/combine.ts"
import { problemOf } from "../metadata/metadataCheck.ts"
import { byTopic } from "../definition/byTopic.ts"
import type { CalledMethod } from "../definition/method.ts"
import { millisOf } from "../time/millis.ts"
import { type ClientState, clientClosed, type Route } from "./state.ts"

/** Options of a call, whatever its method. */
export interface AnyCallOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly timeout?: Duration.Input | undefined
  readonly selection?: Selection | undefined
  readonly metadata?: Metadata.Metadata | undefined
}

/** How long a call waits where neither it, nor its client, nor a caller's deadline says: Go's 3 seconds. */
export const defaultTimeout = 3000

/** A call that may be started. */
export interface Prepared {
  readonly route: Route
  /** Unix milliseconds. */
  readonly now: number
  /** Milliseconds. */
  readonly timeout: number
  /** The same for what outlives the handler that the call is made in: its deadline does not count. */
  readonly patience: number
  readonly metadata: Metadata.Metadata
  readonly selection: Terms
}

/**
 * How long a call may take from now on, in milliseconds, and how long what outlives the handler that it is made in: by
 * what it asks for, its client, and its handler's deadline. Throws a `TypeError` for a time that is none.
 */
export const patienceOf = (
  client: ClientState,
  fiber: Fiber.Fiber<unknown, unknown>,
  given: Duration.Input | undefined,
  now = client.deadlines.now()
): { readonly timeout: number; readonly patience: number } => {
  const caller = Context.getOrUndefined(fiber.context, CurrentCall)
  const wanted = given === undefined ? client.timeout : millisOf("timeout", given)
  const patience = wanted ?? defaultTimeout
  // the handler of a stream has no deadline to give on
  if (caller === undefined || caller.deadline === Infinity) return { timeout: patience, patience }
  const left = caller.deadline - now
  return { timeout: Math.min(wanted ?? left, left), patience }
}

/** How long the sends on a stream wait, in milliseconds. Throws a `TypeError` for a time that is none. */
export const sendTimeoutOf = (
  options: { readonly sendTimeout?: Duration.Input | undefined } | undefined,
  patience: number
): number => (options?.sendTimeout === undefined ? patience : millisOf("sendTimeout", options.sendTimeout))

/** The selection of calls that have none of their own. */
const defaultSelectionOf = (client: ClientState, { affinity: comparing }: CalledMethod): Terms =>
  client.selection !== undefined && (comparing || client.selection[TypeId] === "first")
    ? client.selection
    : termsOf(comparing ? affinity : first)

/** The preparation of a method's calls; all that is made once is made here. What it refuses, it returns. */
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

  const defaultSelection = defaultSelectionOf(client, method)

  return (fiber, options) => {
    if (client.closed) return clientClosed(label, false)
    const now = client.deadlines.now()
    let route: Route
    let times: ReturnType<typeof patienceOf>
    let selection = defaultSelection
    try {
      route = routeOf(options?.topic)
      times = patienceOf(client, fiber, options?.timeout, now)
      if (options?.selection !== undefined && method.requireClaim) selection = termsFor(options.selection, method)
    } catch (cause) {
      return invalidArgument(`${label}: ${messageOf(cause)}`, cause)
    }
    const { patience, timeout } = times
    if (!(timeout > 0)) {
      return PsrpcError.fromCode("deadline_exceeded", {
        message: `request timed out before it was sent (${label})`,
        reason: "timeout",
        mayHaveRun: false
      })
    }
    const metadata = merge(merge(client.metadata, fiber.getRef(Metadata.Outgoing)), options?.metadata)
    const problem = metadata === Metadata.emptyMetadata ? undefined : problemOf(metadata, client.maxMetadataSize)
    if (problem !== undefined) return invalidArgument(`${label}: ${problem}`)
    return { route, now, timeout, patience, metadata, selection }
  }
}
