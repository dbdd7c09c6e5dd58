import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { AnySchema } from "@bufbuild/protobuf/wkt"
import * as conversionCodes from "./codeTables.ts"
import { fromCode, type PsrpcError } from "../errors/classes.ts"
import type { Code, Detail } from "../errors/models.ts"
import { codeOf } from "../errors/wireCode.ts"
import { StatusSchema } from "../gen/google/rpc/status_pb.ts"

/** Maximum number of details in psrpc's own envelope. */
const maxDetails = 1000

/**
 * Returns the number of the gRPC code for an error or a code.
 *
 * Some have another name: `malformed_request` and `upstream_client_error` become INVALID_ARGUMENT (3),
 * `malformed_result` and `upstream_server_error` INTERNAL (13), `not_acceptable` and `unprocessable_entity` UNKNOWN (2).
 *
 * @category converting
 * @since 0.1.0
 */
export const toGrpcCode = (error: PsrpcError | Code): number => conversionCodes.table[codeOf(error)].grpc

/**
 * Returns the code with the name of a gRPC code; `unknown` for a number that gRPC does not define, and for OK (0), which is not
 * an error.
 *
 * @category converting
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
 * Returns the gRPC status for an error, with its message and details. Loses what {@link toGrpcCode} does, and the `peerCode` of an
 * `Unknown`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toGrpcStatus = (error: PsrpcError): GrpcStatus => ({
  code: toGrpcCode(error),
  message: error.message,
  details: error.details
})

/**
 * Returns the error for a gRPC status, by {@link fromGrpcCode}, with its message and details.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromGrpcStatus = (status: {
  readonly code: number
  readonly message?: string | undefined
  readonly details?: ReadonlyArray<Detail> | undefined
}): PsrpcError => fromCode(fromGrpcCode(status.code), { message: status.message, details: status.details })

/**
 * Encodes the gRPC status of an error, see {@link toGrpcStatus}, as a `google.rpc.Status`. gRPC sends these bytes in the
 * trailer `grpc-status-details-bin`, in base64.
 *
 * @category converting
 * @since 0.1.0
 */
export const encodeGrpcStatus = (error: PsrpcError): Uint8Array => {
  const { code, details, message } = toGrpcStatus(error)
  return toBinary(
    StatusSchema,
    create(StatusSchema, {
      code,
      message: message.toWellFormed(),
      details: details.map(({ typeUrl, value }) => create(AnySchema, { typeUrl: typeUrl.toWellFormed(), value }))
    })
  )
}

/**
 * Decodes the bytes of a `google.rpc.Status` into an error, see {@link fromGrpcStatus}.
 *
 * Bytes that do not decode, and a status with more than 1000 details, become a `MalformedResult`.
 *
 * @category converting
 * @since 0.1.0
 */
export const decodeGrpcStatus = (bytes: Uint8Array): PsrpcError => {
  try {
    const { code, details, message } = fromBinary(StatusSchema, bytes, { readUnknownFields: false })
    if (details.length <= maxDetails) {
      // The value of a detail is a view of `bytes`, which the caller may reuse.
      const copies = details.map(({ typeUrl, value }) => ({ typeUrl, value: new Uint8Array(value) }))
      return fromGrpcStatus({ code, message, details: copies })
    }
  } catch {
    // Not a google.rpc.Status.
  }
  return fromCode("malformed_result", { message: "the gRPC status cannot be decoded: no google.rpc.Status" })
}
