import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamServer, keeping, kinds, numbered, reading, serve, type ServerEnd } from "./streamPairs.ts"

const aborted = PsrpcError.fromCode("aborted", { message: "enough" })

const echo = (stream: ServerEnd) => Stream.runForEach(stream.messages, (message) => stream.send(`${message}!`))
const echoed = (count: number) => numbered(count).map((message) => `${message}!`)

/** Sends something that a fake server answers by hand; the server accepts and acknowledges all by itself. */
const withGoServer = Effect.gen(function* () {
  const server = yield* fakeStreamServer("Alone")
  const client = yield* Client.make(Chat)
  const accept = Effect.gen(function* () {
    yield* settle
    server.accept()
    yield* settle
  })
  const ack = Effect.gen(function* () {
    server.ackAll()
    yield* settle
  })
  return { accept, ack, client, server }
})

describe("through, at a server of ours", () => {
  it.effect("ends by itself when all is sent and answered", () =>
    Effect.gen(function* () {
      const ends: Array<Exit.Exit<unknown, unknown>> = []
      yield* serve({ talk: (stream) => Effect.onExit(echo(stream), (exit) => Effect.sync(() => ends.push(exit))) })
      const client = yield* Client.make(Chat)
      const answers = client.talk.through(Stream.fromIterable(numbered(500)))
      assert.deepStrictEqual(yield* Stream.runCollect(answers), echoed(500))
      assert.deepStrictEqual(ends, [Exit.void])
      assert.include(yield* kinds, "end")
    }).pipe(onBus)
  )

  it.effect("of nothing to send, or nothing to receive", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      yield* serve({
        talk: (stream) => Stream.runForEach(stream.messages, (text) => Effect.sync(() => seen.push(text)))
      })
      const client = yield* Client.make(Chat)
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.empty)), [])
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a", "b"))), [])
      assert.deepStrictEqual(seen, ["a", "b"])
    }).pipe(onBus)
  )

  it.effect("is cold: each run opens a stream of its own", () =>
    Effect.gen(function* () {
      yield* serve({ talk: echo })
      const client = yield* Client.make(Chat)
      const answers = client.talk.through(Stream.make("a"))
      yield* settle
      assert.deepStrictEqual(yield* kinds, [])
      const runs = yield* Effect.all([Stream.runCollect(answers), Stream.runCollect(answers)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(runs, [["a!"], ["a!"]])
      assert.strictEqual((yield* kinds).filter((kind) => kind === "open").length, 2)
    }).pipe(onBus)
  )

  it.effect("a failure of what is sent is the Stream's, typed; the server gets a cause without it", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      const failures: ReadonlyArray<readonly [Effect.Effect<never, unknown>, ReadonlyArray<string>]> = [
        [Effect.fail("mine"), ["internal", "internal error"]],
        [Effect.fail(aborted), ["aborted", "enough"]],
        [Effect.die(new Error("secret")), ["internal", "internal error"]],
        [Effect.interrupt, ["canceled", "request canceled"]]
      ]
      for (const [failure, expected] of failures) {
        const outgoing = Stream.concat(Stream.make("first"), Stream.fromEffect(failure))
        const exit = yield* Effect.exit(Stream.runDrain(client.talk.through(outgoing)))
        const own = yield* Effect.exit(failure)
        assert.isTrue(Exit.isFailure(exit))
        if (Exit.isFailure(exit) && Exit.isFailure(own)) {
          assert.strictEqual(String(Cause.squash(exit.cause)), String(Cause.squash(own.cause)))
        }
        yield* settle
        const there = ends.pop()!
        const error = yield* Effect.flip(there.closed)
        assert.deepStrictEqual([error.code, error.message], expected)
        const { seen } = yield* reading(there.messages)
        assert.deepStrictEqual(seen, ["first"])
      }
    }).pipe(onBus)
  )

  it.effect("what cannot be sent fails it, and the server is told", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      const error = yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a", 1 as never))))
      assert.strictEqual(error._tag, "MalformedRequest")
      yield* settle
      assert.strictEqual((yield* Effect.flip(ends[0]!.closed))._tag, "MalformedRequest")
    }).pipe(onBus)
  )

  for (const [name, cause] of [
    ["normally: it ends", undefined],
    ["with a cause: it fails with that", aborted]
  ] as const) {
    it.effect(`the server closes while more would be sent, ${name}, and nothing more is pulled`, () =>
      Effect.gen(function* () {
        let pulled = 0
        let stopped = false
        yield* serve({
          talk: (stream) =>
            Stream.runForEach(Stream.take(stream.messages, 3), (text) => stream.send(text)).pipe(
              Effect.andThen(stream.close(cause))
            )
        })
        const client = yield* Client.make(Chat)
        const outgoing = Stream.fromEffectRepeat(
          Effect.as(
            Effect.sleep(10).pipe(
              Effect.onInterrupt(() => Effect.sync(() => (stopped = true))),
              Effect.tap(() => Effect.sync(() => pulled++))
            ),
            "x"
          )
        )
        const run = yield* start(Stream.runCollect(client.talk.through(outgoing)))
        yield* TestClock.adjust(1000)
        if (cause === undefined) assert.deepStrictEqual(yield* Fiber.join(run), ["x", "x", "x"])
        else assert.strictEqual((errorOf(run) as PsrpcError.PsrpcError)._tag, "Aborted")
        assert.isAtMost(pulled, 5)
        assert.isTrue(stopped || pulled <= 4)
      }).pipe(onBus)
    )
  }

  it.effect("the server says that it has no more while more is sent: all of that is still sent", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      yield* serve({
        talk: (stream) =>
          stream
            .send("only")
            .pipe(
              Effect.andThen(stream.closeSend),
              Effect.andThen(Stream.runForEach(stream.messages, (text) => Effect.sync(() => seen.push(text))))
            )
      })
      const client = yield* Client.make(Chat)
      const outgoing = Stream.mapEffect(Stream.fromIterable(numbered(5)), (text) => Effect.as(Effect.sleep(10), text))
      const run = yield* start(Stream.runCollect(client.talk.through(outgoing)))
      yield* TestClock.adjust(40)
      assert.isTrue(isRunning(run))
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(yield* Fiber.join(run), ["only"])
      assert.deepStrictEqual(seen, numbered(5))
    }).pipe(onBus)
  )

  it.effect("both ends have no more, and the server does not close: it ends all the same", () =>
    Effect.gen(function* () {
      const ends: Array<ServerEnd> = []
      yield* serve({
        talk: (stream) => {
          ends.push(stream)
          return stream.hijack.pipe(Effect.andThen(stream.closeSend))
        }
      })
      const client = yield* Client.make(Chat)
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"))), [])
      yield* settle
      yield* ends[0]!.closed
    }).pipe(onBus)
  )

  it.effect("who takes three and stops closes the stream without a cause, and stops what is sent", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      let stopped = false
      yield* serve({ talk: (stream, call) => Effect.andThen(Effect.forkChild(handle(stream, call)), echo(stream)) })
      const client = yield* Client.make(Chat)
      const outgoing = Stream.concat(Stream.fromIterable(numbered(4)), Stream.never).pipe(
        Stream.onExit(() => Effect.sync(() => (stopped = true)))
      )
      const taken = yield* Stream.runCollect(Stream.take(client.talk.through(outgoing), 3))
      assert.deepStrictEqual(taken, echoed(3))
      yield* settle
      assert.isTrue(stopped)
      yield* ends[0]!.closed
    }).pipe(onBus)
  )

  it.effect("interrupted: the server's end is canceled", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      const run = yield* start(Stream.runDrain(client.talk.through(Stream.never)))
      yield* settle
      yield* Fiber.interrupt(run)
      yield* settle
      assert.strictEqual((yield* Effect.flip(ends[0]!.closed))._tag, "Canceled")
    }).pipe(onBus)
  )

  it.effect("pulls no more than the server takes: what is under way is bounded", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle }, { streamBufferSize: 4 })
      const client = yield* Client.make(Chat)
      let pulled = 0
      const outgoing = Stream.fromEffectRepeat(Effect.sync(() => `m${pulled++}`))
      const run = yield* start(Stream.runDrain(client.talk.through(outgoing, { concurrency: 4, timeout: "1 hour" })))
      yield* settle
      // 4 in the buffer and 4 under way
      assert.strictEqual(pulled, 8)
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(ends[0]!.messages, 3)), numbered(3))
      yield* settle
      assert.strictEqual(pulled, 11)
      yield* Fiber.interrupt(run)
    }).pipe(onBus)
  )

  it.effect("a reader that is slow gets everything", () =>
    Effect.gen(function* () {
      yield* serve({ talk: echo })
      const client = yield* Client.make(Chat)
      const answers = client.talk.through(Stream.fromIterable(numbered(50)), { streamBufferSize: 2 })
      const run = yield* start(
        Stream.runCollect(Stream.mapEffect(answers, (text) => Effect.as(Effect.sleep(100), text)))
      )
      for (let i = 0; isRunning(run) && i < 100; i++) yield* TestClock.adjust(100)
      assert.deepStrictEqual(exitOf(run), Exit.succeed(echoed(50)))
    }).pipe(onBus)
  )

  it.effect("an opening that fails is its failure; options that are none are refused", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat)
      assert.strictEqual(
        (yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a"))))).reason,
        "no_listeners"
      )
      for (const options of [{ concurrency: 0 }, { concurrency: 1.5 }, { idleTimeout: -1 }, { streamBufferSize: 0 }]) {
        const error = yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a"), options)))
        assert.strictEqual(error._tag, "InvalidArgument")
      }
    }).pipe(onBus)
  )
})

