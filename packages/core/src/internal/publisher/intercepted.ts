/** A publisher's updates behind interceptors. */
import { Effect } from "effect"
import type { PsrpcError } from "../../PsrpcError.ts"
import type { Method } from "../definition/method.ts"
import { type Interception, later } from "../interceptors/chain.ts"
import { type AnyOptions, type Each, Steps, type Way } from "../interceptors/steps.ts"

type Publish<O> = (message: unknown, options?: O) => Effect.Effect<void, PsrpcError>

export const publisher = <O extends AnyOptions>(
  interception: Interception,
  method: Method,
  publish: Publish<O>
): Publish<O> => {
  const { services } = interception
  const way: Way<ReturnType<Publish<O>>> = { runs: later, fail: Effect.fail }
  const last = (each: Each) => publish(each.message, each.options)
  const steps = new Steps(interception, "publish", method, way, last)
  return (message, options) =>
    steps.isEmpty(options)
      ? publish(message, options)
      : services.effect(Effect.scoped(Effect.suspend(() => steps.run({ message }, options))))
}
