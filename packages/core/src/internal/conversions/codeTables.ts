/** The counterparts of psrpc's codes in HTTP, gRPC and Twirp. One row per code: no other file maps codes. */
import { type Code, isCode } from "../errors/codes.ts"

/** HTTP status, gRPC code and Twirp code of each code. */
export const table = {
  canceled: { http: 503, grpc: 1, twirp: "canceled" },
  malformed_request: { http: 400, grpc: 3, twirp: "malformed" },
  malformed_result: { http: 500, grpc: 13, twirp: "malformed" },
  deadline_exceeded: { http: 503, grpc: 4, twirp: "deadline_exceeded" },
  unavailable: { http: 503, grpc: 14, twirp: "unavailable" },
  unknown: { http: 500, grpc: 2, twirp: "unknown" },
  invalid_argument: { http: 400, grpc: 3, twirp: "invalid_argument" },
  not_found: { http: 404, grpc: 5, twirp: "not_found" },
  not_acceptable: { http: 406, grpc: 2, twirp: "unknown" },
  already_exists: { http: 409, grpc: 6, twirp: "already_exists" },
  permission_denied: { http: 403, grpc: 7, twirp: "permission_denied" },
  resource_exhausted: { http: 429, grpc: 8, twirp: "resource_exhausted" },
  failed_precondition: { http: 412, grpc: 9, twirp: "failed_precondition" },
  aborted: { http: 409, grpc: 10, twirp: "aborted" },
  out_of_range: { http: 416, grpc: 11, twirp: "out_of_range" },
  unimplemented: { http: 501, grpc: 12, twirp: "unimplemented" },
  internal: { http: 500, grpc: 13, twirp: "internal" },
  data_loss: { http: 500, grpc: 15, twirp: "data_loss" },
  unauthenticated: { http: 401, grpc: 16, twirp: "unauthenticated" },
  unprocessable_entity: { http: 422, grpc: 2, twirp: "unknown" },
  upstream_server_error: { http: 502, grpc: 13, twirp: "internal" },
  upstream_client_error: { http: 424, grpc: 3, twirp: "invalid_argument" }
} as const satisfies { readonly [C in Code]: { readonly http: number; readonly grpc: number; readonly twirp: string } }

/**
 * A code of Twirp, as it is on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export type TwirpCode = (typeof table)[Code]["twirp"] | "bad_route" | "dataloss"

const httpCodes = new Map<number, Code>([
  [400, "invalid_argument"],
  [401, "unauthenticated"],
  [403, "permission_denied"],
  [404, "not_found"],
  [406, "not_acceptable"],
  [408, "deadline_exceeded"],
  [409, "already_exists"],
  [410, "not_found"],
  [412, "failed_precondition"],
  [416, "out_of_range"],
  [422, "unprocessable_entity"],
  [424, "upstream_client_error"],
  [429, "resource_exhausted"],
  [499, "canceled"],
  [500, "internal"],
  [501, "unimplemented"],
  [502, "upstream_server_error"],
  [503, "unavailable"],
  [504, "deadline_exceeded"]
])

export const codeOfHttp = (status: number): Code =>
  httpCodes.get(status) ??
  (status >= 400 && status < 500 ? "invalid_argument" : status >= 500 && status < 600 ? "internal" : "unknown")

// gRPC and Twirp go back by name: the code of the same name, not another one that happens to map to it.
const grpcCodes: ReadonlyArray<Code> = [
  "unknown",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated"
]

export const codeOfGrpc = (code: number): Code => grpcCodes[code] ?? "unknown"

export const codeOfTwirp = (code: string): Code =>
  code === "malformed"
    ? "malformed_request"
    : code === "bad_route"
      ? "unimplemented"
      : code === "dataloss"
        ? "data_loss"
        : isCode(code) && table[code].twirp === code
          ? code
          : "unknown"

/** The HTTP statuses that Twirp's specification (v7) has for its codes. */
export const twirpStatuses: { readonly [C in TwirpCode]: number } = {
  canceled: 408,
  unknown: 500,
  invalid_argument: 400,
  malformed: 400,
  deadline_exceeded: 408,
  not_found: 404,
  bad_route: 404,
  already_exists: 409,
  permission_denied: 403,
  unauthenticated: 401,
  resource_exhausted: 429,
  failed_precondition: 412,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  dataloss: 500
}
