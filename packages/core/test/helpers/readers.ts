/** What tests of Streams share: readers that say what they have read, and that read only when they are told to. */
import { Effect, type Fiber, Latch, type Result, Scheduler, Stream } from "effect"
import type * as Client from "../../src/Client.ts"
import type { PsrpcError } from "../../src/PsrpcError.ts"
import { start } from "./harness.ts"

export interface Reader<A, E> {
  /** What has been read, in order. */
  readonly seen: Array<A>
  readonly fiber: Fiber.Fiber<void, E>
}

/** Reads a Stream as it comes. */
export const read = <A, E, R>(stream: Stream.Stream<A, E, R>): Effect.Effect<Reader<A, E>, never, R> => {
  const seen: Array<A> = []
  const reading = Stream.runForEach(stream, (item) => Effect.sync(() => void seen.push(item)))
  return Effect.map(start(reading), (fiber) => ({ seen, fiber }))
}

/** Reads a Stream, and stays with each of what it has read until `open`. */
export const readSlowly = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.Effect<Reader<A, E> & { readonly open: Effect.Effect<unknown> }, never, R> =>
  Effect.suspend(() => {
    const gate = Latch.makeUnsafe(false)
    const stay = Stream.tap(stream, () => gate.await)
    return Effect.map(read(stay), (reader) => ({ ...reader, open: gate.open }))
  })

/** Whole numbers, from one to another. */
export const between = (first: number, last: number): ReadonlyArray<number> =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

/** Publishes one after the other, in one turn. */
export const inTurn = <A>(
  call: (message: A) => Effect.Effect<void, PsrpcError>,
  messages: ReadonlyArray<A>
): Effect.Effect<void, PsrpcError> => Effect.forEach(messages, (message) => call(message), { discard: true })

/** An answer in short: who, and what. */
export const brief = ({
  result,
  serverId
}: Client.Answer<unknown, { readonly _tag: string }>): readonly [serverId: string, what: unknown] => [
  serverId,
  briefly(result)
]

const briefly = (result: Result.Result<unknown, { readonly _tag: string }>): unknown =>
  result._tag === "Success" ? result.success : result.failure._tag

/**
 * The fiber gives way after every so many steps (3 is the least that gets on), so that whatever can happen in between
 * does.
 */
export const stepwise = <A, E, R>(effect: Effect.Effect<A, E, R>, count: number): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Scheduler.MaxOpsBeforeYield, count)

/** Ways of giving way, between them after any step. */
export const strides: ReadonlyArray<number> = [3, 4, 5, 6]

/** Lets others go on so many times. */
export const steps = (count: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < count; i++) yield* Effect.yieldNow
  })
