import * as conversionCodes from "./codeTables.ts"
import type { TwirpCode } from "./codeTables.ts"
import { fromCode, type PsrpcError } from "../errors/classes.ts"
import { fieldsOf, fromJson, parse, textOf, toJson } from "./jsonDetails.ts"
import type { Code } from "../errors/models.ts"
import { codeOf, wireCodeOf } from "../errors/wireCode.ts"

/**
 * Returns the Twirp code for an error or a code.
 *
 * Some have another name: `malformed_request` and `malformed_result` become `malformed`, `upstream_server_error`
 * `internal`, `upstream_client_error` `invalid_argument`, `not_acceptable` and `unprocessable_entity` `unknown`.
 *
 * `data_loss` is the spelling of Twirp's Go and Ruby; its specification has `dataloss`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTwirpCode = (error: PsrpcError | Code): TwirpCode => conversionCodes.table[codeOf(error)].twirp

/**
 * Returns the code with the name of a Twirp code. `malformed` is `malformed_request`, `bad_route` is `unimplemented`,
 * `dataloss` is `data_loss`, and a code that Twirp does not define is `unknown`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromTwirpCode = (code: TwirpCode | (string & {})): Code => conversionCodes.codeOfTwirp(code)

/**
 * Returns the HTTP status that Twirp prescribes for an error. It differs from {@link toHttpStatus}:
 * `deadline_exceeded` and `canceled` are 408, for instance.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTwirpStatus = (error: PsrpcError | Code): number => conversionCodes.twirpStatuses[toTwirpCode(error)]

/**
 * The error object of Twirp. Its JSON is the body of the response.
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
 * Returns the error object of Twirp for an error: its code, by {@link toTwirpCode}, and its message.
 *
 * Twirp has no field for the rest. {@link fromTwirpError} restores it from `meta`: `psrpc_code` has the code if Twirp's means
 * another one, and `psrpc_details` the details, as JSON in the form of {@link toHttpResponse}.
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
 * Returns the error for an error object of Twirp, given as an object or as the text of a response's body: its code, by
 * {@link fromTwirpCode}, and its message. An object of {@link toTwirpError} restores code, message and details.
 *
 * A code that Twirp does not define is treated like that of a psrpc peer: psrpc's codes by name, others as the `peerCode` of an
 * `Unknown`. A `psrpc_code` that contradicts `code` is ignored, and so is the rest of `meta`. Without a code the error is an
 * `Unknown`.
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
