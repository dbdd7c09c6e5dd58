/**
 * The check of handlers, and its messages. A function that takes handlers has the type parameters
 * `H extends GivenHandlers<S>` and `Problem = HandlerProblems<H, S>`, and the parameter `handlers: NoInfer<Problem> & H`:
 *
 * - The constraint of `H` is the contextual type of the handlers. A type of the handlers that depends on `H` beside it would
 *   take the types of the parameters of a handler in `Effect.fnUntraced(function* (request) { … })` away.
 * - `Problem` is not inferred, so that it is no contextual type, and is evaluated when `H` is known. It is `unknown`, or
 *   text that the compiler prints because the handlers do not have this type.
 */
import type { Effect } from "effect"
import type * as Payload from "../../Payload.ts"
import type { AffinityHandlerOf, HandleOf, Methods } from "./handlerTypes.ts"
import type { UnknownField } from "./unknownField.ts"

/**
 * The contextual type of handlers of the service `S`. It is wider than the handlers that the service needs: a handler may be
 * missing, and a method with affinity may have a function, so that {@link HandlerProblems} refuses these with its messages.
 *
 * @category utility types
 * @since 0.1.0
 */
export type GivenHandlers<S> = SomeHandlers<S> & Marked

/**
 * Handlers of some methods of the service `S`. The handler of a method with affinity can be a function.
 *
 * @category utility types
 * @since 0.1.0
 */
export type SomeHandlers<S> = {
  readonly [K in keyof Methods<S> as Methods<S>[K] extends { readonly kind: "subscription" } ? never : K]?: Given<
    Methods<S>[K]
  >
}

/** Tells the constraint from handlers: no handlers have this key. */
interface Marked {
  readonly [mark]?: never
}

declare const mark: unique symbol

// Not distributive: TypeScript looks into both branches before the service is inferred.
type Given<M> = [M] extends [{ readonly routing: "affinity" }] ? AffinityHandlerOf<M> | HandleOf<M> : HandleOf<M>

/**
 * The handlers in `H`: `H` itself, or the success type of the Effect that makes them.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlersIn<H> = H extends Effect.Effect<infer A, infer _E, infer _R> ? A : H

/**
 * The error type of the Effect that makes handlers; `never` for handlers themselves.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlersError<H> = H extends Effect.Effect<infer _A, infer E, infer _R> ? E : never

/**
 * The requirements of the Effect that makes handlers; `never` for handlers themselves.
 *
 * @category utility types
 * @since 0.1.0
 */
export type MakingServices<H> = H extends Effect.Effect<infer _A, infer _E, infer R> ? R : never

/**
 * `unknown` if the handlers `H` are those that the service `S` needs, else messages: for a missing handler, for the handler
 * of a subscription, or of no method, for a function in place of `{ affinity, handle }`, and for a response with an unknown
 * field.
 *
 * @category utility types
 * @since 0.1.0
 */
export type HandlerProblems<H, S> =
  // Handlers of a wrong type are not assignable to the constraint, and TypeScript puts the constraint in their place.
  typeof mark extends keyof HandlersIn<H>
    ? unknown
    : [Missing<HandlersIn<H>, Methods<S>>] extends [never]
      ? [Wrong<HandlersIn<H>, Methods<S>>] extends [never]
        ? unknown
        : [H] extends [Effect.Effect<unknown, unknown, unknown>]
          ? Messages<HandlersIn<H>, Methods<S>>[keyof HandlersIn<H>]
          : Pick<Messages<H, Methods<S>>, Wrong<H, Methods<S>> & keyof H>
      : `the handler for ${Missing<HandlersIn<H>, Methods<S>> & string} is missing`

/** The methods without a handler, or with one that may be `undefined`. */
type Missing<H, M> = {
  [K in keyof M]: M[K] extends { readonly kind: "subscription" }
    ? never
    : K extends keyof H
      ? undefined extends H[K]
        ? K
        : never
      : K
}[keyof M]

/** The keys of handlers with a message. */
type Wrong<H, M> = { [K in keyof H]-?: [Message<H[K], M, K>] extends [never] ? never : K }[keyof H]

type Messages<H, M> = { readonly [K in keyof H]-?: Message<H[K], M, K> }

type Message<F, M, K> = [F] extends [undefined]
  ? never
  : K extends keyof M
    ? M[K] extends { readonly kind: "subscription" }
      ? `${K & string} is a subscription: a Publisher sends its updates, and a server has no handler`
      : M[K] extends { readonly routing: "affinity" }
        ? F extends AnyFunction
          ? `${K & string} has affinity routing: its handler is { affinity, handle }`
          : ResponseMessage<F, M[K]>
        : ResponseMessage<F, M[K]>
    : `${K & string} is no method of the service`

type AnyFunction = (...args: never) => unknown

type Success<F> = F extends (...args: never) => Effect.Effect<infer A, infer _E, infer _R>
  ? A
  : F extends { readonly handle: (...args: never) => Effect.Effect<infer A, infer _E, infer _R> }
    ? A
    : never

type ResponseMessage<F, M> = M extends { readonly kind: "unary" | "multi"; readonly response: infer P }
  ? UnknownField<Success<F>, Payload.Input<P>> extends infer Field extends string
    ? `the response has no field ${Field}`
    : never
  : never
