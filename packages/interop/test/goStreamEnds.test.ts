import { PsrpcError, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Duration, Effect, Fiber, Logger } from "effect"
import { eventually, goError, goPeer, interop, onBus } from "./support.ts"
import {
  conversing,
  eof,
  holding,
  newStreamService,
  next,
  nextOf,
  openGo,
  rest,
  streamClosed,
  ending,
  plain,
  unavailable
} from "./streamSupport.ts"

interop("a Go client's stream of our server ends", (it) => {
  const opened = Effect.gen(function* () {
    const service = newStreamService()
    const held = yield* holding
    const server = yield* onBus(Server.make(service, { ...conversing, chat: held.handle }))
    const go = yield* goPeer(service)
    const theirs = yield* openGo(go, "Chat")
    const { stream } = yield* held.opened
    return { service, server, go, theirs, stream, held }
  })

  it.effect("where Go's end is closed, without a cause", () =>
    Effect.gen(function* () {
      const { stream, theirs } = yield* opened
      yield* theirs.send("last words")
      yield* theirs.close()
      assert.deepStrictEqual(yield* theirs.closed, streamClosed)
      assert.deepStrictEqual(yield* rest(stream), ["last words"])
      assert.strictEqual(yield* ending(stream), "normally")
    })
  )

  it.effect("where Go's end is closed, with a cause", () =>
    Effect.gen(function* () {
      const { stream, theirs } = yield* opened
      yield* theirs.send("last words")
      yield* theirs.close("failed_precondition", "not like this")
      assert.strictEqual(yield* next(stream), "last words")
      const cause = yield* ending(stream)
      assert.instanceOf(cause, PsrpcError.FailedPrecondition)
      assert.strictEqual(cause.message, "not like this")
      assert.deepStrictEqual(plain(yield* Effect.flip(stream.send({ value: "late" }))), plain(cause))
    })
  )

  it.effect("with the Go caller's context, cancelled or out of time", () =>
    Effect.gen(function* () {
      const { go, held, stream, theirs } = yield* opened
      yield* theirs.cancel
      assert.deepStrictEqual(plain(yield* ending(stream)), { code: "unknown", message: "context canceled" })
      yield* openGo(go, "Chat", { deadlineMs: 400 })
      const other = yield* held.opened
      assert.deepStrictEqual(plain(yield* ending(other.stream)), {
        code: "unknown",
        message: "context deadline exceeded"
      })
    })
  )

  it.effect("with the Go client", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      yield* go.command("closeClient", {})
      assert.strictEqual(yield* ending(stream), "normally")
    })
  )

  it.effect("where our end is closed, with and without a cause", () =>
    Effect.gen(function* () {
      const { go, held, stream, theirs } = yield* opened
      yield* stream.send({ value: "last words" })
      yield* stream.close()
      assert.deepStrictEqual(yield* theirs.closed, streamClosed)
      assert.strictEqual(yield* theirs.next, "last words")
      const other = yield* openGo(go, "Chat")
      yield* (yield* held.opened).stream.close(new PsrpcError.OutOfRange({ message: "too far" }))
      assert.deepStrictEqual(yield* other.closed, { code: "out_of_range", message: "too far" })
    })
  )

  it.effect("where our handler returns, fails or dies", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const ends: Record<string, Effect.Effect<void, PsrpcError.PsrpcError>> = {
        returns: Effect.void,
        fails: Effect.fail(new PsrpcError.AlreadyExists({ message: "two of them" })),
        odd: Effect.fail(PsrpcError.fromCode("i_am_a_teapot", { message: "short and stout" })),
        empty: Effect.fail(new PsrpcError.Aborted({ message: "" })),
        dies: Effect.die(new Error("password=hunter2"))
      }
      yield* onBus(
        Server.make(service, {
          ...conversing,
          chat: (stream, call) =>
            Effect.andThen(stream.send({ value: "last words" }), ends[call.header.metadata["end"]!]!)
        })
      ).pipe(Effect.provide(Logger.layer([])))
      const go = yield* goPeer(service)
      const seen = yield* Effect.forEach(Object.keys(ends), (end) =>
        Effect.gen(function* () {
          const theirs = yield* openGo(go, "Chat", { metadata: { end } })
          const closed = yield* theirs.closed
          assert.strictEqual(yield* theirs.next, "last words")
          return closed
        })
      )
      assert.deepStrictEqual(seen, [
        streamClosed,
        { code: "already_exists", message: "two of them" },
        { code: "i_am_a_teapot", message: "short and stout" },
        { code: "aborted", message: "aborted" },
        { code: "internal", message: "internal error" }
      ])
    })
  )

  it.effect("where our server drains: at once, while its handler has time to finish", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const log: Array<string> = []
      let release = false
      const server = yield* onBus(
        Server.make(
          service,
          {
            ...conversing,
            chat: (stream) =>
              Effect.gen(function* () {
                yield* Effect.exit(rest(stream))
                log.push("ended")
                yield* eventually(
                  Effect.sync(() => release),
                  (is) => is
                )
                log.push("finished")
              })
          },
          { drainTimeout: "20 seconds" }
        )
      )
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const drain = yield* Effect.forkChild(server.drain)
      assert.deepStrictEqual(yield* theirs.closed, eof)
      assert.deepStrictEqual(
        yield* eventually(
          Effect.sync(() => [...log]),
          ({ length }) => length > 0
        ),
        ["ended"]
      )
      const refused = goError(yield* Effect.flip(openGo(go, "Chat")))
      assert.strictEqual(refused.code, "unavailable")
      release = true
      yield* Fiber.join(drain)
      assert.deepStrictEqual(log, ["ended", "finished"])
    })
  )

  it.effect("where our server is killed, and its handler is interrupted", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      let interrupted = 0
      const server = yield* onBus(
        Server.make(service, {
          ...conversing,
          chat: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
        })
      )
      const go = yield* goPeer(service)
      const theirs = yield* Effect.all([openGo(go, "Chat"), openGo(go, "Chat")])
      yield* server.kill
      assert.strictEqual(interrupted, 2)
      for (const { closed } of theirs) assert.deepStrictEqual(yield* closed, eof)
    })
  )

  it.effect("where its topic is deregistered, and those of other topics go on", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const topics = { room: [{ room: "one" }, { room: "two" }], terminal: [{ node: "n1" }] }
      const server = yield* onBus(Server.make(service, conversing, { topics }))
      const go = yield* goPeer(service)
      const one = yield* openGo(go, "Room", { topic: "one" })
      const two = yield* openGo(go, "Room", { topic: "two" })
      const n1 = yield* openGo(go, "Terminal", { topic: "n1" })
      yield* server.deregister("room", { room: "one" })
      yield* server.deregister("terminal", { node: "n1" })
      assert.deepStrictEqual([yield* one.closed, yield* n1.closed], [eof, eof])
      yield* two.send("still there?")
      assert.strictEqual(yield* two.next, "ours:still there?")
      assert.strictEqual(goError(yield* Effect.flip(openGo(go, "Room", { topic: "one" }))).code, "unavailable")
      yield* server.register("room", { room: "one" })
      yield* openGo(go, "Room", { topic: "one" })
    })
  )

  it.effect("before it is open where our server drains meanwhile, and is chosen nevertheless", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      let weighed = false
      const affinity = Effect.sync(() => {
        weighed = true
        return 0.5
      })
      const server = yield* onBus(
        Server.make(
          service,
          { ...conversing, match: { affinity, handle: held.handle } },
          { drainTimeout: "20 seconds" }
        )
      )
      const go = yield* goPeer(service)
      const selection = { affinityTimeoutMs: 600 }
      const opening = yield* Effect.forkChild(Effect.flip(openGo(go, "Match", { selection, timeoutMs: 1500 })))
      yield* eventually(
        Effect.sync(() => weighed),
        (is) => is
      )
      yield* server.drain
      // a Go client waits for the ack, whatever else comes
      assert.strictEqual(goError(yield* Fiber.join(opening)).code, "deadline_exceeded")
      assert.deepStrictEqual((yield* go.command("info", {})).service, service.serviceName)
    })
  )

  it.effect("after a send where the Go client has crashed", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      yield* stream.send({ value: "there?" })
      yield* go.crash
      // a broker that has not noticed yet takes the message, and then it is the silence that tells
      yield* Effect.flip(stream.send({ value: "anybody?" }))
      const cause = unavailable(yield* ending(stream))
      assert.include(cause.message, "the peer of the stream is lost")
    })
  )

  it.effect("before it is open where the Go caller gives up: our server that has claimed it is free", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      const server = yield* onBus(
        Server.make(
          service,
          { ...conversing, match: { affinity: 0.5, handle: held.handle } },
          { drainTimeout: "20 seconds" }
        )
      )
      const go = yield* goPeer(service)
      const selection = { affinityTimeoutMs: 400, minimumAffinity: 0.9 }
      const error = goError(yield* Effect.flip(openGo(go, "Match", { selection, timeoutMs: 25_000 })))
      assert.strictEqual(error.message, "no servers available (received 1 responses)")
      const opening = yield* Effect.forkChild(
        openGo(go, "Match", { selection: { affinityTimeoutMs: 20_000 }, timeoutMs: 25_000 })
      )
      const theirs = yield* openGo(go, "Match")
      yield* Fiber.interrupt(opening)
      yield* theirs.send("mine")
      const { stream } = yield* held.opened
      assert.deepStrictEqual(yield* nextOf(stream, 1), ["mine"])
      // no other request is in flight: a waiting claim would extend the drain to the opening's expiry
      const [elapsed] = yield* Effect.timed(server.drain)
      assert.isBelow(Duration.toMillis(elapsed), 15_000)
      assert.deepStrictEqual(yield* theirs.closed, eof)
    })
  )
})
