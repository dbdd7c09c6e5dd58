/** The services of interceptors that run in the fiber of a caller. */
import { Context, Effect, Stream } from "effect"
import { CurrentCall } from "../calls/callContext.ts"
import { type CallControl, CurrentControl } from "../calls/callControl.ts"
import * as Metadata from "../metadata/model.ts"
import type { Entry } from "./chain.ts"

/** Provides the services of a Layer to steps that run in the fiber of a caller. */
export interface Services {
  /** Returns the same services and the control of a method's calls. */
  readonly withControl: (control: CallControl) => Services
  readonly effect: <A, E, R = never>(self: Effect.Effect<A, E, any>) => Effect.Effect<A, E, R>
  readonly stream: <A, E>(self: Stream.Stream<A, E, any>) => Stream.Stream<A, E>
}

/** Keys of the values that belong to a fiber, and not to a Layer. */
const fiberLocal =
  /^effect\/(Cause|Clock|ConfigProvider|Console|ErrorReporter|ExecutionPlan|Layer|Logger|Loggers|ManagedRuntime|Metric|Random|References|Schedule|Scheduler|Scope|Tracer)(\/|$)/

/** Maximum number of services that are added one by one: up to it, that costs less than a merge, which copies. */
const maxAdded = 6

/**
 * Returns functions that provide the services of `context` over those of the calling fiber. Values that are local to the
 * fiber stay the caller's: clock, tracer, loggers, outgoing metadata, the current call.
 */
export const servicesOf = (context: Context.Context<never>): Services => {
  const all = Context.omit(Metadata.Outgoing, CurrentCall, CurrentControl)(context).mapUnsafe
  return providing([...all].filter(([key]) => !fiberLocal.test(key)))
}

const providing = (own: ReadonlyArray<readonly [key: string, service: unknown]>): Services => {
  const services = Context.makeUnsafe<never>(new Map(own))
  const provided = (caller: Context.Context<any>): Context.Context<any> =>
    own.length > maxAdded
      ? Context.merge(caller, services)
      : own.reduce((context, [key, service]) => Context.addUnsafe(context, key, service), caller)
  return {
    withControl: (control) => providing([...own, [CurrentControl.key, control]]),
    effect: (self) => Effect.updateContext(self, provided),
    stream: <A, E>(self: Stream.Stream<A, E, any>) => Stream.updateContext(self, provided) as Stream.Stream<A, E>
  }
}

/** The interceptors of a client or a publisher, and the services that they require. */
export interface Interception {
  readonly entries: ReadonlyArray<Entry>
  readonly services: Services
}
