import * as PsrpcError from "../../PsrpcError.ts"
import type { WireError } from "../domainError.ts"

/** What a defect is answered as: its own text may hold anything. */
export const internal: WireError = { code: "internal", message: "internal error", details: [] }

/** What a failure of a handler is on the wire. */
export const wireError = (error: unknown): WireError => {
  const known = PsrpcError.fromUnknown(error)
  const peerCode = known._tag === "Unknown" ? known.peerCode : undefined
  return { code: peerCode ?? known.code, message: known.message, details: known.details }
}
