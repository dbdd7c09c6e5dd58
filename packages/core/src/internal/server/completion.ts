/** Calls whose handlers go on where they would be interrupted, whatever their method says. */
import type { AnyCall } from "../calls/callContext.ts"

const calls = new WeakSet<AnyCall>()

/** Has the handler of a call go on past its deadline, and when its caller has gone; not when the server closes. */
export const complete = (call: AnyCall): void => {
  calls.add(call)
}

export const isToComplete = (call: AnyCall): boolean => calls.has(call)
