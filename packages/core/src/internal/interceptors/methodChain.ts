/** The interceptors around a method's calls of one kind. */
import type { PsrpcError } from "../../PsrpcError.ts"
import type { Any, Kind } from "../calls/interceptorTypes.ts"
import type { Method } from "../definition/method.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { compose, type Defer, entriesOf, infoOf, type Step, stepsOf } from "./chain.ts"
import type { Interception } from "./interceptorServices.ts"

/** Options of a call of any method. */
export interface AnyOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly interceptors?: ReadonlyArray<Any> | undefined
}

/** The argument of a step, of any kind. */
export interface StepCall {
  readonly kind?: string
  readonly request?: unknown
  readonly message?: unknown
  readonly options: any
}

/** How a kind of call runs its steps, and how it fails before any step runs. */
export interface Invocation<R> {
  readonly defer: Defer<StepCall, R>
  readonly fail: (error: PsrpcError) => R
}

const nothing = Object.freeze({})

/** The steps around a method's calls of one kind: those of the client, composed once, and inside them those of the call. */
export class MethodChain<R> {
  /** Whether the client has steps of the kind. */
  readonly hasSteps: boolean
  readonly #own: ReadonlyArray<Step<StepCall, R>>
  readonly #last: (each: StepCall) => R
  readonly #chain: (each: StepCall) => R
  readonly #kind: Kind
  readonly #label: string
  readonly #info: object
  readonly #invocation: Invocation<R>

  constructor(
    { entries }: Interception,
    kind: Kind,
    method: Method,
    invocation: Invocation<R>,
    last: (each: StepCall) => R
  ) {
    this.#own = stepsOf(entries, kind)
    this.hasSteps = this.#own.length > 0
    this.#last = last
    this.#chain = compose(this.#own, last, invocation.defer)
    this.#kind = kind
    this.#label = method.label
    this.#info = infoOf(method)
    this.#invocation = invocation
  }

  /** Runs the steps for a call. Fails with `invalid_argument` for a value that is not an interceptor. */
  run(what: object, options: AnyOptions | undefined): R {
    let chain = this.#chain
    if (options?.interceptors !== undefined) {
      try {
        const steps = [...this.#own, ...stepsOf(entriesOf(options.interceptors), this.#kind)]
        chain = compose(steps, this.#last, this.#invocation.defer)
      } catch (cause) {
        return this.#invocation.fail(invalidArgument(`${this.#label}: ${messageOf(cause)}`, cause))
      }
    }
    const about = { ...this.#info, ...what, topic: options?.topic ?? nothing, options: options ?? nothing }
    return chain(about)
  }
}
