import { Client, PsrpcError, Selection, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Logger, Scope } from "effect"
import { eventually, goError, goPeer, interop, onBus } from "./support.ts"
import {
  conversing,
  eof,
  holding,
  newStreamService,
  next,
  nextOf,
  openGo,
  plainError,
  rest,
  streamClosed,
  type TextStream
} from "./streamSupport.ts"

/** What the Go server's end of the next stream to end has ended with. */
const endOf = (go: Effect.Success<ReturnType<typeof goPeer>>) =>
  Effect.map(go.event("streamClosed"), ({ error }) => plainError(error))

/** How an end of ours has ended: `normally`, or the error. */
const ending = (stream: TextStream) =>
  Effect.gen(function* () {
    const messages = yield* Effect.match(rest(stream), { onSuccess: () => "normally", onFailure: (error) => error })
    const closed = yield* Effect.match(stream.closed, { onSuccess: () => "normally", onFailure: (error) => error })
    assert.strictEqual(messages, closed)
    return messages
  })

const unavailable = (error: unknown): PsrpcError.Unavailable => {
  assert.instanceOf(error, PsrpcError.Unavailable)
  return error
}

const plain = (error: unknown): { readonly code: string; readonly message: string } => {
  assert.isTrue(PsrpcError.is(error), String(error))
  const { code, message } = error as PsrpcError.PsrpcError
  return { code, message }
}

