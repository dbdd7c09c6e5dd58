import { BytesValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Payload, PsrpcError, Rpc, Selection, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { goPeer, interop, large, malformed, newServiceName, numbers, onBus } from "./support.ts"
import { newStreamService, next, nextOf, plainError, rest } from "./streamSupport.ts"

interop("our client opens a stream of a Go server", (it) => {
  it.effect("and hears answers to many messages in flight, in order", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat()
      // acks come before answers, and what Go's buffer of 100 has no room for is lost
      for (let round = 0; round < 5; round++) {
        const texts = numbers(90).map((n) => `${round}: ${n}`)
        yield* Effect.forEach(texts, (value) => stream.send({ value }), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          yield* nextOf(stream, texts.length),
          texts.map((text) => `go:${text}`)
        )
      }
    })
  )

  it.effect("and hears what the server sends of its own accord, in order", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat()
      yield* stream.send({ value: "burst:300" })
      assert.deepStrictEqual(
        yield* nextOf(stream, 300),
        numbers(301)
          .slice(1)
          .map((n) => `burst:${n}`)
      )
    })
  )

  it.effect("which sees who opens it, and the metadata of client and stream", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service, { clientId: "CLI_own", metadata: { app: "web" } }))
      yield* client.chat({ metadata: { tenant: "acme", empty: "", ключ: "значение 🚀" } })
      const { metadata, method, remoteId } = yield* go.event("streamOpened")
      assert.deepStrictEqual(
        { metadata, method, remoteId },
        {
          method: "Chat",
          remoteId: "CLI_own",
          metadata: { app: "web", tenant: "acme", empty: "", ключ: "значение 🚀" }
        }
      )
    })
  )

  it.effect("of a topic, claimed and unclaimed, and no other server has it", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      const [a, b] = yield* Effect.all([go.serve({ methods: [] }), go.serve({ methods: [] })])
      yield* Effect.all([a.register("Room", "one"), b.register("Room", "two")])
      yield* Effect.all([a.register("Terminal", "n1"), b.register("Terminal", "n2")])
      const client = yield* onBus(Client.make(service))
      const room = yield* client.room({ topic: { room: "two" } })
      const terminal = yield* client.terminal({ topic: { node: "n1" } })
      yield* room.send({ value: "in the room" })
      yield* terminal.send({ value: "at the terminal" })
      assert.deepStrictEqual([yield* next(room), yield* next(terminal)], ["go:in the room", "go:at the terminal"])
      assert.deepStrictEqual([yield* a.texts("Room"), yield* b.texts("Room")], [[], ["", "in the room"]])
      assert.deepStrictEqual([yield* a.texts("Terminal"), yield* b.texts("Terminal")], [["", "at the terminal"], []])
    })
  )

  it.effect("of affinity, of the one that fits best", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      const best = { affinity: 0.9, affinityDelayMs: 50, methods: ["Match"] } as const
      const servers = yield* Effect.all([
        go.serve({ affinity: 0.4, methods: ["Match"] }),
        go.serve(best),
        go.serve({ affinity: -1, methods: ["Match"] })
      ])
      const client = yield* onBus(Client.make(service))
      yield* client.match()
      assert.strictEqual((yield* go.event("streamOpened")).server, servers[1].handle)
      const error = yield* Effect.flip(
        client.match({ selection: Selection.best({ minimumAffinity: 0.95, affinityTimeout: "300 millis" }) })
      )
      assert.instanceOf(error, PsrpcError.Unavailable)
      assert.include(error.message, "no servers available (received 2 responses)")
    })
  )

  it.effect("one of several that are open at once, and each hears its own", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* Effect.all([go.serve({ methods: ["Chat"] }), go.serve({ methods: ["Chat"] })])
      const client = yield* onBus(Client.make(service))
      const heard = yield* Effect.forEach(
        numbers(20),
        (value) =>
          Effect.gen(function* () {
            const stream = yield* client.chat()
            yield* Effect.forEach(numbers(10), (n) => stream.send({ value: `${value}.${n}` }))
            return yield* nextOf(stream, 10)
          }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        heard,
        numbers(20).map((value) => numbers(10).map((n) => `go:${value}.${n}`))
      )
    })
  )

  it.effect("as a Stream of what is sent and one of what is received", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const outgoing = Stream.fromIterable([...numbers(90), "close"]).pipe(Stream.map((value) => ({ value })))
      const answers = yield* Stream.runCollect(client.chat.through(outgoing))
      assert.deepStrictEqual(
        answers.map(({ value }) => value),
        numbers(90).map((n) => `go:${n}`)
      )
      // a Go server cannot be told that no more follows: the silence has to say it
      const some = Stream.fromIterable([{ value: "a" }, { value: "b" }])
      const heard = yield* Stream.runCollect(client.chat.through(some, { idleTimeout: "500 millis" }))
      assert.deepStrictEqual(
        heard.map(({ value }) => value),
        ["go:a", "go:b"]
      )
    })
  )

  it.effect("whose handler may return without ending it", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat()
      yield* stream.send({ value: "hijack" })
      yield* stream.send({ value: "still there?" })
      assert.deepStrictEqual(yield* nextOf(stream, 2), ["go:hijack", "go:still there?"])
      assert.strictEqual((yield* server.handled).running["Chat"], 0)
    })
  )

  it.effect("which cannot be told that no more messages follow, and our end says so", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat()
      assert.isFalse(yield* stream.closeSend)
      yield* stream.send({ value: "so it goes on" })
      assert.strictEqual(yield* next(stream), "go:so it goes on")
    })
  )

  it.effect("with messages of nearly a mebibyte, both ways", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service, { timeout: "15 seconds" }))
      const stream = yield* client.chat()
      yield* stream.send({ value: large })
      const answer = yield* next(stream)
      assert.isTrue(answer === `go:${large}`, `${answer.length} characters`)
    })
  )

  it.effect("and sends what it cannot decode: the stream is closed, and both sides know why", () =>
    Effect.gen(function* () {
      const bytes = { send: Payload.bytes, receive: BytesValueSchema }
      const service = Service.make(newServiceName(), { chat: Rpc.stream(bytes) })
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat({ timeout: "10 seconds" })
      const error = yield* Effect.flip(stream.send(malformed))
      assert.instanceOf(error, PsrpcError.MalformedRequest)
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(stream.messages)), PsrpcError.MalformedRequest)
      assert.deepStrictEqual(plainError((yield* go.event("streamClosed")).error), {
        code: "malformed_request",
        message: error.message
      })
    })
  )

  it.effect("that sends what our end cannot decode: the stream is closed, and both sides know why", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat()
      yield* stream.send({ value: "first" })
      yield* stream.send({ value: `raw:${Buffer.from(malformed).toString("base64")}` })
      assert.strictEqual(yield* next(stream), "go:first")
      const error = yield* Effect.flip(rest(stream))
      assert.instanceOf(error, PsrpcError.MalformedRequest)
      assert.deepStrictEqual(plainError((yield* go.event("streamClosed")).error), {
        code: "malformed_request",
        message: error.message
      })
    })
  )

  it.effect("and there is none: unavailable, at once", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      // a Go client of the same service listens to nothing that an opening could reach
      yield* goPeer(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const openings = {
        queue: client.chat(),
        topic: client.room({ topic: { room: "one" } }),
        affinity: client.match(),
        single: client.terminal({ topic: { node: "n1" } })
      }
      for (const [name, open] of Object.entries(openings)) {
        const error = yield* Effect.flip(open).pipe(Effect.timeout("900 millis"))
        assert.instanceOf(error, PsrpcError.Unavailable, name)
        assert.isTrue(PsrpcError.isNoServer(error))
        assert.isFalse(error.mayHaveRun)
      }
    })
  )
})
