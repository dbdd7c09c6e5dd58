/** Services made from protobuf-es descriptors, without generated code of this library; public in `Service`. */
import type { DescMessage, DescMethod, DescService, MessageShape } from "@bufbuild/protobuf"
import * as Descriptor from "../../Descriptor.ts"
import type * as Payload from "../../Payload.ts"
import type { DomainErrorInput, ValidDomainError } from "../../PsrpcError.ts"
import * as Rpc from "../../Rpc.ts"
import { make, type Service, type ValidGroups } from "./service.ts"
import type * as Topic from "../../Topic.ts"
import { parameters } from "./topicParameters.ts"

interface WithTopic {
  /** The topic's parameters: `["region"]`, or `{ region: Schema }`. Default: none. */
  readonly topic?: Topic.Any | undefined
}

interface Served extends WithTopic {
  /** The topic group. Default: none. */
  readonly group?: string | undefined
  /** Whether a request may be repeated. Default: what the .proto says by `idempotency_level`. */
  readonly idempotent?: boolean | undefined
}

interface Called extends Served {
  /** The method's own errors, beside `PsrpcError`. Default: none. */
  readonly error?: DomainErrorInput | undefined
  /** Whether a handler goes on where it would be interrupted. Default: `false`. */
  readonly runToCompletion?: boolean | undefined
}

interface Chosen {
  /** How a server is chosen. Default: `"queue"`. */
  readonly routing?: Rpc.Routing | undefined
  /** Whether one server alone listens. Default: `false`. */
  readonly singleServer?: boolean | undefined
}

/**
 * What kind of method a method of a .proto is; what it takes and gives is in its descriptor. A unary method is stated by
 * `{}`.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind =
  | (Called & Chosen & { readonly kind?: "unary" | undefined })
  | (Called & { readonly kind: "multi" })
  | (Served & Chosen & { readonly kind: "stream" })
  | (WithTopic & { readonly kind: "subscription"; readonly routing?: "queue" | "multi" | undefined })

/**
 * The kinds that the methods of a descriptor need, by their keys.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Kinds<D extends DescService> = {
  readonly [K in keyof D["method"] & string as Descriptor.Key<K>]: Kind
}

/** The option of a kind, or what it is where it is left out. */
type Option<K, Name extends string, Bound, Default extends Bound> = K extends {
  readonly [P in Name]: infer V extends Bound
}
  ? V
  : Default

type ErrorOf<K> = Option<K, "error", DomainErrorInput | undefined, undefined>
type TopicOf<K> = Option<K, "topic", Topic.Any, readonly []>
type GroupOf<K> = Option<K, "group", string | undefined, undefined>
type RoutingOf<K> = Option<K, "routing", Rpc.Routing, "queue">
type SingleOf<K> = Option<K, "singleServer", boolean, false>

/** `google.protobuf.Empty` is nothing. */
type Value<M> = M extends DescMessage
  ? MessageShape<M>["$typeName"] extends "google.protobuf.Empty"
    ? undefined
    : M
  : never

type MethodOf<D, K> = D extends { readonly input: infer In; readonly output: infer Out }
  ? K extends { readonly kind: "multi" }
    ? Rpc.Multi<{
        readonly request: Value<In>
        readonly response: Value<Out>
        readonly error: ErrorOf<K>
        readonly topic: TopicOf<K>
        readonly group: GroupOf<K>
      }>
    : K extends { readonly kind: "stream" }
      ? Rpc.Stream<{
          readonly send: In
          readonly receive: Out
          readonly topic: TopicOf<K>
          readonly routing: RoutingOf<K>
          readonly singleServer: SingleOf<K>
          readonly group: GroupOf<K>
        }>
      : K extends { readonly kind: "subscription" }
        ? Rpc.Subscription<{
            readonly message: Value<Out>
            readonly topic: TopicOf<K>
            readonly routing: Option<K, "routing", "queue" | "multi", "queue">
          }>
        : Rpc.Unary<{
            readonly request: Value<In>
            readonly response: Value<Out>
            readonly error: ErrorOf<K>
            readonly topic: TopicOf<K>
            readonly routing: RoutingOf<K>
            readonly singleServer: SingleOf<K>
            readonly group: GroupOf<K>
          }>
  : never

/**
 * The methods of a descriptor, by their kinds.
 *
 * @category utility types
 * @since 0.1.0
 */
export type FromKinds<D extends DescService, K> = {
  readonly [M in keyof D["method"] & string as Descriptor.Key<M>]: MethodOf<
    D["method"][M],
    K[Descriptor.Key<M> & keyof K]
  >
}

/**
 * Refuses kinds of methods that the descriptor does not have, errors that cannot be, and topic groups whose methods
 * differ.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ValidKinds<D extends DescService, K> = ValidGroups<K> & {
  readonly [P in keyof K]: P extends keyof Kinds<D> ? ValidKind<K[P]> : `${P & string} is no method of the descriptor`
}

/** The options that a kind has. */
type OptionsOf<K> = K extends { readonly kind: infer Name extends "multi" | "stream" | "subscription" }
  ? keyof Extract<Kind, { readonly kind: Name }>
  : keyof Exclude<Kind, { readonly kind: "multi" | "stream" | "subscription" }>

