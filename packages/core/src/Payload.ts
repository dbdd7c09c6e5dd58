/**
 * What travels in requests, answers and updates, and how it becomes bytes.
 *
 * A payload is one of four things, and one service may use all of them:
 *
 * - a message descriptor of protobuf-es: protobuf's binary format, the form that Go peers speak;
 * - an Effect Schema: the bytes of its JSON;
 * - `Payload.bytes`: the bytes as they are;
 * - nothing (the option left out): no bytes, which is what `google.protobuf.Empty` is.
 *
 * **Example** (The four kinds in one service)
 *
 * ```ts
 * import { StringValueSchema } from "@bufbuild/protobuf/wkt"
 * import { Payload, Rpc, Service } from "@effect-psrpc/core"
 * import { Predicate, Schema } from "effect"
 *
 * class Files extends Service.make("Files", {
 *   find: Rpc.unary({ request: StringValueSchema, response: Schema.Struct({ size: Schema.Int }) }),
 *   read: Rpc.unary({ request: Schema.String, response: Payload.bytes }),
 *   sync: Rpc.unary({})
 * }) {}
 * ```
 *
 * @since 0.1.0
 */
export { type Codec, TypeId } from "./internal/wire/codec.ts"
export {
  type Any,
  type AnyCodec,
  type AnySchema,
  bytes,
  type Input,
  make,
  type Output
} from "./internal/wire/payload.ts"
