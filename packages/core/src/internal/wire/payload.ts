/** Payloads and their codecs. Public in `Payload`. */
/// <reference types="@bufbuild/protobuf/codegenv2" preserve="true" />
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf"
import { create, fromBinary, ScalarType, toBinary } from "@bufbuild/protobuf"
import { Predicate, Schema, SchemaIssue } from "effect"
import { type Codec, TypeId } from "./codec.ts"

/**
 * Any codec, erased.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnyCodec {
  readonly [TypeId]: TypeId
}

/**
 * Any Effect Schema that needs no services.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnySchema extends Schema.Constraint {
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/**
 * What a method's definition takes as a payload: a message descriptor, a Schema, a codec, or nothing.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = DescMessage | AnySchema | AnyCodec | undefined

/**
 * What a sender gives: an init object or message, what the Schema's `make` takes, the codec's input, or nothing.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Input<P> = [P] extends [undefined]
  ? void
  : P extends DescMessage
    ? MessageInitShape<P>
    : P extends AnySchema
      ? P["~type.make.in"]
      : P extends Codec<infer A, infer _B>
        ? A
        : never

/**
 * What the receiver gets: the message, the Schema's type, the codec's output, or nothing.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Output<P> = [P] extends [undefined]
  ? void
  : P extends DescMessage
    ? MessageShape<P>
    : P extends AnySchema
      ? P["Type"]
      : P extends Codec<infer _A, infer B>
        ? B
        : never

const codec = <A, B>(
  typeName: string | undefined,
  encode: (value: A) => Uint8Array,
  decode: (bytes: Uint8Array) => B
): Codec<A, B> => ({ [TypeId]: TypeId, typeName, encode, decode })

const noBytes = new Uint8Array(0)

/** What the user may keep, change or transfer: the bytes of a message are part of memory that others share. */
const copy = (value: Uint8Array): Uint8Array => value.slice()

/**
 * The bytes as they are, in both directions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytes: Codec<Uint8Array, Uint8Array> = codec(
  undefined,
  (value) => {
    if (value instanceof Uint8Array) return value
    throw new TypeError(`expected a Uint8Array, got ${value === null ? "null" : typeof value}`)
  },
  copy
)

const nothing: Codec<void, void> = codec(
  "google.protobuf.Empty",
  () => noBytes,
  () => undefined
)

/**
 * A codec of your own, where none of the four kinds fits: MessagePack, say.
 *
 * **Example** (JSON without a Schema)
 *
 * ```ts
 * import { Payload } from "@effect-psrpc/core"
 *
 * const json = Payload.make<unknown>({
 *   encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
 *   decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes))
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, B = A>(options: {
  /** Value to bytes. May throw. */
  readonly encode: (value: A) => Uint8Array
  /** Bytes to value; the bytes are its own. May throw. */
  readonly decode: (bytes: Uint8Array) => B
}): Codec<A, B> => codec(undefined, options.encode, (value) => options.decode(copy(value)))

/** Whether a message, or one inside of it, has fields of bytes: they are read as views. */
const holdsBytes = (desc: DescMessage, seen: Set<DescMessage> = new Set()): boolean => {
  if (seen.has(desc)) return false
  seen.add(desc)
  return desc.fields.some((field) => {
    const { message } = field
    return message === undefined ? field.scalar === ScalarType.BYTES : holdsBytes(message, seen)
  })
}

const fromMessage = (desc: DescMessage): Codec<unknown, unknown> => {
  const own = holdsBytes(desc) ? copy : (value: Uint8Array) => value
  return codec(
    desc.typeName,
    (value) => toBinary(desc, create(desc, value as MessageInitShape<DescMessage>)),
    (value) => fromBinary(desc, own(value))
  )
}

const utf8 = new TextEncoder()
const text = new TextDecoder("utf-8", { fatal: true })

/** A value by the Schema's `make`, whose own error says only that there is one. */
const made = (schema: Schema.Top, value: unknown): unknown => {
  try {
    return schema.make(value)
  } catch (error) {
    const issue = error instanceof Error ? error.cause : undefined
    throw SchemaIssue.isIssue(issue) ? new Schema.SchemaError(issue) : error
  }
}

const fromSchema = (schema: AnySchema & Schema.Top): Codec<unknown, unknown> => {
  const json = Schema.toCodecJson(schema) as unknown as Schema.Codec<unknown, unknown>
  const encode = Schema.encodeUnknownSync(json)
  const decode = Schema.decodeUnknownSync(json)
  return codec(
    undefined,
    (value) => utf8.encode(JSON.stringify(encode(made(schema, value))) ?? "null"),
    (value) => decode(JSON.parse(text.decode(value)))
  )
}

const codecOf = (payload: Any): AnyCodec => {
  if (payload === undefined) return nothing
  if (Predicate.hasProperty(payload, TypeId)) return payload
  if (Schema.isSchema(payload)) return fromSchema(payload as AnySchema & Schema.Top)
  if (Predicate.hasProperty(payload, "kind") && payload.kind === "message") return fromMessage(payload as DescMessage)
  throw new TypeError("a payload is a protobuf message descriptor, an Effect Schema, a codec of Payload, or left out")
}

/** Returns the codec of a payload in a method's definition. Throws a `TypeError` if it is none. */
export const toCodec = <P extends Any>(payload: P): Codec<Input<P>, Output<P>> =>
  codecOf(payload) as unknown as Codec<Input<P>, Output<P>>
