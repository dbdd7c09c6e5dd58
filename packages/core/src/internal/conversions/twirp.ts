import * as conversionCodes from "./codes.ts"
import type { TwirpCode } from "./codes.ts"
import { fromCode, type PsrpcError } from "../errors/classes.ts"
import { fieldsOf, fromJson, parse, textOf, toJson } from "./jsonDetails.ts"
import type { Code } from "../errors/models.ts"
import { codeOf, wireCodeOf } from "../errors/wireCode.ts"

/**
 * The Twirp code for an error or a code.
 *
 * Not all are of one name: `malformed_request` and `malformed_result` become `malformed`, `upstream_server_error`
 * `internal`, `upstream_client_error` `invalid_argument`, `not_acceptable` and `unprocessable_entity` `unknown`.
 *
 * `data_loss` is what Twirp's own Go and Ruby send and take; its specification writes `dataloss`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTwirpCode = (error: PsrpcError | Code): TwirpCode => conversionCodes.table[codeOf(error)].twirp

/**
 * The code of the same name as a Twirp code. `malformed` is `malformed_request`, `bad_route` is `unimplemented`,
 * `dataloss` is `data_loss`, and a text that Twirp does not define is `unknown`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromTwirpCode = (code: TwirpCode | (string & {})): Code => conversionCodes.codeOfTwirp(code)

/**
 * The HTTP status that Twirp prescribes for the response with an error. Not that of {@link toHttpStatus}:
 * `deadline_exceeded` and `canceled` are 408, for instance.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTwirpStatus = (error: PsrpcError | Code): number => conversionCodes.twirpStatuses[toTwirpCode(error)]

/**
 * The error object of Twirp, which as JSON is the body of its response.
 *
 * @category models
 * @since 0.1.0
 */
export interface TwirpError {
  readonly code: TwirpCode
  readonly msg: string
  readonly meta?: Readonly<Record<string, string>>
}

const codeKey = "psrpc_code"
const detailsKey = "psrpc_details"

/**
 * The error object of Twirp for an error: its code, by {@link toTwirpCode}, and its message.
 *
 * Twirp has no place for the rest, so what would be lost is in `meta`, for {@link fromTwirpError}: under `psrpc_code` the
 * code, where Twirp's stands for another one, and under `psrpc_details` the details, as the JSON that they are in the body
 * of {@link toHttpResponse}.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTwirpError = (error: PsrpcError): TwirpError => {
  const code = toTwirpCode(error)
  const own = wireCodeOf(error)
  const meta = {
    ...(fromTwirpCode(code) !== own && { [codeKey]: own }),
    ...(error.details.length > 0 && { [detailsKey]: JSON.stringify(toJson(error.details)) })
  }
  return { code, msg: error.message, ...(Object.keys(meta).length > 0 && { meta }) }
}

/**
 * The error for an error object of Twirp, as such or as the text of a response's body, or for anything that should be one: its
 * code, by {@link fromTwirpCode}, and its message; of {@link toTwirpError}, code, message and details as they were.
 *
 * A code that Twirp does not define is kept as it is kept when it comes from a psrpc peer: one of psrpc's by its name,
 * another as the `peerCode` of an `Unknown`. A `psrpc_code` for which Twirp's is not this `code` is ignored, and so is all
 * else in `meta`. Without a code the error is an `Unknown`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromTwirpError = (twirpError: unknown): PsrpcError => {
  const fields = fieldsOf(typeof twirpError === "string" ? parse(twirpError) : twirpError)
  const meta = fieldsOf(fields["meta"])
  const details = textOf(meta[detailsKey])
  return fromCode<string>(psrpcCode(textOf(fields["code"]) ?? "", textOf(meta[codeKey])), {
    message: textOf(fields["msg"]),
    details: details === undefined ? undefined : fromJson(parse(details))
  })
}

const psrpcCode = (code: string, own: string | undefined): string => {
  const known = fromTwirpCode(code)
  if (own !== undefined && toTwirpCode(fromCode<string>(own)) === code) return own
  return known === "unknown" ? code : known
}
