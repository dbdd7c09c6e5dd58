import * as PsrpcError from "../../PsrpcError.ts"
import type { WireError } from "../errors/domainError.ts"
import { maxEntries } from "../metadata/model.ts"
import { wireCodeOf } from "../errors/wireCode.ts"

/** The error in the response to a request whose handler died: the text of a defect may contain anything. */
export const internal: WireError = { code: "internal", message: "internal error", details: [] }

/** The failure of a handler on the wire. A client rejects a response with more details than the maximum. */
export const wireError = (error: unknown): WireError => {
  const known = PsrpcError.fromUnknown(error)
  const { details, message } = known
  return {
    code: wireCodeOf(known),
    message,
    details: details.length > maxEntries ? details.slice(0, maxEntries) : details
  }
}
