/** The functions that call unary methods. */
import { Context, type Duration, Effect } from "effect"
import * as Metadata from "../Metadata.ts"
import * as PsrpcError from "../PsrpcError.ts"
import * as Selection from "../Selection.ts"
import { BoundedCache } from "./boundedCache.ts"
import { CurrentCall } from "./callContext.ts"
import * as Channels from "./channel.ts"
import { invalidArgument } from "./invalidArgument.ts"
import { messageOf } from "./messageOf.ts"
import { merge, problemOf } from "./metadata.ts"
import { millisOf } from "./millis.ts"
import type { UnaryMethod } from "./method.ts"
import { type ClientState, clientClosed, type Route, UnaryCall } from "./unaryCall.ts"

/** Options of a call, whatever its method. */
export interface AnyCallOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly timeout?: Duration.Input | undefined
  readonly selection?: Selection.Selection | undefined
  readonly metadata?: Metadata.Metadata | undefined
}

/** How long a call waits where neither it, nor its client, nor a caller's deadline says: Go's 3 seconds. */
export const defaultTimeout = 3000

/** How many topics a method keeps ready for publishing. */
const topicsKept = 1000

/** The function that calls a method; all that is made once is made here. */
export const unary = (
  client: ClientState,
  method: UnaryMethod
): ((request: unknown, options?: AnyCallOptions) => Effect.Effect<unknown, unknown>) => {
  const { bus } = client
  const { label, name, service } = method
  const routeOf = (topic: ReadonlyArray<string>): Route => ({
    request: bus.target(Channels.request(service, name, topic, method.queue)),
    claimResponse: bus.target(Channels.claimResponse(service, name, topic))
  })
  const plain = method.topic.names.length === 0 ? routeOf([]) : undefined
  const routes = new BoundedCache<string, Route>(topicsKept, (key) => routeOf(JSON.parse(key)))
  const defaultSelection = client.selection ?? (method.affinity ? Selection.affinity : Selection.first)

  const refuse = (message: string, cause?: unknown): Effect.Effect<never, PsrpcError.PsrpcError> =>
    Effect.fail(invalidArgument(`${label}: ${message}`, cause))

  return (request, options) =>
    Effect.withFiber((fiber) => {
      if (client.closed) return Effect.fail(clientClosed(label, false))
      let route = plain
      if (route === undefined) {
        try {
          route = routes.get(JSON.stringify(method.topic.encode(options?.topic)))
        } catch (cause) {
          return refuse(messageOf(cause), cause)
        }
      }
      let raw: Uint8Array
      try {
        raw = method.request.encode(request)
      } catch (cause) {
        return Effect.fail(
          PsrpcError.fromCode("malformed_request", {
            message: `the request cannot be encoded (${label}): ${messageOf(cause)}`,
            cause,
            reason: "not_sent",
            mayHaveRun: false
          })
        )
      }
      const now = client.deadlines.now()
      const caller = Context.getOrUndefined(fiber.context, CurrentCall)
      let timeout: number
      try {
        timeout =
          options?.timeout !== undefined
            ? millisOf("timeout", options.timeout)
            : (client.timeout ?? (caller === undefined ? defaultTimeout : Infinity))
      } catch (cause) {
        return refuse(messageOf(cause), cause)
      }
      if (caller !== undefined) timeout = Math.min(timeout, caller.deadline - now)
      if (!(timeout > 0)) {
        return Effect.fail(
          PsrpcError.fromCode("deadline_exceeded", {
            message: `request timed out before it was sent (${label})`,
            reason: "timeout",
            mayHaveRun: false
          })
        )
      }
      const metadata = merge(merge(client.metadata, fiber.getRef(Metadata.Outgoing)), options?.metadata)
      const problem = metadata === Metadata.empty ? undefined : problemOf(metadata)
      if (problem !== undefined) return refuse(problem)
      const call = new UnaryCall(client, method, route, options?.selection ?? defaultSelection, now, timeout)
      return Effect.callback((resume) => {
        // the fiber may have yielded since
        if (client.closed) return resume(Effect.fail(clientClosed(label, false)))
        call.resumeTo(resume)
        call.start(now, raw, metadata)
        return Effect.sync(() => call.cancel())
      })
    })
}
