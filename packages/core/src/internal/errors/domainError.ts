/**
 * Encodes and decodes the errors that a method declares. On the wire, such an error is a code and a message, which every peer
 * reads, and one detail with the error itself.
 */
import { type DescMessage, isMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf"
import { Exit, Option, Predicate, Schema, SchemaAST } from "effect"
import { TypedErrorSchema } from "../gen/effect_psrpc/typed_error_pb.ts"
import { codes, isCode } from "./codes.ts"
import { detail as pack, findDetails } from "./details.ts"
import {
  type DomainErrorInput,
  type DomainErrorOf,
  isProtobufError,
  protobuf,
  type ProtobufError
} from "./domainTypes.ts"
import type { Detail } from "./models.ts"

/** An error on the wire. */
export interface WireError {
  readonly code: string
  readonly message: string
  readonly details: ReadonlyArray<Detail>
}

/** The codec of a method's errors. Decoding never throws; encoding throws only if the user's function for the message does. */
export interface DomainError<out E> {
  /** Returns `undefined` if the value is not one of the method's errors. */
  readonly encode: (error: unknown) => WireError | undefined
  /** Returns `undefined` if no detail is one of the method's errors: the error is then a `PsrpcError`. */
  readonly decode: (wire: WireError) => E | undefined
}

/** Makes the codec for a method's `error`. */
export const make = <Input extends DomainErrorInput>(input: Input): DomainError<DomainErrorOf<Input>> => {
  const error: DomainErrorInput = input
  if (isProtobufError(error)) return fromProtobuf(error) as any
  return (Schema.isSchema(error) ? fromSchema(error as any) : fromMessage(error as DescMessage)) as any
}

/**
 * Checks the annotations `psrpcCode` of a method's errors. The types refuse an unknown code as well, with a message that does
 * not name it. Throws a `TypeError`.
 */
export const checkCodes = (input: DomainErrorInput): void => {
  if (!Schema.isSchema(input)) return
  for (const member of membersOf(input as Schema.ConstraintCodec<unknown>)) {
    const code: unknown = Schema.resolveAnnotations(member)?.psrpcCode
    if (code === undefined || isCode(code)) continue
    throw new TypeError(`psrpcCode ${JSON.stringify(code)} is not a code: expected one of ${codes.join(", ")}`)
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })

/** Makes the codec for tagged values, or for a union of them. Each member's code is its annotation `psrpcCode`. */
export const fromSchema = <E>(schema: Schema.ConstraintCodec<E, unknown>): DomainError<E> => {
  const decode = Schema.decodeUnknownExit(Schema.toCodecJson(schema))
  const members = membersOf(schema).map((member) => {
    const code = Schema.resolveAnnotations(member)?.psrpcCode
    return {
      is: Schema.is(member),
      encode: Schema.encodeUnknownExit(Schema.toCodecJson(member)),
      code: isCode(code) ? code : "unknown"
    }
  })
  return {
    encode(error) {
      const member = members.find((member) => member.is(error))
      if (member === undefined) return undefined
      const { _tag: tag, message } = error as { readonly _tag: string; readonly message?: unknown }
      return {
        code: member.code,
        message: typeof message === "string" && message !== "" ? message : tag,
        details: details(() => {
          const json = Exit.getSuccess(member.encode(error))
          return pack(TypedErrorSchema, {
            tag,
            json: encoder.encode(JSON.stringify(Option.getOrThrow(json)))
          })
        })
      }
    },
    decode(wire) {
      for (const { json } of findDetails(wire, TypedErrorSchema)) {
        const exit = decode(parse(json))
        if (Exit.isSuccess(exit)) return exit.value
      }
      return undefined
    }
  }
}

const parse = (json: Uint8Array): unknown => {
  try {
    return JSON.parse(decoder.decode(json))
  } catch {
    return undefined
  }
}

/** Returns no detail if the error cannot be encoded: the response still has the code and the message. */
const details = (detail: () => Detail): ReadonlyArray<Detail> => {
  try {
    return [detail()]
  } catch {
    return []
  }
}

const membersOf = (schema: Schema.ConstraintCodec<unknown>): ReadonlyArray<Schema.ConstraintCodec<unknown>> =>
  SchemaAST.isUnion(schema.ast) && Predicate.hasProperty(schema, "members") && Array.isArray(schema.members)
    ? schema.members.flatMap(membersOf)
    : [schema]

/** Makes the codec for a protobuf message. */
export const fromMessage = <Desc extends DescMessage>(
  desc: Desc,
  options?: Parameters<typeof protobuf<Desc>>[1]
): DomainError<MessageShape<Desc>> => fromProtobuf(protobuf(desc, options))

const fromProtobuf = <Desc extends DescMessage>({
  code,
  desc,
  message
}: ProtobufError<Desc>): DomainError<MessageShape<Desc>> => ({
  encode: (error) =>
    isMessage(error, desc)
      ? {
          code,
          message: message(error as never) || desc.typeName,
          details: details(() => pack(desc, error as MessageInitShape<Desc>))
        }
      : undefined,
  decode: (wire) => findDetails(wire, desc)[0]
})
