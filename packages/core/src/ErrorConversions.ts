/**
 * Converts errors of psrpc to HTTP, gRPC and Twirp and back, and a method's own errors to `PsrpcError` and back.
 *
 * | protocol | to | from |
 * | --- | --- | --- |
 * | HTTP | {@link toHttpResponse}, {@link toHttpStatus} | {@link fromHttpResponse}, {@link fromHttpStatus} |
 * | gRPC | {@link encodeGrpcStatus}, {@link toGrpcStatus}, {@link toGrpcCode} | {@link decodeGrpcStatus}, {@link fromGrpcStatus}, {@link fromGrpcCode} |
 * | Twirp | {@link toTwirpError}, {@link toTwirpStatus}, {@link toTwirpCode} | {@link fromTwirpError}, {@link fromTwirpCode} |
 * | a method's own error | {@link fromDomainError} (gives a `PsrpcError`) | {@link toDomainError} |
 *
 * HTTP and Twirp keep the code, the message and the details of an error. gRPC keeps the message and the details, and
 * merges the codes that it does not have into others: see {@link toGrpcCode}.
 *
 * **Example** (An error as the response of a gateway, and back)
 *
 * ```ts
 * import { ErrorConversions, PsrpcError } from "@effect-psrpc/core"
 *
 * const error = PsrpcError.fromCode("not_found", { message: "no job 7" })
 * const { body, status } = ErrorConversions.toHttpResponse(error)
 *
 * ErrorConversions.fromHttpResponse({ status, body })._tag // => "NotFound"
 * ```
 *
 * @since 0.1.0
 */
export type { TwirpCode } from "./internal/conversions/codeTables.ts"
export * from "./internal/conversions/domain.ts"
export * from "./internal/conversions/grpc.ts"
export * from "./internal/conversions/http.ts"
export * from "./internal/conversions/twirp.ts"
