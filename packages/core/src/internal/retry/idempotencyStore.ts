/** The answers of a server to requests with an idempotency key. Public in `Idempotency`. */
import { Cause, Clock, Deferred, type Duration, Effect, Exit } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Failure, ServerCall } from "../calls/interceptedCalls.ts"
import type { Answering } from "../interceptors/handlerSteps.ts"
import type { CallMethod } from "../definition/method.ts"
import type { AnyEffect } from "../calls/callContext.ts"
import { CurrentControl } from "../calls/callControl.ts"
import { countOf } from "../support/count.ts"
import { millisOf } from "../time/millis.ts"
import { transient } from "./attempts.ts"
import { fingerprintOf } from "./fingerprint.ts"

export const keyName = "idempotency-key"

/** Maximum length of a key, in characters: the store keeps many. */
export const maxKeyLength = 255

export const defaultSize = 10_000

/** In milliseconds: 5 minutes. */
export const defaultTimeToLive = 300_000

type AnyExit = Exit.Exit<unknown, unknown>

/** A call with a key: running, or answered. */
interface Known {
  /** The fingerprint of the request: a key belongs to one request. */
  readonly fingerprint: number
  /** Completes with the first answer; with `undefined` if it is not kept: the next request with the key runs. */
  readonly answer: Deferred.Deferred<AnyEffect | undefined>
}

interface Answered extends Known {
  readonly expires: number
}

export interface StoreOptions {
  /** Maximum number of answers. */
  readonly size: number
  /** In milliseconds. */
  readonly timeToLive: number
  readonly scope: (call: ServerCall) => string
  readonly cacheWhen: (exit: AnyExit) => boolean
  readonly runToCompletion: boolean
}

/** Codes of failures that a second run of the handler may not have. */
const transientCodes: ReadonlySet<PsrpcError.Code> = new Set<PsrpcError.Code>([...transient, "canceled"])

const isLasting = (error: Failure): boolean => !(PsrpcError.is(error) && transientCodes.has(error.code))

/** Whether an answer is kept: no defect, no interruption, and no failure that is transient. */
export const cachingWhen =
  (lasts: (error: Failure) => boolean = isLasting) =>
  (exit: AnyExit): boolean => {
    if (Exit.isSuccess(exit)) return true
    if (Cause.hasDies(exit.cause) || Cause.hasInterrupts(exit.cause)) return false
    const failure = Cause.findErrorOption(exit.cause)
    return failure._tag === "Some" && lasts(failure.value as Failure)
  }

const areEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

/**
 * Returns an Effect that gives the answer to each later request. The answer is decoded from its bytes, since the handler may
 * change the object that it answered with. If the bytes do not decode to an equal answer, the object itself is given.
 */
const replay = ({ response }: CallMethod, exit: AnyExit): AnyEffect => {
  if (Exit.isFailure(exit)) return exit
  try {
    const bytes = response.encode(exit.value).slice()
    if (areEqual(response.encode(response.decode(bytes)), bytes)) return Effect.sync(() => response.decode(bytes))
  } catch {
    // an answer that cannot be encoded fails for each of its callers
  }
  return exit
}

/** Keeps the first answer to each key, and answers later requests with it. */
export class IdempotencyStore {
  readonly #options: StoreOptions
  readonly #running = new Map<string, Known>()
  /** The oldest first. */
  readonly #answered = new Map<string, Answered>()
  /** A number for each server's method. */
  readonly #numbers = new WeakMap<CallMethod, number>()
  #count = 0

  constructor(options: StoreOptions) {
    this.#options = options
  }

  /** Number of running calls and of kept answers. */
  get size(): number {
    return this.#running.size + this.#answered.size
  }

