/** The definition of a service. Public in `Service`. */
import { Context } from "effect"
import { goName } from "./goName.ts"
import type { GivenHandlers, HandlerProblems } from "../calls/handlerProblems.ts"
import { checkCodes } from "../errors/domainError.ts"
import type { DomainErrorInput } from "../errors/domainTypes.ts"
import { parameters } from "./topicParameters.ts"
import { toCodec } from "../wire/payload.ts"
import type * as Payload from "../../Payload.ts"
import * as Rpc from "../../Rpc.ts"
import type * as Topic from "../../Topic.ts"

/**
 * The type id of services.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/Service"

/**
 * The type id of services.
 *
 * @category type IDs
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/Service"

/**
 * Methods by key.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyMethods {
  readonly [key: string]: Rpc.Any
}

/**
 * A named set of methods. A class that extends it keeps types and hovers short.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service<out Name extends string, out Methods extends AnyMethods> {
  new (_: never): {}
  readonly [TypeId]: TypeId
  /** The service's name on the wire. */
  readonly serviceName: Name
  /** Its methods, by key. */
  readonly methods: Methods
  /** The annotations of the service: the defaults of those of its methods. */
  readonly annotations: Context.Context<never>
  /** Types handlers that are written apart from the server. */
  of<
    H extends GivenHandlers<{ readonly methods: Methods }>,
    Problem = HandlerProblems<H, { readonly methods: Methods }>
  >(
    handlers: NoInfer<Problem> & H
  ): H
  /** Returns the same service with an annotation. See `Rpc.Any.annotate`. */
  annotate<I, S>(key: Context.Key<I, S>, value: NoInfer<S>): Service<Name, Methods>
  /** Returns the same service with all annotations of a context. */
  annotateMerge<I>(annotations: Context.Context<I>): Service<Name, Methods>
}

/**
 * Any service, erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly [TypeId]: TypeId
  readonly serviceName: string
  readonly methods: AnyMethods
  readonly annotations: Context.Context<never>
}

/**
 * A service's methods.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Methods<S> = S extends { readonly [TypeId]: TypeId; readonly methods: infer M extends AnyMethods }
  ? M
  : never

/**
 * A method's name on the wire.
 *
 * @category accessors
 * @since 0.1.0
 */
export const wireName = (key: string, method: Rpc.Any): string => method.name ?? goName(key)

type Mutual<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

/** Whether two methods have the same topic parameters, as far as types know: only lists have an order. */
type SameTopic<A, B> = [A, B] extends [ReadonlyArray<string>, ReadonlyArray<string>]
  ? Mutual<A, B>
  : Mutual<Topic.Topic<A>, Topic.Topic<B>>

/**
 * Refuses methods of one topic group that differ in their topic parameters, and those that have none.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ValidGroups<M> = {
  readonly [K in keyof M]: M[K] extends { readonly group: infer G extends string; readonly topic: infer T }
    ? Topic.IsEmpty<T> extends true
      ? `a method of the topic group ${G} needs a topic`
      : {
            [L in keyof M]: M[L] extends { readonly group: G; readonly topic: infer U }
              ? SameTopic<T, U> extends true
                ? never
                : L
              : never
          }[keyof M] extends infer Other
        ? [Other] extends [never]
          ? unknown
          : `the topic group ${G} has other topic parameters in ${Other & string}`
        : never
    : unknown
}

const payloads = ["request", "response", "send", "receive", "message"]

/** Checks the topic and the payloads of a definition at run time. Returns the names of the topic's parameters. */
const check = (method: Readonly<Record<string, unknown>>): ReadonlyArray<string> => {
  if (method["singleServer"] === true && method["routing"] === "affinity") {
    throw new TypeError(
      'singleServer: true excludes routing: "affinity": a single server sends no claim whose affinity could be compared; ' +
        "leave out one of the two"
    )
  }
  const { names } = parameters(method["topic"] as Topic.Any)
  if (method["error"] !== undefined) checkCodes(method["error"] as DomainErrorInput)
  for (const key of payloads) {
    try {
      toCodec(method[key] as Payload.Any)
    } catch (cause) {
      throw new TypeError(`${key}: ${(cause as Error).message}`, { cause })
    }
  }
  return names
}

/**
 * Defines a service. `name` is its name on the wire, as it is; a .proto's package is not part of it.
 *
 * Throws a `TypeError` for an invalid definition: no name, two methods with one wire name, topic parameters without an order,
 * a topic group whose methods have different topic parameters, or none, a single server with affinity routing, or a typed
 * error with an unknown code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, const M extends AnyMethods>(
  name: Name,
  methods: M & ValidGroups<M>
): Service<Name, M> => {
  if (name === "") throw new TypeError("a service needs a name")
  const keys = new Map<string, string>()
  const groups = new Map<string, { readonly key: string; readonly names: ReadonlyArray<string> }>()
  for (const [key, method] of Object.entries(methods)) {
    const at = `service ${name}, method ${key}`
    if (!(typeof method === "object" && method !== null && Rpc.TypeId in method)) {
      throw new TypeError(`${at}: expected a method made by Rpc.unary, Rpc.multi, Rpc.stream or Rpc.subscription`)
    }
    const wire = wireName(key, method)
    if (wire === "") throw new TypeError(`${at}: a method needs a name`)
    const other = keys.get(wire)
    if (other !== undefined) throw new TypeError(`${at}: has the same wire name ${wire} as ${other}`)
    keys.set(wire, key)
    let names: ReadonlyArray<string>
    try {
      names = check(method as unknown as Record<string, unknown>)
    } catch (cause) {
      throw new TypeError(`${at}: ${(cause as Error).message}`, { cause })
    }
    const group = "group" in method ? (method.group as string | undefined) : undefined
    if (group === undefined) continue
    if (group === "") throw new TypeError(`${at}: a topic group needs a name`)
    if (names.length === 0) throw new TypeError(`${at}: is in the topic group ${group}, and has no topic`)
    const first = groups.get(group)
    if (first === undefined) groups.set(group, { key, names })
    else if (JSON.stringify(names) !== JSON.stringify(first.names)) {
      throw new TypeError(
        `${at}: has the topic parameters ${names.join(", ")}, and ${first.key} of the same topic group, ${group}, has ${first.names.join(", ")}`
      )
    }
  }
  return serviceOf(name, methods, Context.empty())
}

/** Makes the value of a service whose methods have been checked. */
export const serviceOf = <Name extends string, M extends AnyMethods>(
  name: Name,
  methods: M,
  annotations: Context.Context<never>
): Service<Name, M> =>
  Object.assign(function () {}, {
    [TypeId]: TypeId,
    serviceName: name,
    methods,
    annotations,
    of: <H>(handlers: H) => handlers,
    annotate: (key: Context.Key<never, unknown>, value: unknown) =>
      serviceOf(name, methods, Context.add(annotations, key, value)),
    annotateMerge: (others: Context.Context<never>) => serviceOf(name, methods, Context.merge(annotations, others))
  }) as unknown as Service<Name, M>
