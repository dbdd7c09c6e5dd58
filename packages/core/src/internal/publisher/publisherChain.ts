/** Runs interceptors around a publisher's updates. */
import { Effect } from "effect"
import type { PsrpcError } from "../../PsrpcError.ts"
import type { Method } from "../definition/method.ts"
import { defer } from "../interceptors/chain.ts"
import type { Interception } from "../interceptors/interceptorServices.ts"
import { type AnyOptions, type Invocation, MethodChain, type StepCall } from "../interceptors/methodChain.ts"

type Publish<O> = (message: unknown, options?: O) => Effect.Effect<void, PsrpcError>

export const publisher = <O extends AnyOptions>(
  interception: Interception,
  method: Method,
  publish: Publish<O>
): Publish<O> => {
  const { services } = interception
  const invocation: Invocation<ReturnType<Publish<O>>> = { defer: defer, fail: Effect.fail }
  const last = (each: StepCall) => publish(each.message, each.options)
  const chain = new MethodChain(interception, "publish", method, invocation, last)
  return (message, options) =>
    chain.hasSteps || options?.interceptors !== undefined
      ? services.effect(Effect.scoped(Effect.suspend(() => chain.run({ message }, options))))
      : publish(message, options)
}
