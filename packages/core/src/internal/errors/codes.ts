/** The codes of psrpc. One row per code. */

/** Tag of the error class of each code. */
export const tags = {
  canceled: "Canceled",
  malformed_request: "MalformedRequest",
  malformed_result: "MalformedResult",
  deadline_exceeded: "DeadlineExceeded",
  unavailable: "Unavailable",
  unknown: "Unknown",
  invalid_argument: "InvalidArgument",
  not_found: "NotFound",
  not_acceptable: "NotAcceptable",
  already_exists: "AlreadyExists",
  permission_denied: "PermissionDenied",
  resource_exhausted: "ResourceExhausted",
  failed_precondition: "FailedPrecondition",
  aborted: "Aborted",
  out_of_range: "OutOfRange",
  unimplemented: "Unimplemented",
  internal: "Internal",
  data_loss: "DataLoss",
  unauthenticated: "Unauthenticated",
  unprocessable_entity: "UnprocessableEntity",
  upstream_server_error: "UpstreamServerError",
  upstream_client_error: "UpstreamClientError"
} as const

export type Code = keyof typeof tags
export type TagOf<C extends Code> = (typeof tags)[C]
export type Tag = TagOf<Code>

export const codes: ReadonlyArray<Code> = Object.freeze(Object.keys(tags) as Array<Code>)

export const isCode = (u: unknown): u is Code => typeof u === "string" && Object.hasOwn(tags, u)
