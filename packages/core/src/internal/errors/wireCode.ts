import type { PsrpcError } from "./classes.ts"
import type { Code } from "./models.ts"

/** The code of an error, or the code itself. */
export const codeOf = (error: PsrpcError | Code): Code => (typeof error === "string" ? error : error.code)

/** The code that leaves this process: where another peer gave an `Unknown` a text of its own, that text. */
export const wireCodeOf = (error: PsrpcError): string => (error._tag === "Unknown" && error.peerCode) || error.code
