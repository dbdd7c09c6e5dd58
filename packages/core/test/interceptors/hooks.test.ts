import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, type Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Server from "../../src/Server.ts"
import { Logs, onBus, settle, start } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note, Refused } from "./everyKind.ts"

const endOf = (exit: Exit.Exit<unknown, Interceptor.Failure>): string => {
  if (exit._tag === "Success") return String(exit.value)
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const failure = Cause.findErrorOption(exit.cause)
  return failure._tag === "Some" ? (failure.value as PsrpcError.PsrpcError)._tag : "defect"
}

const noting = (side: string, events: Array<string>) =>
  Interceptor.hooks({
    request: (call) => note(events, `${side}: ${call.method} begins`),
    response: (call, exit) => note(events, `${side}: ${call.method}, ${endOf(exit)}`)
  })

describe("hooks", () => {
  it.effect("are told of requests, and how they ended, at either end", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          ask: (request) => (request === "a" ? Effect.succeed("A") : Effect.fail(new Refused({ why: "" })))
        },
        { interceptors: [noting("server", events)] }
      )
      const client = yield* Client.make(Kinds, { interceptors: [noting("client", events)] })
      yield* client.ask("a")
      yield* Effect.exit(client.ask("b"))
      assert.deepStrictEqual(events, [
        "client: Ask begins",
        "server: Ask begins",
        "server: Ask, A",
        "client: Ask, A",
        "client: Ask begins",
        "server: Ask begins",
        "server: Ask, Refused",
        "client: Ask, Refused"
      ])
    }).pipe(onBus)
  )

  it.effect("are told of each answer of many, and of the end where that is a failure", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* echo()
      yield* Server.make(Kinds, { ...echoes, all: () => Effect.fail(new PsrpcError.Aborted({ message: "" })) })
      const client = yield* Client.make(Kinds, { interceptors: [noting("client", events)] })
      yield* Stream.runDrain(client.all("a", { expect: 2 }))
      assert.deepStrictEqual(events.sort(), ["client: All begins", "client: All, Aborted", "client: All, a"].sort())
      events.length = 0
      yield* Effect.exit(Stream.runDrain(client.all("a", { expect: 0 })))
      assert.deepStrictEqual(events, ["client: All begins", "client: All, InvalidArgument"])
    }).pipe(onBus)
  )

  it.effect("are told of interruptions and deadlines", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Kinds, { ...echoes, ask: () => Effect.never }, { interceptors: [noting("server", events)] })
      const client = yield* Client.make(Kinds, { interceptors: [noting("client", events)] })
      const fiber = yield* start(client.ask("a"))
      yield* settle
      yield* Fiber.interrupt(fiber)
      yield* settle
      assert.deepStrictEqual(events.slice(2), ["client: Ask, interrupted", "server: Ask, interrupted"])
      events.length = 0
      yield* start(Effect.exit(client.ask("a", { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(events.slice(2).sort(), ["client: Ask, DeadlineExceeded", "server: Ask, interrupted"])
    }).pipe(onBus)
  )

  it.effect("are told of subscriptions and of updates that are published", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const hooks = Interceptor.hooks({
        request: (call) => note(events, `${"message" in call ? String(call.message) : "subscription"} begins`),
        response: (_, exit) => note(events, exit._tag)
      })
      const client = yield* Client.make(Kinds, { interceptors: [hooks] })
      const publisher = yield* Publisher.make(Kinds, { interceptors: [hooks] })
      yield* Effect.scoped(client.news())
      yield* publisher.news("a")
      assert.deepStrictEqual(events, ["subscription begins", "Success", "a begins", "Success"])
    }).pipe(onBus)
  )

  it.effect("that die are logged, with their call, and change nothing", () =>
    Effect.gen(function* () {
      const thrown = (): never => {
        throw new Error("a hook's own")
      }
      const broken = Interceptor.hooks({ request: thrown, response: () => Effect.die("gone"), closed: thrown })
      yield* echo(broken)
      const client = yield* Client.make(Kinds, { interceptors: [broken] })
      const publisher = yield* Publisher.make(Kinds, { interceptors: [broken] })
      assert.strictEqual(yield* client.ask("a"), "a")
      assert.deepStrictEqual(yield* client.all("a", { expect: 1 }).pipe(Client.successes, Stream.runCollect), ["a"])
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"))), ["a"])
      yield* Effect.scoped(client.news())
      yield* publisher.news("a")
      yield* settle
      const logged = (yield* Logs).filter(({ level }) => level === "Error")
      for (const { text } of logged) assert.match(text, /^psrpc: defect in a hook/)
      // two around each of seven, and a stream's end at both ends
      assert.strictEqual(logged.length, 2 * 8 + 2)
    }).pipe(onBus)
  )

  it.effect("that interrupt themselves change nothing, and those that hang end with their call", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.hooks({ request: () => Effect.interrupt })]
      })
      assert.strictEqual(yield* client.ask("a"), "a")
      assert.strictEqual((yield* Logs).filter(({ text }) => text.startsWith("psrpc: defect in a hook")).length, 1)
      const hanging = Interceptor.hooks({
        request: () => Effect.onInterrupt(Effect.never, () => note(events, "interrupted"))
      })
      const fiber = yield* start(client.ask("a", { interceptors: [hanging] }))
      yield* settle
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(events, ["interrupted"])
      assert.strictEqual((yield* Logs).filter(({ text }) => text.startsWith("psrpc: defect in a hook")).length, 2)
    }).pipe(onBus)
  )

  it("throw for what is no function", () => {
    assert.throws(
      () => Interceptor.hooks({ request: "log" as never }),
      /Interceptor.hooks, request: expected a function/
    )
  })
})

