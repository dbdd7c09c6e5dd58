/** What a server remembers of calls that came with an idempotency key. */
import { Cause, Clock, Deferred, Effect, Exit } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import type { Failure, ServerCall } from "../interceptors/models.ts"
import type { Answering } from "../interceptors/server.ts"
import type { AnyEffect } from "../server/state.ts"

export const keyName = "idempotency-key"

type AnyExit = Exit.Exit<unknown, unknown>

/** A call with a key: running, or answered. */
interface Known {
  /** Of the request: a key is for one. */
  readonly print: number
  /** The first answer; `undefined` where it is not to be kept, and the next one with the key runs. */
  readonly answer: Deferred.Deferred<AnyExit | undefined>
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
const passing: ReadonlySet<PsrpcError.Code> = new Set<PsrpcError.Code>([
  "aborted",
  "canceled",
  "deadline_exceeded",
  "resource_exhausted",
  "unavailable"
])

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

/** 53 bits of the request's bytes: enough to tell that it is another one. */
const printOf = (bytes: Uint8Array): number => {
  let high = 0xdeadbeef ^ bytes.length
  let low = 0x41c6ce57 ^ bytes.length
  for (const byte of bytes) {
    high = Math.imul(high ^ byte, 2654435761)
    low = Math.imul(low ^ byte, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}

/** Answers a key that is known with its first answer. */
export class Window {
  readonly #options: WindowOptions
  readonly #running = new Map<string, Known>()
  /** The oldest first. */
  readonly #answered = new Map<string, Answered>()

  constructor(options: WindowOptions) {
    this.#options = options
  }

  /** How many calls are running, or remembered. */
  get size(): number {
    return this.#running.size + this.#answered.size
  }

  around(each: Answering, next: () => AnyEffect): AnyEffect {
    const { about, method } = each
    const key = about.header.metadata[keyName]
    if (key === undefined) return next()
    const topic = method.topic.encode(about.topic)
    const id = JSON.stringify([this.#options.scope(about), about.service, about.method, ...topic, key])
    const print = printOf(method.request.encode(about.request))
    return this.#answer(id, print, about, next)
  }

  #answer(id: string, print: number, about: ServerCall, next: () => AnyEffect): AnyEffect {
    return Clock.clockWith((clock) => {
      const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      this.#forget(now())
      const known = this.#running.get(id) ?? this.#answered.get(id)
      if (known === undefined) return this.#run(id, print, now, next)
      if (known.print !== print) return Effect.fail(anotherRequest(about))
      return Effect.flatMap(
        Deferred.await(known.answer),
        (answer): AnyEffect => answer ?? this.#answer(id, print, about, next)
      )
    })
  }

  #run(id: string, print: number, now: () => number, next: () => AnyEffect): AnyEffect {
    const { remember, runToCompletion, timeToLive } = this.#options
    const known: Known = { print, answer: Deferred.makeUnsafe() }
    this.#running.set(id, known)
    const settled = (exit: AnyExit): Effect.Effect<void> =>
      Effect.sync(() => {
        this.#running.delete(id)
        const isKept = remember(exit)
        if (isKept) this.#answered.set(id, { ...known, expires: now() + timeToLive })
        Deferred.doneUnsafe(known.answer, Exit.succeed(isKept ? exit : undefined))
        this.#forget(now())
      })
    const run = Effect.onExit(Effect.suspend(next), settled)
    // who asks again after a timeout finds the answer, and not half of the work
    return runToCompletion ? Effect.uninterruptible(run) : run
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
