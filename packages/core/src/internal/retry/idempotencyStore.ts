/** What a server remembers of calls that came with an idempotency key. */
import { Cause, Clock, Deferred, Effect, Exit } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Failure, ServerCall } from "../calls/interceptedCalls.ts"
import type { Answering } from "../interceptors/handlerSteps.ts"
import type { CallMethod } from "../definition/method.ts"
import { complete } from "../server/completion.ts"
import type { AnyEffect } from "../calls/callContext.ts"
import { transient } from "./attempts.ts"
import { printOf } from "./fingerprint.ts"

export const keyName = "idempotency-key"

/** How long a key may be, in characters: many are kept. */
export const maxKeyLength = 255

type AnyExit = Exit.Exit<unknown, unknown>

/** A call with a key: running, or answered. */
interface Known {
  /** Of the request: a key is for one. */
  readonly print: number
  /** Gives the first answer; `undefined` where it is not to be kept, and the next one with the key runs. */
  readonly answer: Deferred.Deferred<AnyEffect | undefined>
}

interface Answered extends Known {
  readonly expires: number
}

export interface WindowOptions {
  /** How many answers are kept. */
  readonly size: number
  /** How long one is kept, in milliseconds. */
  readonly timeToLive: number
  readonly scope: (call: ServerCall) => string
  readonly remember: (exit: AnyExit) => boolean
  readonly runToCompletion: boolean
}

/** Codes that say nothing of what the request comes to. */
const passing: ReadonlySet<PsrpcError.Code> = new Set<PsrpcError.Code>([...transient, "canceled"])

const isLasting = (error: Failure): boolean => !(PsrpcError.is(error) && passing.has(error.code))

/** Which answers are kept: no defect, no interruption, and of failures those that last. */
export const remembering =
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
 * Gives an answer again, as often as it is asked for: from its bytes, since the handler may change what it has answered
 * with. Where the bytes are not read as what they were made from, the answer itself is given.
 */
const again = ({ response }: CallMethod, exit: AnyExit): AnyEffect => {
  if (Exit.isFailure(exit)) return exit
  try {
    const bytes = response.encode(exit.value).slice()
    if (areEqual(response.encode(response.decode(bytes)), bytes)) return Effect.sync(() => response.decode(bytes))
  } catch {
    // what cannot be encoded is told to each of its callers
  }
  return exit
}

/** Answers a key that is known with its first answer. */
export class Window {
  readonly #options: WindowOptions
  readonly #running = new Map<string, Known>()
  /** The oldest first. */
  readonly #answered = new Map<string, Answered>()
  /** Numbers for servers' own methods. */
  readonly #numbers = new WeakMap<CallMethod, number>()
  #count = 0

  constructor(options: WindowOptions) {
    this.#options = options
  }

  /** How many calls are running, or remembered. */
  get size(): number {
    return this.#running.size + this.#answered.size
  }

  around(each: Answering, next: () => AnyEffect): AnyEffect {
    const { about, call, method } = each
    const key = about.header.metadata[keyName]
    if (key === undefined || key === "") return next()
    if (key.length > maxKeyLength) return Effect.fail(tooLong(about))
    const topic = method.topic.encode(about.topic)
    // of a call that every server answers, each has an answer of its own
    const server = method.kind === "multi" ? this.#numberOf(method) : 0
    const id = JSON.stringify([this.#options.scope(about), about.service, about.method, server, ...topic, key])
    return this.#answer(id, printOf(about.request), each, () => {
      // who asks again after a timeout finds the answer, and not half of the work
      if (this.#options.runToCompletion) complete(call)
      return next()
    })
  }

  #numberOf(method: CallMethod): number {
    let number = this.#numbers.get(method)
    if (number === undefined) this.#numbers.set(method, (number = ++this.#count))
    return number
  }

  #answer(id: string, print: number, each: Answering, next: () => AnyEffect): AnyEffect {
    // an interruption between the registration and the handler's run would leave it running forever
    return Effect.uninterruptibleMask((restore) =>
      Clock.clockWith((clock) => {
        const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
        this.#forget(now())
        const known = this.#running.get(id) ?? this.#answered.get(id)
        if (known === undefined) return this.#run(id, print, now, each, restore(Effect.suspend(next)))
        if (known.print !== print) return Effect.fail(anotherRequest(each.about))
        // a server that closes interrupts all that it has in hand: who waits must not begin in between
        const anew = Effect.andThen(
          Effect.yieldNow,
          Effect.suspend(() => this.#answer(id, print, each, next))
        )
        const rest = (answer: AnyEffect | undefined): AnyEffect => answer ?? anew
        return restore(Effect.flatMap(Deferred.await(known.answer), rest))
      })
    )
  }

  #run(id: string, print: number, now: () => number, { method }: Answering, handler: AnyEffect): AnyEffect {
    const { remember, timeToLive } = this.#options
    const known: Known = { print, answer: Deferred.makeUnsafe() }
    this.#running.set(id, known)
    return Effect.onExit(handler, (exit) =>
      Effect.sync(() => {
        let answer: AnyEffect | undefined
        try {
          if (remember(exit)) answer = again(method, exit)
        } finally {
          this.#running.delete(id)
          if (answer !== undefined) this.#answered.set(id, { ...known, expires: now() + timeToLive })
          Deferred.doneUnsafe(known.answer, Exit.succeed(answer))
          this.#forget(now())
        }
      })
    )
  }

  /** Forgets what is too old, or too much. */
  #forget(now: number): void {
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
