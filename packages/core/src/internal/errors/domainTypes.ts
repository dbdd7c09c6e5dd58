import type { DescMessage, MessageShape } from "@bufbuild/protobuf"
import { Predicate, type Schema } from "effect"
import type { Code, Tag } from "./models.ts"

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /**
       * The code of an error of a method on the wire. Default: `"unknown"`.
       */
      readonly psrpcCode?: Code | undefined
    }
  }
}

const ProtobufErrorTypeId = "~effect-psrpc/PsrpcError/ProtobufError"

/**
 * A protobuf message as the error of a method, made by {@link protobuf}.
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
 * Makes the error of a method from a protobuf message. Every peer receives the code and the text; the protobuf message is a
 * detail of the error.
 *
 * With the default options, the descriptor alone is enough.
 *
 * @category constructors
 * @since 0.1.0
 */
export const protobuf = <Desc extends DescMessage>(
  desc: Desc,
  options?: {
    /** The code on the wire. Default: `"unknown"`. */
    readonly code?: Code | undefined
    /** Text for people. Default: the name of the protobuf type. */
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
 * Checks whether a value was made by {@link protobuf}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isProtobufError = (u: unknown): u is ProtobufError<DescMessage> =>
  Predicate.hasProperty(u, ProtobufErrorTypeId)

/**
 * The possible values of a method's `error`: a tagged error class or another schema of tagged values, a union of them, a
 * protobuf message descriptor, or the result of {@link protobuf}.
 *
 * @category utility types
 * @since 0.1.0
 */
export type DomainErrorInput = Schema.ConstraintCodec<unknown, unknown> | DescMessage | ProtobufError<DescMessage>

/**
 * The type of a method's error, from its `error`; `never` without one.
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
 * `unknown` if `Input` is valid as the `error` of a method, else a sentence with the reason. Used as
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
