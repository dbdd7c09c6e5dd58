import type { PsrpcError } from "./classes.ts"
import type { Code } from "./models.ts"

/** Returns the code of an error, or the code itself. */
export const codeOf = (error: PsrpcError | Code): Code => (typeof error === "string" ? error : error.code)

/** Returns the code on the wire: for an `Unknown` with a `peerCode`, that text. */
export const wireCodeOf = (error: PsrpcError): string => (error._tag === "Unknown" && error.peerCode) || error.code