interop("our client's stream of a Go server ends", (it) => {
  const opened = Effect.gen(function* () {
    const service = newStreamService()
    const go = yield* goPeer(service)
    const server = yield* go.serve({ methods: ["Chat"] })
    const client = yield* onBus(Client.make(service))
    return { service, go, server, client, stream: yield* client.chat() }
  })

  it.effect("where our end is closed, without a cause", () =>
    Effect.gen(function* () {
      const { go, server, stream } = yield* opened
      yield* stream.send({ value: "hello" })
      yield* stream.close()
      assert.deepStrictEqual(yield* endOf(go), streamClosed)
      yield* eventually(server.handled, ({ running }) => running["Chat"] === 0)
      assert.strictEqual(yield* ending(stream), "normally")
      const late = yield* Effect.flip(stream.send({ value: "late" }))
      assert.instanceOf(late, PsrpcError.Canceled)
      assert.include(late.message, "stream closed")
    })
  )

  it.effect("where our end is closed, with a cause", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      const cause = new PsrpcError.NotFound({ message: "no such room: Küche 🚀" })
      yield* stream.close(cause)
      assert.deepStrictEqual(yield* endOf(go), { code: "not_found", message: "no such room: Küche 🚀" })
      assert.strictEqual(yield* ending(stream), cause)
    })
  )

  it.effect("with the scope that it was opened in, by how that ends", () =>
    Effect.gen(function* () {
      const { client, go } = yield* opened
      yield* Effect.scoped(client.chat())
      assert.deepStrictEqual(yield* endOf(go), streamClosed)
      const failing = Effect.andThen(client.chat(), Effect.fail(new PsrpcError.DataLoss({ message: "half a file" })))
      yield* Effect.exit(Effect.scoped(failing))
      assert.deepStrictEqual(yield* endOf(go), { code: "data_loss", message: "half a file" })
      const dying = Effect.andThen(client.chat(), Effect.die(new Error("password=hunter2")))
      yield* Effect.exit(Effect.scoped(dying))
      assert.deepStrictEqual(yield* endOf(go), { code: "internal", message: "internal error" })
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(client.chat(), Effect.never)))
      for (let streams = 0; streams < 5; streams++) yield* go.event("streamOpened")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* endOf(go), { code: "canceled", message: "request canceled" })
    })
  )

  it.effect("with our client, and says that it is closed", () =>
    Effect.gen(function* () {
      const { go, service } = yield* opened
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(onBus(Client.make(service)), scope)
      const stream = yield* client.chat()
      yield* Scope.close(scope, Exit.void)
      const cause = yield* ending(stream)
      assert.instanceOf(cause, PsrpcError.Canceled)
      assert.include(cause.message, "client is closed")
      assert.deepStrictEqual(yield* endOf(go), plain(cause))
    })
  )

  it.effect("where the Go handler returns, after what it has sent", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      yield* stream.send({ value: "burst:5" })
      yield* stream.send({ value: "close" })
      yield* endOf(go)
      assert.deepStrictEqual(yield* rest(stream), ["burst:1", "burst:2", "burst:3", "burst:4", "burst:5"])
      assert.strictEqual(yield* ending(stream), "normally")
    })
  )

  it.effect("with the error of the Go handler, whatever its code", () =>
    Effect.gen(function* () {
      const { client } = yield* opened
      for (const code of ["aborted", "unknown", "canceled", "i_am_a_teapot"]) {
        const stream = yield* client.chat()
        yield* stream.send({ value: `close:${code}:because of ${code}` })
        const cause = yield* ending(stream)
        assert.isTrue(PsrpcError.is(cause), code)
        const { _tag, message } = cause as PsrpcError.PsrpcError
        assert.deepStrictEqual([_tag, message], [PsrpcError.fromCode(code)._tag, `because of ${code}`])
      }
    })
  )

  it.effect("where the Go server shuts down, is killed, or deregisters the method", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      const client = yield* onBus(Client.make(service))
      const serve = Effect.tap(go.serve({ methods: [] }), (server) => server.register("Room", "one"))
      const leave = {
        shutdown: (server: Effect.Success<typeof serve>) => server.shutdown,
        kill: (server: Effect.Success<typeof serve>) => server.kill,
        deregister: (server: Effect.Success<typeof serve>) => server.deregister("Room", "one")
      }
      for (const [how, end] of Object.entries(leave)) {
        const server = yield* serve
        const stream = yield* client.room({ topic: { room: "one" } })
        yield* end(server)
        const error = unavailable(yield* ending(stream))
        assert.strictEqual(error.message, "EOF", how)
        assert.strictEqual(yield* Effect.flip(stream.send({ value: "late" })), error)
      }
    })
  )

  it.effect("after a send where the Go server has crashed, and nobody else listens", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      yield* go.crash
      const sent = unavailable(yield* Effect.flip(stream.send({ value: "anybody?" })))
      assert.strictEqual(yield* ending(stream), sent)
      assert.include(sent.message, "the other end of the stream is gone")
    })
  )

  it.effect("after a send where the Go server has crashed, also where others serve the method", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat({ timeout: "1 second" })
      yield* onBus(Server.make(service, conversing))
      yield* go.crash
      const [first, second] = yield* Effect.all(
        [
          Effect.flip(stream.send({ value: "impatient" }, { timeout: "200 millis" })),
          Effect.flip(stream.send({ value: "patient" }, { timeout: "20 seconds" }))
        ],
        { concurrency: 2 }
      )
      assert.instanceOf(first, PsrpcError.DeadlineExceeded)
      assert.strictEqual(yield* ending(stream), second)
      assert.strictEqual(unavailable(second).reason, "vanished")
    })
  )

  it.effect("before it is open where that is interrupted: the Go server that has claimed it is free", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Match"], affinity: 0.5 })
      const client = yield* onBus(Client.make(service, { timeout: "25 seconds" }))
      let claims = 0
      const selection = Selection.make({
        affinityTimeout: "20 seconds",
        shortCircuitTimeout: "300 millis",
        selectionFunc: (all) =>
          Effect.andThen(
            Effect.sync(() => {
              claims = all.length
            }),
            Effect.never
          )
      })
      const opening = yield* Effect.forkChild(Effect.scoped(client.match({ selection })))
      yield* eventually(
        Effect.sync(() => claims),
        (count) => count === 1
      )
      yield* Fiber.interrupt(opening)
      // the server would run a stream that it still waits for
      const other = yield* client.match()
      yield* other.send({ value: "mine" })
      assert.strictEqual(yield* next(other), "go:mine")
      yield* other.close()
      assert.deepStrictEqual(yield* endOf(go), streamClosed)
      assert.strictEqual((yield* go.command("handled", {})).counts["Match"], 1)
    })
  )
})

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
      assert.strictEqual(yield* Effect.flip(stream.send({ value: "late" })), cause)
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

  it.effect("after a send where the Go client has crashed", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      yield* stream.send({ value: "there?" })
      yield* go.crash
      const sent = unavailable(yield* Effect.flip(stream.send({ value: "anybody?" })))
      assert.strictEqual(yield* ending(stream), sent)
      assert.include(sent.message, "the other end of the stream is gone")
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
      // nothing else is in hand: a claim that still waited would take the drain until the opening's expiry
      const [elapsed] = yield* Effect.timed(server.drain)
      assert.isBelow(Duration.toMillis(elapsed), 5000)
      assert.deepStrictEqual(yield* theirs.closed, eof)
    })
  )
})
