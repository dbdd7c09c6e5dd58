import * as Any from "../wire/any.ts"
import { maxEntries } from "../metadata/model.ts"
import * as Reader from "../wire/reader.ts"
import * as Writer from "../wire/writer.ts"
import * as conversionCodes from "./codes.ts"
import { fromCode, type PsrpcError } from "../errors/classes.ts"
import type { Code, Detail } from "../errors/models.ts"
import { codeOf } from "../errors/wireCode.ts"

/**
 * The number of the gRPC code for an error or a code.
 *
 * Not all are of one name: `malformed_request` and `upstream_client_error` become INVALID_ARGUMENT (3),
 * `malformed_result` and `upstream_server_error` INTERNAL (13), `not_acceptable` and `unprocessable_entity` UNKNOWN (2).
 *
 * @category conversions
 * @since 0.1.0
 */
export const toGrpcCode = (error: PsrpcError | Code): number => conversionCodes.table[codeOf(error)].grpc

/**
 * The code of the same name as a gRPC code; `unknown` for a number that gRPC does not define, and for OK (0), which is no
 * error.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromGrpcCode = (code: number): Code => conversionCodes.codeOfGrpc(code)

/**
 * The status of a gRPC call, `google.rpc.Status`.
 *
 * @category models
 * @since 0.1.0
 */
export interface GrpcStatus {
  readonly code: number
  readonly message: string
  readonly details: ReadonlyArray<Detail>
}

/**
 * The gRPC status for an error, with its message and details. Loses what {@link toGrpcCode} does, and the `peerCode` of an
 * `Unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toGrpcStatus = (error: PsrpcError): GrpcStatus => ({
  code: toGrpcCode(error),
  message: error.message,
  details: error.details
})

/**
 * The error for a gRPC status, by {@link fromGrpcCode}, with its message and details.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromGrpcStatus = (status: {
  readonly code: number
  readonly message?: string | undefined
  readonly details?: ReadonlyArray<Detail> | undefined
}): PsrpcError => fromCode(fromGrpcCode(status.code), { message: status.message, details: status.details })

/**
 * The gRPC status for an error, as {@link toGrpcStatus} has it, as the bytes of a `google.rpc.Status`: what gRPC's trailer
 * `grpc-status-details-bin` carries (there in base64).
 *
 * @category conversions
 * @since 0.1.0
 */
export const encodeGrpcStatus = (error: PsrpcError): Uint8Array => {
  const { code, details, message } = toGrpcStatus(error)
  let bound = Writer.stringBound(message) + 2
  for (const detail of details) bound += Any.bound(detail)
  Writer.begin(bound)
  Writer.writeVarint(0x08)
  Writer.writeVarint(code)
  Writer.writeStringField(0x12, message)
  for (const detail of details) Any.write(0x1a, detail)
  return Writer.finish().slice()
}

/**
 * The error for the bytes of a `google.rpc.Status`, as {@link fromGrpcStatus} has it.
 *
 * Bytes that are none, or with more than 1000 details, are a `malformed_result` that says so.
 *
 * @category conversions
 * @since 0.1.0
 */
export const decodeGrpcStatus = (bytes: Uint8Array): PsrpcError => {
  let code = 0
  let message = ""
  const details: Array<Detail> = []
  Reader.read(bytes)
  while (Reader.more()) {
    const tag = Reader.readTag()
    if (tag === 0x08) code = Reader.readUint32()
    else if (tag === 0x12) message = Reader.readString()
    else if (tag === 0x1a && details.length < maxEntries) details.push(Any.read())
    else if (tag === 0x1a) Reader.refuse()
    else Reader.skip(tag)
  }
  return Reader.done()
    ? fromGrpcStatus({ code, message, details })
    : fromCode("malformed_result", { message: "the gRPC status cannot be decoded: no google.rpc.Status" })
}
