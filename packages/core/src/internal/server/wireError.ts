import * as PsrpcError from "../../PsrpcError.ts"
import type { WireError } from "../domainError.ts"
import { wireCodeOf } from "../psrpcError/wireCode.ts"

/** What a defect is answered as: its own text may hold anything. */
export const internal: WireError = { code: "internal", message: "internal error", details: [] }

/** What a failure of a handler is on the wire. */
export const wireError = (error: unknown): WireError => {
  const known = PsrpcError.fromUnknown(error)
  return { code: wireCodeOf(known), message: known.message, details: known.details }
}
