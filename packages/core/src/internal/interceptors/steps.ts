/** The interceptors around a method's calls of one kind. */
import type { PsrpcError } from "../../PsrpcError.ts"
import type { Any, Kind } from "../calls/interceptorTypes.ts"
import type { Method } from "../definition/method.ts"
import { invalidArgument } from "../errors/invalidArgument.ts"
import { messageOf } from "../errors/messageOf.ts"
import { around, entriesOf, infoOf, type Interception, type Later, type Step, stepsOf } from "./chain.ts"

/** Options of a call, whatever its method. */
export interface AnyOptions {
  readonly topic?: Readonly<Record<string, unknown>> | undefined
  readonly interceptors?: ReadonlyArray<Any> | undefined
}

/** What steps are about, whatever the method. */
export interface Each {
  readonly kind?: string
  readonly request?: unknown
  readonly message?: unknown
  readonly options: any
}

/** What a call is made by, and how it fails before anything is run. */
export interface Way<R> {
  readonly runs: Later<Each, R>
  readonly fail: (error: PsrpcError) => R
}

const nothing = Object.freeze({})

/** The steps around a method's calls of one kind: its client's, put together once, and behind them a call's own. */
export class Steps<R> {
  readonly #own: ReadonlyArray<Step<Each, R>>
  readonly #last: (each: Each) => R
  readonly #chain: (each: Each) => R
  readonly #kind: Kind
  readonly #label: string
  readonly #info: object
  readonly #way: Way<R>

  constructor({ entries }: Interception, kind: Kind, method: Method, way: Way<R>, last: (each: Each) => R) {
    this.#own = stepsOf(entries, kind)
    this.#last = last
    this.#chain = around(this.#own, last, way.runs)
    this.#kind = kind
    this.#label = method.label
    this.#info = infoOf(method)
    this.#way = way
  }

  /** Whether a call has nothing around it. */
  isEmpty(options: AnyOptions | undefined): boolean {
    return this.#own.length === 0 && options?.interceptors === undefined
  }

  /** Runs them for a call. Refuses interceptors that are none. */
  run(what: object, options: AnyOptions | undefined): R {
    let chain = this.#chain
    if (options?.interceptors !== undefined) {
      try {
        const steps = [...this.#own, ...stepsOf(entriesOf(options.interceptors), this.#kind)]
        chain = around(steps, this.#last, this.#way.runs)
      } catch (cause) {
        return this.#way.fail(invalidArgument(`${this.#label}: ${messageOf(cause)}`, cause))
      }
    }
    const about = { ...this.#info, ...what, topic: options?.topic ?? nothing, options: options ?? nothing }
    return chain(about)
  }
}
