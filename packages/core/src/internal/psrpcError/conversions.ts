import * as errorCodes from "./codes.ts"
import { fromCode, type PsrpcError } from "./classes.ts"
import type { Code, Detail, Options, TwirpCode } from "./models.ts"

const codeOf = (error: PsrpcError | Code): Code => (typeof error === "string" ? error : error.code)

/**
 * The HTTP status for an error or a code.
 *
 * Several codes share a status: 400 (`malformed_request`, `invalid_argument`), 409 (`already_exists`, `aborted`), 500
 * (`malformed_result`, `unknown`, `internal`, `data_loss`) and 503 (`canceled`, `deadline_exceeded`, `unavailable`).
 *
 * @category conversions
 * @since 0.1.0
 */
export const toHttpStatus = (error: PsrpcError | Code): number => errorCodes.table[codeOf(error)].http

/**
 * The error for an HTTP status, `HTTP` and the status as its message unless one is given.
 *
 * Where {@link toHttpStatus} gives several codes one status, the plainest comes back: 400 is `invalid_argument`, 409
 * `already_exists`, 500 `internal`, 503 `unavailable`. 408 and 504 are `deadline_exceeded`, 410 is `not_found`, 499
 * `canceled`; any other 4xx is `invalid_argument`, any other 5xx `internal`, and what is no failure at all `unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromHttpStatus = (status: number, options?: Options): PsrpcError =>
  fromCode(errorCodes.codeOfHttp(status), { ...options, message: options?.message || `HTTP ${status}` })

/**
 * The number of the gRPC code for an error or a code.
 *
 * Not all are of one name: `malformed_request` and `upstream_client_error` become INVALID_ARGUMENT (3),
 * `malformed_result` and `upstream_server_error` INTERNAL (13), `not_acceptable` and `unprocessable_entity` UNKNOWN (2).
 *
 * @category conversions
 * @since 0.1.0
 */
export const toGrpcCode = (error: PsrpcError | Code): number => errorCodes.table[codeOf(error)].grpc

/**
 * The code of the same name as a gRPC code; `unknown` for a number that gRPC does not define, and for OK (0), which is no
 * error.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromGrpcCode = (code: number): Code => errorCodes.codeOfGrpc(code)

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
 * The gRPC status for an error, with its message and details. Loses what {@link toGrpcCode} does.
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
 * The Twirp code for an error or a code.
 *
 * Not all are of one name: `malformed_request` and `malformed_result` become `malformed`, `upstream_server_error`
 * `internal`, `upstream_client_error` `invalid_argument`, `not_acceptable` and `unprocessable_entity` `unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toTwirpCode = (error: PsrpcError | Code): TwirpCode => errorCodes.table[codeOf(error)].twirp

/**
 * The code of the same name as a Twirp code. `malformed` is `malformed_request`, `bad_route` is `unimplemented`, and a
 * text that Twirp does not define is `unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromTwirpCode = (code: TwirpCode | (string & {})): Code => errorCodes.codeOfTwirp(code)
