/**
 * Metadata: small texts that travel beside a request, such as a trace or who is asking.
 *
 * What goes out is fiber-local and reaches every call made inside, of whatever kind: what `with`, `append`, `remove` and
 * `replace` say, and `outgoing` tells. What came in with the call that a handler answers is in its `call.header`, and
 * `incoming` tells it below; it does not go out again unless `forward` says so.
 *
 * A call's own metadata (its option `metadata`) goes over the fiber's, which goes over the client's.
 *
 * What cannot be sent fails the call with `invalid_argument` before anything is sent: an empty key, one with white space
 * or control characters, a value with U+0000, a key or value that is no well-formed Unicode, more than {@link maxEntries}
 * entries, or more bytes than the client's
 * `maxMetadataSize` (`Client.defaultMaxMetadataSize`). The error names the key and never quotes a value.
 *
 * **Example** (Metadata for every call inside)
 *
 * ```ts
 * import { Metadata } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * declare const callSomeone: Effect.Effect<void>
 *
 * const program = callSomeone.pipe(Metadata.with({ tenant: "acme" }))
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Function, Stream } from "effect"
import { CurrentCall } from "./internal/calls/callContext.ts"
import * as internal from "./internal/metadata/combine.ts"
import * as Model from "./internal/metadata/model.ts"
import { type Metadata, Outgoing } from "./internal/metadata/model.ts"

export { type Header, type Metadata, Outgoing } from "./internal/metadata/model.ts"

/**
 * No metadata.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Metadata = Model.emptyMetadata

/**
 * How many entries a call may have: 1000, which is what a server of this library takes.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxEntries: number = Model.maxEntries

/**
 * The keys that {@link forward} leaves out unless it is given them: the incoming call's trace, of which each outgoing call
 * is a span of its own.
 *
 * @category constants
 * @since 0.1.0
 */
export const traceKeys: ReadonlyArray<string> = Object.freeze(["traceparent", "tracestate"])

/**
 * What calls made here carry, beside what their clients and their own options say.
 *
 * @category accessors
 * @since 0.1.0
 */
export const outgoing: Effect.Effect<Metadata> = Effect.withFiber((fiber) => Effect.succeed(fiber.getRef(Outgoing)))

/**
 * What came with the call that is answered here; empty where none is. It has no inherited properties.
 *
 * @category accessors
 * @since 0.1.0
 */
export const incoming: Effect.Effect<Metadata> = Effect.withFiber((fiber) => Effect.succeed(incomingOf(fiber.context)))

const incomingOf = (context: Context.Context<never>): Metadata =>
  Context.getOrUndefined(context, CurrentCall)?.header.metadata ?? empty

/**
 * What the combinators work on: an Effect, or a Stream, whose calls are those made while it is pulled.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Calling = Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>

/**
 * The same Effect or Stream.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Same<Self extends Calling> =
  Self extends Stream.Stream<infer A, infer E, infer R>
    ? Stream.Stream<A, E, R>
    : Self extends Effect.Effect<infer A, infer E, infer R>
      ? Effect.Effect<A, E, R>
      : never

type AnyEffect = Effect.Effect<unknown, unknown>
type AnyStream = Stream.Stream<unknown, unknown>

const isCalling = (u: unknown): u is Calling => Effect.isEffect(u) || Stream.isStream(u)

/** What is outgoing inside is made from what is outside, each time that it is run. */
const update = <Self extends Calling>(
  self: Self,
  f: (outgoing: Metadata, context: Context.Context<never>) => Metadata
): Same<Self> => {
  const change = (context: Context.Context<never>): Context.Context<never> =>
    Context.add(context, Outgoing, f(Context.get(context, Outgoing), context))
  const changed = Stream.isStream(self)
    ? Stream.updateContext(self as AnyStream, change)
    : Effect.updateContext(self as AnyEffect, change)
  return changed as Calling as Same<Self>
}

const withMetadata: {
  (metadata: Metadata): <Self extends Calling>(self: Self) => Same<Self>
  <Self extends Calling>(self: Self, metadata: Metadata): Same<Self>
} = Function.dual(2, <Self extends Calling>(self: Self, metadata: Metadata): Same<Self> =>
  update(self, (outgoing) => internal.merge(outgoing, metadata))
)

export {
  /**
   * Adds metadata to every call made inside, over what is outgoing already.
   *
   * @category combinators
   * @since 0.1.0
   */
  withMetadata as with
}

/**
 * Calls made inside carry exactly this, and what their clients and their own options say.
 *
 * @category combinators
 * @since 0.1.0
 */
export const replace: {
  (metadata: Metadata): <Self extends Calling>(self: Self) => Same<Self>
  <Self extends Calling>(self: Self, metadata: Metadata): Same<Self>
} = Function.dual(2, <Self extends Calling>(self: Self, metadata: Metadata): Same<Self> => update(self, () => metadata))

/**
 * Adds a value behind what is outgoing for a key, after `", "`, as HTTP joins the values of a header that comes more than
 * once; sets it where there is none. For keys that hold lists, such as `baggage`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const append: {
  (key: string, value: string): <Self extends Calling>(self: Self) => Same<Self>
  <Self extends Calling>(self: Self, key: string, value: string): Same<Self>
} = Function.dual(3, <Self extends Calling>(self: Self, key: string, value: string): Same<Self> =>
  update(self, (outgoing) => internal.append(outgoing, key, value))
)

/**
 * Takes keys out of what is outgoing. What a client has by its options stays.
 *
 * @category combinators
 * @since 0.1.0
 */
export const remove: {
  (...keys: ReadonlyArray<string>): <Self extends Calling>(self: Self) => Same<Self>
  <Self extends Calling>(self: Self, ...keys: ReadonlyArray<string>): Same<Self>
} = Function.dual(
  (args) => isCalling(args[0]),
  <Self extends Calling>(self: Self, ...keys: ReadonlyArray<string>): Same<Self> =>
    update(self, (outgoing) => internal.remove(outgoing, keys))
)

/**
 * Calls made inside carry on what came with the call that is answered here: the values of these keys, or, without `keys`,
 * all but {@link traceKeys}. What is outgoing already goes over it. Where no call is answered, it changes nothing.
 *
 * A caller that is no client of this library may have sent what cannot be sent on; calls inside then fail as for any
 * metadata that cannot be sent.
 *
 * **Example** (A handler that passes on who asks)
 *
 * ```ts
 * import { Client, Metadata, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Schema } from "effect"
 *
 * class Store extends Service.make("Store", { read: Rpc.unary({ request: Schema.String, response: Schema.String }) }) {}
 * class Front extends Service.make("Front", { show: Rpc.unary({ request: Schema.String, response: Schema.String }) }) {}
 *
 * declare const store: Client.From<typeof Store>
 *
 * const FrontLive = Server.layer(Front, {
 *   show: (name) => store.read(name).pipe(Metadata.forward(["tenant"]))
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const forward: {
  (keys?: ReadonlyArray<string>): <Self extends Calling>(self: Self) => Same<Self>
  <Self extends Calling>(self: Self, keys?: ReadonlyArray<string>): Same<Self>
} = Function.dual(
  (args) => isCalling(args[0]),
  <Self extends Calling>(self: Self, keys?: ReadonlyArray<string>): Same<Self> =>
    update(self, (outgoing, context) => {
      const came = incomingOf(context)
      const on = keys === undefined ? internal.remove(came, traceKeys) : internal.pick(came, keys)
      return internal.merge(on, outgoing)
    })
)