describe("through, at a server that knows no end of messages", () => {
  it.effect("ends when the server closes", () =>
    Effect.gen(function* () {
      const { accept, ack, client, server } = yield* withGoServer
      const run = yield* start(Stream.runCollect(client.alone.through(Stream.make("a", "b"))))
      yield* accept
      assert.deepStrictEqual(server.texts(), ["a", "b"])
      yield* ack
      server.send("answer")
      yield* TestClock.adjust("1 hour")
      assert.isTrue(isRunning(run))
      server.close()
      assert.deepStrictEqual(yield* Fiber.join(run), ["answer"])
      assert.strictEqual(server.count("close") + server.count("end"), 0)
    }).pipe(onBus)
  )

  it.effect("with idle: closes when nothing has come for so long after the last send", () =>
    Effect.gen(function* () {
      const { accept, ack, client, server } = yield* withGoServer
      const run = yield* start(Stream.runCollect(client.alone.through(Stream.make("a"), { idleTimeout: 500 })))
      yield* accept
      // the send itself takes its time
      yield* TestClock.adjust(1000)
      yield* ack
      yield* TestClock.adjust(499)
      server.send("one")
      yield* settle
      yield* TestClock.adjust(499)
      server.send("two")
      yield* settle
      yield* TestClock.adjust(499)
      assert.isTrue(isRunning(run))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Fiber.join(run), ["one", "two"])
      yield* settle
      assert.deepStrictEqual(server.closes(), [["canceled", "stream closed"]])
    }).pipe(onBus)
  )

  it.effect("a send that times out fails it, and the server is told", () =>
    Effect.gen(function* () {
      const { accept, client, server } = yield* withGoServer
      const run = yield* start(Stream.runCollect(client.alone.through(Stream.make("a"))))
      yield* accept
      server.keepalive()
      yield* TestClock.adjust(3000)
      assert.strictEqual(errorOf(run)._tag, "DeadlineExceeded")
      yield* settle
      assert.strictEqual(server.closes()[0]?.[0], "deadline_exceeded")
    }).pipe(onBus)
  )
})