describe("the hook of a stream's end", () => {
  const ways: Readonly<
    Record<string, (stream: Parameters<typeof echoes.talk>[0]) => Effect.Effect<void, PsrpcError.PsrpcError>>
  > = {
    echoes: echoes.talk,
    "returns at once": () => Effect.void,
    "fails at once": () => Effect.fail(PsrpcError.fromCode("not_found")),
    "fails after a message": (stream) =>
      Effect.andThen(Stream.runDrain(Stream.take(stream.messages, 1)), Effect.fail(PsrpcError.fromCode("not_found"))),
    "dies after a message": (stream) =>
      Effect.andThen(Stream.runDrain(Stream.take(stream.messages, 1)), Effect.die("gone")),
    "answers and fails": (stream) => Effect.andThen(stream.send("a"), Effect.fail(PsrpcError.fromCode("not_found")))
  }
  for (const [what, talk] of Object.entries(ways)) {
    it.effect(`is told once at each end, where the handler ${what}`, () =>
      Effect.gen(function* () {
        const events: Array<string> = []
        const closing = (side: string) => Interceptor.hooks({ closed: () => note(events, side) })
        yield* Server.make(Kinds, { ...echoes, talk }, { interceptors: [closing("server")] })
        const client = yield* Client.make(Kinds, { interceptors: [closing("client")] })
        const both = ["client", "server"]
        yield* Effect.exit(Stream.runDrain(client.talk.through(Stream.make("a", "b"))))
        yield* settle
        assert.deepStrictEqual(events.splice(0).toSorted(), both)
        yield* Effect.exit(Stream.runDrain(Stream.take(client.talk.through(Stream.make("a", "b")), 1)))
        yield* settle
        assert.deepStrictEqual(events.splice(0).toSorted(), both)
        // a scope that closes in the turn in which the stream does
        yield* Effect.exit(
          Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* client.talk()
              yield* stream.send("x")
              yield* stream.closeSend
              yield* Stream.runDrain(stream.messages)
            })
          )
        )
        yield* settle
        assert.deepStrictEqual(events.toSorted(), both)
      }).pipe(onBus)
    )
  }
})
