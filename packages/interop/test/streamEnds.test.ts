import { Client, PsrpcError, Selection, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { eventually, goPeer, interop, onBus } from "./support.ts"
import {
  conversing,
  newStreamService,
  next,
  plainError,
  rest,
  streamClosed,
  ending,
  plain,
  unavailable
} from "./streamSupport.ts"

/** What the Go server's end of the next stream to end has ended with. */
const endOf = (go: Effect.Success<ReturnType<typeof goPeer>>) =>
  Effect.map(go.event("streamClosed"), ({ error }) => plainError(error))

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
      // a Go handler that closes at a message may be quicker than Go's ack of it
      yield* Effect.exit(stream.send({ value: "close" }))
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
        // as above
        yield* Effect.exit(stream.send({ value: `close:${code}:because of ${code}` }))
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
        assert.deepStrictEqual(plain(yield* Effect.flip(stream.send({ value: "late" }))), plain(error))
      }
    })
  )

  it.effect("after a send where the Go server has crashed, and nobody else listens", () =>
    Effect.gen(function* () {
      const { go, stream } = yield* opened
      yield* go.crash
      // a broker that has not noticed yet takes the message, and then it is the silence that tells
      yield* Effect.flip(stream.send({ value: "anybody?" }))
      const cause = unavailable(yield* ending(stream))
      assert.include(cause.message, "the peer of the stream is lost")
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
      assert.strictEqual(unavailable(second).reason, "peer_lost")
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
