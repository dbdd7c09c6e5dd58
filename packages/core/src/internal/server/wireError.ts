import * as PsrpcError from "../../PsrpcError.ts"
import type { WireError } from "../errors/domainError.ts"
import { maxEntries } from "../metadata/model.ts"
import { wireCodeOf } from "../errors/wireCode.ts"

/** What a defect is answered as: its own text may hold anything. */
export const internal: WireError = { code: "internal", message: "internal error", details: [] }

/** What a failure of a handler is on the wire: an answer with more details than a message may have would be no answer. */
export const wireError = (error: unknown): WireError => {
  const known = PsrpcError.fromUnknown(error)
  const { details, message } = known
  return {
    code: wireCodeOf(known),
    message,
    details: details.length > maxEntries ? details.slice(0, maxEntries) : details
  }
}
