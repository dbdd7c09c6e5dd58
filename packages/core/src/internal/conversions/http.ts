import * as conversionCodes from "./codeTables.ts"
import { fromCode, isCode, type PsrpcError } from "../errors/classes.ts"
import { fieldsOf, fromJson, parse, textOf, toJson } from "./jsonDetails.ts"
import type { Code, Options } from "../errors/models.ts"
import { codeOf, wireCodeOf } from "../errors/wireCode.ts"

/**
 * Returns the HTTP status for an error or a code.
 *
 * Several codes share a status: 400 (`malformed_request`, `invalid_argument`), 409 (`already_exists`, `aborted`), 500
 * (`malformed_result`, `unknown`, `internal`, `data_loss`) and 503 (`canceled`, `deadline_exceeded`, `unavailable`).
 *
 * @category converting
 * @since 0.1.0
 */
export const toHttpStatus = (error: PsrpcError | Code): number => conversionCodes.table[codeOf(error)].http

/**
 * Returns the error for an HTTP status. Default message: `HTTP` and the status.
 *
 * For a status of several codes, see {@link toHttpStatus}, the most general code is returned: 400 is `invalid_argument`, 409
 * `already_exists`, 500 `internal`, 503 `unavailable`. 408 and 504 are `deadline_exceeded`, 410 is `not_found`, 499
 * `canceled`; any other 4xx is `invalid_argument`, any other 5xx `internal`, and 1xx to 3xx are `unknown`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromHttpStatus = (status: number, options?: Options): PsrpcError =>
  fromCode(conversionCodes.codeOfHttp(status), { ...options, message: options?.message || `HTTP ${status}` })

/**
 * The HTTP response for an error.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpResponse {
  readonly status: number
  /** `content-type`, which is `application/json`. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

/**
 * Returns the HTTP response for an error: the status of {@link toHttpStatus}, and a body in the shape of Connect's errors,
 * `{ "code", "message", "details": [{ "type", "value" }] }`.
 *
 * `type` is the name of a protobuf type, with its host in front unless that is `type.googleapis.com`; `value` is in base64.
 * `code` is psrpc's code, or the `peerCode` of an `Unknown`. A detail whose type URL is not a URL also has it as `typeUrl`.
 *
 * **Example** (A gateway that answers an error, and its caller)
 *
 * ```ts
 * import { ErrorConversions, PsrpcError } from "@effect-psrpc/core"
 *
 * const error = PsrpcError.fromCode("not_found", { message: "no job 7" })
 * const { status, headers, body } = ErrorConversions.toHttpResponse(error)
 * const response = new Response(body, { status, headers })
 *
 * const again = ErrorConversions.fromHttpResponse({ status: response.status, body: await response.text() })
 * again._tag // => "NotFound"
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toHttpResponse = (error: PsrpcError): HttpResponse => ({
  status: toHttpStatus(error),
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ code: wireCodeOf(error), message: error.message, details: toJson(error.details) })
})

/**
 * Returns the error for an HTTP response. `body` is its text, or the parsed JSON.
 *
 * A body of {@link toHttpResponse} restores code, message and details. So does any object whose `code` is one of psrpc's,
 * whatever the status, and, for status 500, one with another `code` and a `message`: that code is the `peerCode` of an
 * `Unknown`. Otherwise the code is that of the status, see {@link fromHttpStatus}, and the message is the body's `message`, if
 * there is one; the rest of such a body is ignored. Invalid details are dropped.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromHttpResponse = (response: { readonly status: number; readonly body?: unknown }): PsrpcError => {
  const { body, status } = response
  const fields = fieldsOf(typeof body === "string" ? parse(body) : body)
  const code = textOf(fields["code"])
  const message = textOf(fields["message"])
  const own = code !== undefined && (isCode(code) || (status === 500 && message !== undefined))
  return fromCode<string>(own ? code : conversionCodes.codeOfHttp(status), {
    message: message ?? (own ? undefined : `HTTP ${status}`),
    details: fromJson(fields["details"])
  })
}
