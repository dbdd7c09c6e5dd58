import * as Payload from "../Payload.ts"
import type * as PsrpcError from "../PsrpcError.ts"
import type * as Rpc from "../Rpc.ts"
import { wireName } from "../Service.ts"
import type * as Topic from "../Topic.ts"
import * as DomainError from "./domainError.ts"
import { type Parameters, parameters } from "./topicParameters.ts"

/** A unary method as client and server use it: everything that is made once, and never per call. */
export interface UnaryMethod {
  /** `Service.Method`, for people. */
  readonly label: string
  readonly service: string
  /** The name on the wire. */
  readonly name: string
  readonly topic: Parameters
  readonly request: Payload.Codec<unknown, unknown>
  readonly response: Payload.Codec<unknown, unknown>
  readonly error: DomainError.DomainError<unknown> | undefined
  readonly affinity: boolean
  /** One server of many takes each request. */
  readonly queue: boolean
  /** A server offers itself, and waits to be chosen. */
  readonly requireClaim: boolean
  readonly runToCompletion: boolean
}

type AnyUnary = Rpc.Unary<
  Payload.Any,
  Payload.Any,
  PsrpcError.DomainErrorInput | undefined,
  Topic.Any,
  Rpc.Routing,
  boolean
>

export const isUnary = (method: Rpc.Any): method is AnyUnary => method.kind === "unary"

export const unaryMethod = (service: string, key: string, rpc: AnyUnary): UnaryMethod => {
  const name = wireName(key, rpc)
  return {
    label: `${service}.${name}`,
    service,
    name,
    topic: parameters(rpc.topic),
    request: Payload.toCodec(rpc.request) as Payload.Codec<unknown, unknown>,
    response: Payload.toCodec(rpc.response) as Payload.Codec<unknown, unknown>,
    error: rpc.error === undefined ? undefined : DomainError.make(rpc.error),
    affinity: rpc.routing === "affinity",
    queue: rpc.routing === "queue",
    requireClaim: !rpc.singleServer,
    runToCompletion: rpc.runToCompletion
  }
}
