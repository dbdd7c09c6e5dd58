/** Methods as clients and servers use them. All of it is made once, and nothing for each call. */
import { Context } from "effect"
import { toCodec } from "../wire/payload.ts"
import type * as Payload from "../../Payload.ts"
import type * as PsrpcError from "../../PsrpcError.ts"
import type * as Rpc from "../../Rpc.ts"
import { type Any, wireName } from "./service.ts"
import type * as Topic from "../../Topic.ts"
import * as DomainError from "../errors/domainError.ts"
import type { Type } from "../wire/callEnvelope.ts"
import { type Parameters, parameters } from "./topicParameters.ts"
import { updateOf } from "../wire/update.ts"

type AnyCodec = Payload.Codec<unknown, unknown>

/** What every method has. */
interface Common {
  /** `Service.Method`, for people. */
  readonly label: string
  /** The definition. */
  readonly rpc: Rpc.Any
  /** The annotations of the method over those of its service. */
  readonly annotations: Context.Context<never>
  readonly service: string
  /** The name on the wire. */
  readonly name: string
  readonly topic: Parameters
  /** Each message goes to one of those that listen. */
  readonly queue: boolean
}

/** A method that servers answer. */
interface Served extends Common {
  readonly affinity: boolean
  /** A server offers itself, and waits to be chosen. */
  readonly requireClaim: boolean
  /** The topic group that it is registered with. */
  readonly group: string | undefined
  /** Running a request twice is the same as running it once. */
  readonly idempotent: boolean
}

/** A method that is called: one answer, or one from every server. */
export interface CallMethod extends Served {
  readonly kind: "unary" | "multi"
  readonly request: AnyCodec
  readonly response: AnyCodec
  readonly error: DomainError.DomainError<unknown> | undefined
  readonly runToCompletion: boolean
}

/** A method that opens a stream. */
export interface StreamMethod extends Served {
  readonly kind: "stream"
  /** What the client sends. */
  readonly send: AnyCodec
  /** What the client receives. */
  readonly receive: AnyCodec
}

/** A method that pushes updates. */
export interface SubscriptionMethod extends Common {
  readonly kind: "subscription"
  readonly message: AnyCodec
  /** What updates travel as. */
  readonly type: Type
}

/** A method that a client calls and a server serves. */
export type CalledMethod = CallMethod | StreamMethod

export type Method = CalledMethod | SubscriptionMethod

type AnyError = PsrpcError.DomainErrorInput | undefined
type AnyGroup = string | undefined
interface AnyCalls {
  readonly request: Payload.Any
  readonly response: Payload.Any
  readonly error: AnyError
  readonly topic: Topic.Any
  readonly group: AnyGroup
}
interface AnySelected {
  readonly routing: Rpc.Routing
  readonly singleServer: boolean
}
type AnyUnary = Rpc.Unary<AnyCalls & AnySelected>
type AnyMulti = Rpc.Multi<AnyCalls>
type AnyStream = Rpc.Stream<
  AnySelected & {
    readonly send: Payload.Any
    readonly receive: Payload.Any
    readonly topic: Topic.Any
    readonly group: AnyGroup
  }
>
type AnySubscription = Rpc.Subscription<{
  readonly message: Payload.Any
  readonly topic: Topic.Any
  readonly routing: "queue" | "multi"
}>

/** What `Service.make` has let through is one of the four. */
type AnyRpc = AnyUnary | AnyMulti | AnyStream | AnySubscription

const codec = (payload: Payload.Any): AnyCodec => toCodec(payload) as AnyCodec

/** Prepares a method of a service for use. */
export const methodOf = ({ annotations, methods, serviceName: service }: Any, key: string): Method => {
  const rpc = methods[key] as AnyRpc
  const name = wireName(key, rpc)
  const common = {
    rpc,
    annotations: Context.merge(annotations, rpc.annotations),
    label: `${service}.${name}`,
    service,
    name,
    topic: parameters(rpc.topic)
  }
  switch (rpc.kind) {
    case "unary":
    case "multi":
      return {
        ...common,
        kind: rpc.kind,
        request: codec(rpc.request),
        response: codec(rpc.response),
        error: rpc.error === undefined ? undefined : DomainError.make(rpc.error),
        queue: rpc.kind === "unary" && rpc.routing === "queue",
        affinity: rpc.kind === "unary" && rpc.routing === "affinity",
        requireClaim: rpc.kind === "unary" && !rpc.singleServer,
        group: rpc.group,
        idempotent: rpc.idempotent,
        runToCompletion: rpc.runToCompletion
      }
    case "stream":
      return {
        ...common,
        kind: rpc.kind,
        send: codec(rpc.send),
        receive: codec(rpc.receive),
        // every server hears of every stream: what follows its opening has to find the one that has it
        queue: false,
        affinity: rpc.routing === "affinity",
        requireClaim: !rpc.singleServer,
        group: rpc.group,
        idempotent: rpc.idempotent
      }
    case "subscription": {
      return { ...common, kind: rpc.kind, ...updateOf(codec(rpc.message)), queue: rpc.routing === "queue" }
    }
  }
}