type ValidKind<K> = {
  readonly [O in keyof K]: O extends OptionsOf<K>
    ? O extends "error"
      ? ValidDomainError<K[O]>
      : O extends "topic"
        ? Topic.Valid<K[O]>
        : O extends "singleServer"
          ? Rpc.ValidSingle<K extends { readonly routing: infer R } ? R : "queue", K[O]>
          : unknown
    : `a method of this kind has no ${O & string}`
}

type Stated = Kind & { readonly [option: string]: unknown }

const valueOf = (desc: DescMessage): Payload.Any => (desc.typeName === "google.protobuf.Empty" ? undefined : desc)

const define = ({ desc, idempotent: said, name }: Descriptor.Method, stated: Stated): Rpc.Any => {
  const { error, group, idempotent = said, routing, runToCompletion, singleServer, topic } = stated
  const { input, output } = desc
  // what is left out stays out, and has the defaults of Rpc
  const served: any = { name, desc, topic, group, idempotent }
  const called = { ...served, request: valueOf(input), response: valueOf(output), error, runToCompletion }
  switch (stated.kind ?? "unary") {
    case "unary":
      return Rpc.unary({ ...called, routing, singleServer })
    case "multi":
      return Rpc.multi(called)
    case "stream":
      return Rpc.stream({ ...served, routing, singleServer, send: input, receive: output })
    case "subscription":
      return Rpc.subscription({
        name,
        desc,
        topic: topic as never,
        routing: routing as never,
        message: valueOf(output)
      })
  }
}

/** Where a kind that is stated is not what the options say: what they say, and what is stated. */
const differs = (method: Descriptor.Method, stated: Stated): string | undefined => {
  const kind = stated.kind ?? "unary"
  const said = (what: string, ours: unknown, theirs: unknown) =>
    String(ours) === String(theirs) ? undefined : `${what} ${theirs} is stated, and the .proto says ${ours}`
  const names = (topic: ReadonlyArray<string>) => (topic.length === 0 ? "none" : topic.join(", "))
  return (
    said("the kind", method.kind, kind) ??
    (kind === "multi" ? undefined : said("the routing", method.routing, stated["routing"] ?? "queue")) ??
    said("the topic", names(method.topic.map(({ name }) => name)), names(parameters(stated.topic).names)) ??
    said("the topic group", method.group ?? "none", stated["group"] ?? "none") ??
    said("singleServer", method.singleServer, stated["singleServer"] ?? false)
  )
}

/**
 * A service from the descriptor that protobuf-es generates (`GenService`), without this library's generator. The kinds of
 * its methods are stated by hand, all of them, by their names in protobuf-es; names on the wire and messages are in the
 * descriptor. `google.protobuf.Empty` is nothing.
 *
 * Where the .proto has psrpc's options, what is stated is held against them; a service without any of them is taken at
 * its word. A method whose `idempotency_level` is `IDEMPOTENT` or `NO_SIDE_EFFECTS` is idempotent without a word; one
 * without the option may be stated to be.
 *
 * Throws a `TypeError` for a kind that is not what the options say, a method without a kind, options that contradict
 * each other, a method with the keyword `stream` that is not stated to be a stream, and for what {@link make} refuses.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDescriptor = <D extends DescService, const K extends Kinds<D>>(
  desc: D,
  kinds: K & ValidKinds<D, K>
): Service<string, FromKinds<D, K>> => {
  const service = Descriptor.read(desc)
  const fail = (method: DescMethod, message: string): never => {
    throw new TypeError(`service ${desc.typeName}, method ${method.name}: ${message}`)
  }
  if (service.hasOptions) for (const { message, method } of service.problems) fail(method, message)
  const own = new Map<string, Stated>(Object.entries(kinds as never))
  const methods: Record<string, Rpc.Any> = {}
  for (const method of service.methods) {
    const stated = own.get(method.key) ?? fail(method.desc, `its kind is not stated, as ${method.key}`)
    own.delete(method.key)
    if (service.hasOptions) {
      const difference = differs(method, stated)
      if (difference !== undefined) fail(method.desc, difference)
    } else if (method.desc.methodKind !== "unary" && stated.kind !== "stream") {
      fail(method.desc, `has the keyword stream, and is stated to be ${stated.kind ?? "unary"}`)
    }
    // of the standard options, what is not said is not denied
    if (method.idempotent && stated["idempotent"] === false) {
      fail(method.desc, "idempotent false is stated, and the .proto says true")
    }
    methods[method.key] = define(method, stated)
  }
  for (const key of own.keys()) throw new TypeError(`service ${desc.typeName} has no method ${key}`)
  return make(service.name, methods as never) as never
}
