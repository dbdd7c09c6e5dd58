import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Result, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Selection from "../../src/Selection.ts"
import { Logs, onBus, settle } from "../helpers/harness.ts"
import { echo, Kinds, seenThrough } from "./everyKind.ts"

const secret = "secret: postgres://user:password@db"

const thrown = (): never => {
  throw new Error(secret)
}

const promised = "gives what is no Effect"

/** The ways in which an interceptor's own code fails. */
const ways: ReadonlyArray<readonly [string, () => Effect.Effect<never>]> = [
  ["throws", thrown],
  ["dies", () => Effect.die(new Error(secret))],
  ["gives a promise that is rejected", () => Effect.promise(() => Promise.reject(new Error(secret)))],
  [promised, () => Promise.resolve(secret) as never]
]

type AnyExit = Exit.Exit<unknown, unknown>

const assertDefects = (...exits: ReadonlyArray<AnyExit>): void => {
  for (const exit of exits) assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
}

const assertInternal = (error: { readonly _tag: string; readonly message: string }): void => {
  assert.deepStrictEqual([error._tag, error.message], ["Internal", "internal error"])
  assert.notInclude(JSON.stringify(error), "secret")
}

describe.each(ways)("a server's interceptor that %s", (_, fails) => {
  it.effect("is an internal error to who calls, a line in the log, and the server goes on", () =>
    Effect.gen(function* () {
      let broken = true
      yield* echo(
        Interceptor.server((_, next) => (broken ? fails() : next())),
        Interceptor.serverStream((call, next) => (broken ? fails() : next()))
      )
      const client = yield* Client.make(Kinds)
      assertInternal((yield* Effect.flip(client.ask("a"))) as never)
      const best = client.best("a", { selection: Selection.first })
      assertInternal((yield* Effect.flip(best)) as never)
      const answers = yield* Stream.runCollect(client.all("a", { expect: 1 }))
      assert.strictEqual(answers.length, 1)
      for (const { result } of answers) assertInternal((Result.isFailure(result) ? result.failure : undefined) as never)
      const stream = yield* client.talk()
      assertInternal(yield* Effect.flip(Stream.runDrain(stream.messages)))

      const logged = (yield* Logs).filter(({ level }) => level === "Error")
      assert.isAtLeast(logged.length, 4)
      for (const { text } of logged) assert.match(text, /^psrpc: the handler of Kinds\.\w+ died/)

      broken = false
      assert.strictEqual(yield* client.ask("a"), "a")
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"))), ["a"])
    }).pipe(onBus)
  )
})

describe.each(ways)("a client's interceptor that %s", (way, fails) => {
  it.effect("is a defect of the caller, and leaves nothing behind", () =>
    Effect.gen(function* () {
      yield* echo()
      const { client, state } = yield* seenThrough([
        Interceptor.client(fails),
        Interceptor.clientMulti(() => (way === promised ? (fails() as never) : Stream.unwrap(Effect.suspend(fails)))),
        Interceptor.clientStream(fails),
        Interceptor.subscribe(fails)
      ])
      const publisher = yield* Publisher.make(Kinds, { interceptors: [Interceptor.publish(fails)] })
      const exits: ReadonlyArray<AnyExit> = [
        yield* Effect.exit(client.ask("a")),
        yield* Effect.exit(Stream.runDrain(client.all("a"))),
        yield* Effect.exit(Effect.scoped(client.talk())),
        yield* Effect.exit(Stream.runDrain(client.talk.through(Stream.make("a")))),
        yield* Effect.exit(Effect.scoped(client.news())),
        yield* Effect.exit(publisher.news("a"))
      ]
      assertDefects(...exits)
      assert.deepStrictEqual([state.calls.size, state.streams.size, state.subscriptions.size], [0, 0, 0])
    }).pipe(onBus)
  )

  // what is given to Effect's own functions is for them to check
  if (way === promised) return
  it.effect("after the answer, too", () =>
    Effect.gen(function* () {
      yield* echo()
      const { client, state } = yield* seenThrough([
        Interceptor.client((_, next) => Effect.flatMap(next(), fails)),
        Interceptor.clientMulti((_, next) => Stream.tap(next(), fails)),
        Interceptor.clientStream((_, next) => Effect.flatMap(next(), fails)),
        Interceptor.subscribe((_, next) => Effect.flatMap(next(), fails))
      ])
      const exits: ReadonlyArray<AnyExit> = [
        yield* Effect.exit(client.ask("a")),
        yield* Effect.exit(Stream.runDrain(client.all("a"))),
        yield* Effect.exit(Effect.scoped(client.talk())),
        yield* Effect.exit(Stream.runDrain(client.talk.through(Stream.make("a")))),
        yield* Effect.exit(Effect.scoped(client.news()))
      ]
      assertDefects(...exits)
      yield* settle
      assert.deepStrictEqual([state.calls.size, state.streams.size, state.subscriptions.size], [0, 0, 0])
    }).pipe(onBus)
  )
})

describe("a defect of a wrapped stream", () => {
  const dying = Interceptor.stream((stream) => ({ ...stream, send: () => Effect.die(new Error(secret)) }))

  it.effect("at a server is an internal error to the other end", () =>
    Effect.gen(function* () {
      yield* echo(dying)
      const client = yield* Client.make(Kinds)
      assertInternal(yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a")))))
    }).pipe(onBus)
  )

  it.effect("at a client is a defect of who sends, also by through", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, { interceptors: [dying] })
      const stream = yield* client.talk()
      const sent = yield* Effect.exit(stream.send("a"))
      const through = yield* Effect.exit(Stream.runDrain(client.talk.through(Stream.make("a", "b"))))
      assertDefects(sent, through)
    }).pipe(onBus)
  )
})
