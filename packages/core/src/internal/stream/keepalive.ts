import type { Duration, Effect } from "effect"
import type * as PsrpcError from "../../PsrpcError.ts"
import { checked } from "../errors/checks.ts"
import { millisOf } from "../time/millis.ts"
import { shortestKeepalive } from "./liveness.ts"

/** Checks a keepalive interval. Returns milliseconds, Infinity for none. */
export const checkKeepalive = (at: string, keepalive: Duration.Input): Effect.Effect<number, PsrpcError.PsrpcError> =>
  checked(at, () => {
    const millis = millisOf("keepalive", keepalive)
    if (millis >= shortestKeepalive) return millis
    throw new TypeError(
      `keepalive is ${millis} milliseconds: expected ${shortestKeepalive} or more, or "Infinity" to send none`
    )
  })
