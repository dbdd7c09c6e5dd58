/**
 * Metadata: keys and values that travel with a request, such as a trace context or a tenant.
 *
 * Outgoing metadata is local to the fiber. Every call inside sends it, of every kind. `with`, `append`, `remove` and `replace`
 * change it, and `outgoing` reads it. A handler has the incoming metadata of its call in `call.header`; code below the
 * handler reads it from `incoming`. Incoming metadata is sent on only by `forward`.
 *
 * The metadata option of a call has precedence over the fiber's metadata, which has precedence over the client's.
 *
 * A call fails with `invalid_argument`, before anything is sent, for an empty key, a key with white space or control
 * characters, a value with U+0000, a key or value that is not well-formed Unicode, more than {@link maxEntries} entries, or
 * more bytes than the client's `maxMetadataSize` (`Client.defaultMaxMetadataSize`). The error names the key and never quotes
 * a value.
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
 * The metadata without entries.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Metadata = Model.emptyMetadata

/**
 * Maximum number of entries of a call: 1000, the maximum that a server of this library accepts.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxEntries: number = Model.maxEntries

/**
 * The keys that {@link forward} omits by default: the trace context of the incoming call. Each outgoing call sends its own.
 *
 * @category constants
 * @since 0.1.0
 */
export const traceKeys: ReadonlyArray<string> = Object.freeze(["traceparent", "tracestate"])

/**
 * Reads the outgoing metadata of the fiber, without that of clients and of options.
 *
 * @category accessors
 * @since 0.1.0
 */
export const outgoing: Effect.Effect<Metadata> = Effect.withFiber((fiber) => Effect.succeed(fiber.getRef(Outgoing)))

/**
 * Reads the incoming metadata of the current call; empty outside of a handler. It has no inherited properties.
 *
 * @category accessors
 * @since 0.1.0
 */
export const incoming: Effect.Effect<Metadata> = Effect.withFiber((fiber) => Effect.succeed(incomingOf(fiber.context)))

const incomingOf = (context: Context.Context<never>): Metadata =>
  Context.getOrUndefined(context, CurrentCall)?.header.metadata ?? empty

/**
 * An Effect or a Stream that makes calls. The calls of a Stream are those made while it is pulled.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Calling = Effect.Effect<unknown, unknown, unknown> | Stream.Stream<unknown, unknown, unknown>

/**
 * The same Effect or Stream, with its own type.
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

/** Changes the outgoing metadata inside. `f` runs with each run of the Effect or Stream. */
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
   * Adds metadata to every call inside. It replaces outgoing entries with the same keys.
   *
   * @category combinators
   * @since 0.1.0
   */
  withMetadata as with
}

/**
 * Replaces the outgoing metadata of every call inside. Metadata of clients and of options is still sent.
 *
 * @category combinators
 * @since 0.1.0
 */
export const replace: {
  (metadata: Metadata): <Self extends Calling>(self: Self) => Same<Self>
  <Self extends Calling>(self: Self, metadata: Metadata): Same<Self>
} = Function.dual(2, <Self extends Calling>(self: Self, metadata: Metadata): Same<Self> => update(self, () => metadata))

/**
 * Appends a value to the outgoing value of a key, after `", "`, as HTTP joins the values of a repeated header. Sets it if there
 * is no value. For keys with lists, such as `baggage`.
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
 * Removes keys from the outgoing metadata. Metadata of the client's options stays.
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
 * Adds the incoming metadata of the current call to every call inside: the entries of these keys, or, without `keys`, all but
 * {@link traceKeys}. Outgoing entries have precedence. Outside of a handler it changes nothing.
 *
 * Another peer may send entries that this library refuses to send. Calls that forward them fail with `invalid_argument`.
 *
 * **Example** (A handler that forwards the tenant)
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
      const all = incomingOf(context)
      const forwarded = keys === undefined ? internal.remove(all, traceKeys) : internal.pick(all, keys)
      return internal.merge(forwarded, outgoing)
    })
)
