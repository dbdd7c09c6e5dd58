import type { DescMessage, MessageShape } from "@bufbuild/protobuf"
import { Predicate, type Schema } from "effect"
import type { Code, Tag } from "./models.ts"

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /**
       * The code under which an error of a method travels over psrpc. Default: `"unknown"`.
       */
      readonly psrpcCode?: Code | undefined
    }
  }
}

const ProtobufErrorTypeId = "~effect-psrpc/PsrpcError/ProtobufError"

/**
 * A protobuf message as the error of a method, made with {@link protobuf}.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProtobufError<out Desc extends DescMessage> {
  readonly [ProtobufErrorTypeId]: typeof ProtobufErrorTypeId
  readonly desc: Desc
  readonly code: Code
  readonly message: (message: never) => string
}

/**
 * Makes a protobuf message the error of a method: code and message for every peer, the protobuf message as its detail.
 *
 * A descriptor alone does too, where the defaults are right.
 *
 * @category constructors
 * @since 0.1.0
 */
export const protobuf = <Desc extends DescMessage>(
  desc: Desc,
  options?: {
    /** Default: `"unknown"`. */
    readonly code?: Code | undefined
    /** For people. Default: the name of the protobuf type. */
    readonly message?: string | ((message: MessageShape<Desc>) => string) | undefined
  }
): ProtobufError<Desc> => {
  const message = options?.message ?? desc.typeName
  return {
    [ProtobufErrorTypeId]: ProtobufErrorTypeId,
    desc,
    code: options?.code ?? "unknown",
    message: typeof message === "string" ? () => message : message
  }
}

/**
 * Tells whether a value was made with {@link protobuf}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isProtobufError = (u: unknown): u is ProtobufError<DescMessage> =>
  Predicate.hasProperty(u, ProtobufErrorTypeId)

/**
 * What a method takes as its `error`: a tagged error class or another schema of tagged values, a union of them, a
 * protobuf message, or {@link protobuf}.
 *
 * @category utility types
 * @since 0.1.0
 */
export type DomainErrorInput = Schema.ConstraintCodec<unknown, unknown> | DescMessage | ProtobufError<DescMessage>

/**
 * The error that a method fails with, given its `error`; `never` without one.
 *
 * @category utility types
 * @since 0.1.0
 */
export type DomainErrorOf<Input> =
  Input extends ProtobufError<infer Desc>
    ? MessageShape<Desc>
    : Input extends DescMessage
      ? MessageShape<Input>
      : Input extends { readonly Type: infer A }
        ? A
        : never

/**
 * `unknown` where `Input` will do as the `error` of a method, else a sentence that says why not: write
 * `error: Input & ValidDomainError<Input>`.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ValidDomainError<Input> = Input extends ProtobufError<DescMessage> | DescMessage | undefined
  ? unknown
  : CheckTags<DomainErrorOf<Input>>

type CheckTags<E> = [E] extends [{ readonly _tag: string }]
  ? [Extract<E["_tag"], Tag>] extends [never]
    ? unknown
    : `The tag "${Extract<E["_tag"], Tag>}" belongs to a PsrpcError: give the error of the method another one`
  : "The error of a method needs a _tag: use Schema.TaggedError"