  around(each: Answering, next: () => AnyEffect): AnyEffect {
    const { about, method } = each
    const key = about.header.metadata[keyName]
    if (key === undefined || key === "") return next()
    if (key.length > maxKeyLength) return Effect.fail(tooLong(about))
    const topic = method.topic.encode(about.topic)
    // each server answers a multi call itself
    const server = method.kind === "multi" ? this.#numberOf(method) : 0
    const id = JSON.stringify([this.#options.scope(about), about.service, about.method, server, ...topic, key])
    // the next attempt after a timeout finds the answer, not an interrupted run
    const run = !this.#options.runToCompletion
      ? next
      : () =>
          Effect.flatMap(CurrentControl, (control) => {
            control.runToCompletion?.()
            return next()
          })
    return this.#answer(id, fingerprintOf(about.request), each, run)
  }

  #numberOf(method: CallMethod): number {
    let number = this.#numbers.get(method)
    if (number === undefined) this.#numbers.set(method, (number = ++this.#count))
    return number
  }

  #answer(id: string, fingerprint: number, each: Answering, next: () => AnyEffect): AnyEffect {
    // an interruption between the registration and the handler's run would leave it running forever
    return Effect.uninterruptibleMask((restore) =>
      Clock.clockWith((clock) => {
        const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
        this.#evict(now())
        const known = this.#running.get(id) ?? this.#answered.get(id)
        if (known === undefined) return this.#run(id, fingerprint, now, each, restore(Effect.suspend(next)))
        if (known.fingerprint !== fingerprint) return Effect.fail(anotherRequest(each.about))
        // a server that closes interrupts all its handlers: a waiting request must not start in between
        const anew = Effect.andThen(
          Effect.yieldNow,
          Effect.suspend(() => this.#answer(id, fingerprint, each, next))
        )
        const rest = (answer: AnyEffect | undefined): AnyEffect => answer ?? anew
        return restore(Effect.flatMap(Deferred.await(known.answer), rest))
      })
    )
  }

  #run(id: string, fingerprint: number, now: () => number, { method }: Answering, handler: AnyEffect): AnyEffect {
    const { cacheWhen, timeToLive } = this.#options
    const known: Known = { fingerprint, answer: Deferred.makeUnsafe() }
    this.#running.set(id, known)
    return Effect.onExit(handler, (exit) =>
      Effect.sync(() => {
        let answer: AnyEffect | undefined
        try {
          if (cacheWhen(exit)) answer = replay(method, exit)
        } finally {
          this.#running.delete(id)
          if (answer !== undefined) this.#answered.set(id, { ...known, expires: now() + timeToLive })
          Deferred.doneUnsafe(known.answer, Exit.succeed(answer))
          this.#evict(now())
        }
      })
    )
  }

  /** Removes answers that have expired, and the oldest of too many. */
  #evict(now: number): void {
    for (const [id, { expires }] of this.#answered) {
      if (expires > now && this.#answered.size <= this.#options.size) return
      this.#answered.delete(id)
    }
  }
}

const anotherRequest = ({ method, service }: ServerCall): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("invalid_argument", {
    message: `the idempotency key has been used for another request (${service}.${method}): a new request needs a new key`
  })

const tooLong = ({ method, service }: ServerCall): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("invalid_argument", {
    message: `the idempotency key has more than ${maxKeyLength} characters (${service}.${method})`
  })

/** Makes the step of `Idempotency.interceptor`. Throws a `TypeError` for invalid options. */
export const step = (options: {
  readonly size?: number | undefined
  readonly timeToLive?: Duration.Input | undefined
  readonly scope?: ((call: ServerCall) => string) | undefined
  readonly cacheWhen?: ((error: Failure) => boolean) | undefined
  readonly runToCompletion?: boolean | undefined
}): ((each: Answering, next: (each: Answering) => AnyEffect) => AnyEffect) => {
  const {
    cacheWhen,
    runToCompletion = true,
    scope = () => "",
    size = defaultSize,
    timeToLive = defaultTimeToLive
  } = options
  const store = new IdempotencyStore({
    size: countOf("Idempotency: size", size),
    timeToLive: millisOf("Idempotency: timeToLive", timeToLive),
    scope,
    cacheWhen: cachingWhen(cacheWhen),
    runToCompletion
  })
  return (each, next) => store.around(each, () => next(each))
}
