/** The interceptors of any method, one constructor a kind. Public in `Interceptor`. */
import type { Context, Scope } from "effect"
import type { Around } from "../calls/interceptedCalls.ts"
import type { CallServices, Interceptor, Kind, Wrap } from "../calls/interceptorTypes.ts"
import { changed, functionOf, make, type Step } from "./chain.ts"
import type { HandlerStep } from "./handlerSteps.ts"

/** The key of a service, or an array of them. */
export type Keys = Context.Key<any, any> | ReadonlyArray<Context.Key<any, any>>

/** The identifiers of the services of `Keys`. */
export type Identifiers<P> =
  P extends Context.Key<infer I, any> ? I : P extends ReadonlyArray<Context.Key<infer I, any>> ? I : never

/** The constructor of interceptors of a server's handlers. */
export interface ServerConstructor<K extends "server" | "serverStream"> {
  <R = never>(f: Around<K, R>): Interceptor<readonly [Wrap<K, never, Exclude<R, CallServices>>]>
  <const P extends Keys, R = never>(
    options: { readonly provides: P },
    f: Around<K, R, Identifiers<P>>
  ): Interceptor<readonly [Wrap<K, Identifiers<P>, Exclude<R, CallServices>>]>
}

/** The constructor of interceptors of a client's, or of a publisher's, calls. */
export interface ClientConstructor<K extends Kind> {
  <R = never>(f: Around<K, R>): Interceptor<readonly [Wrap<K, never, Exclude<R, Scope.Scope>>]>
}

/** Adapts an interceptor of handlers to a step: the changes are of the call. */
export const handlerStep =
  (f: (call: any, next: (changes?: object) => any) => any): Step<HandlerStep> =>
  (each, next) =>
    f(each.about, (changes) =>
      next(changes === undefined ? each : ({ ...each, about: { ...each.about, ...changes } } as HandlerStep))
    )

/** Adapts an interceptor of calls to a step: the changes are of the call's options. */
const callStep =
  (f: (call: any, next: (changes?: object) => any) => any): Step<{ readonly options: object }> =>
  (call, next) =>
    f(call, (changes) => next(changed(call, changes)))

export const server = <K extends "server" | "serverStream">(kind: K): ServerConstructor<K> =>
  ((...args: ReadonlyArray<any>) => make([{ kind, step: handlerStep(functionOf(kind, args.at(-1))) }])) as never

export const client = <K extends Kind>(kind: K): ClientConstructor<K> =>
  ((f: never) => make([{ kind, step: callStep(functionOf(kind, f)) }])) as never
