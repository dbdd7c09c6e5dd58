import { BytesValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Payload, PsrpcError, Rpc, Selection, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Logger, Stream } from "effect"
import { eventually, goError, goPeer, interop, large, newServiceName, onBus } from "./support.ts"
import {
  conversing,
  holding,
  newStreamService,
  next,
  nextOf,
  openGo,
  plainError,
  rest,
  streamClosed
} from "./streamSupport.ts"

const numbers = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, index) => String(index))

/** Bytes that are no protobuf message: a field number, and the end. */
const malformed = new Uint8Array([0x0a, 0x05, 0x61])

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
        client.match({ selection: Selection.best({ minimum: 0.95, within: "300 millis" }) })
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
      const heard = yield* Stream.runCollect(client.chat.through(some, { idle: "500 millis" }))
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
      assert.isFalse(yield* stream.end)
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

interop("a Go client opens a stream of our server", (it) => {
  it.effect("and hears answers, in order", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      yield* onBus(Server.make(service, conversing))
      const go = yield* goPeer(service)
      const stream = yield* openGo(go, "Chat")
      for (const text of numbers(100)) yield* stream.send(text)
      const answers = yield* Effect.forEach(numbers(100), () => stream.next)
      assert.deepStrictEqual(
        answers,
        numbers(100).map((text) => `ours:${text}`)
      )
    })
  )

  it.effect("and hears what our handler sends of its own accord, many at a time, in order", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const { handle, opened } = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: handle }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { stream } = yield* opened
      yield* Effect.forEach(numbers(300), (value) => stream.send({ value }), { concurrency: 50 })
      assert.deepStrictEqual(yield* Effect.forEach(numbers(300), () => theirs.next), numbers(300))
    })
  )

  it.effect("whose handler sees who opens it, when, and the metadata, and has no deadline", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const { handle, opened } = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: handle }))
      const go = yield* goPeer(service, { clientId: "CLI_go" })
      const before = Date.now()
      const metadata = { tenant: "acme", empty: "", ключ: "значение 🚀" }
      yield* openGo(go, "Chat", { metadata, timeoutMs: 7000 })
      const { call } = yield* opened
      const { header } = call
      assert.deepStrictEqual([call.method, header.remoteId, call.deadline], ["Chat", "CLI_go", Infinity])
      assert.deepStrictEqual<object>({ ...header.metadata }, metadata)
      // a clock that has nanoseconds reads a little more than one that has milliseconds
      assert.isTrue(before <= header.sentAt + 1 && header.sentAt <= Date.now(), `sent at ${header.sentAt}`)
      assert.approximately(header.expiry - header.sentAt, 7000, 0.01)
      yield* openGo(go, "Chat")
      assert.deepStrictEqual({ ...(yield* opened).call.header.metadata }, {})
    })
  )

  it.effect("of a topic, claimed and unclaimed, and our handler knows which", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const one = yield* holding
      const two = yield* holding
      const serve = ({ handle }: typeof one, room: string, node: string) =>
        onBus(
          Server.make(
            service,
            { ...conversing, room: handle, terminal: handle },
            { topics: { room: [{ room }], terminal: [{ node }] } }
          )
        )
      yield* Effect.all([serve(one, "one", "n1"), serve(two, "two", "n2")])
      const go = yield* goPeer(service)
      yield* openGo(go, "Room", { topic: "two" })
      assert.deepStrictEqual((yield* two.opened).call.topic, { room: "two" })
      const terminal = yield* openGo(go, "Terminal", { topic: "n1" })
      const { call, stream } = yield* one.opened
      assert.deepStrictEqual(call.topic, { node: "n1" })
      yield* stream.send({ value: "$ " })
      assert.strictEqual(yield* terminal.next, "$ ")
    })
  )

  it.effect("of affinity, of the one that fits best, ours or Go's", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const good = yield* holding
      const best = yield* holding
      const affinity = (call: Server.Call<object>) => Effect.succeed(call.header.metadata["skill"] === "go" ? 0.2 : 0.8)
      yield* onBus(Server.make(service, { ...conversing, match: { affinity: 0.4, handle: good.handle } }))
      yield* onBus(
        Server.make(service, {
          ...conversing,
          match: { affinity: (call) => Effect.delay(affinity(call), "50 millis"), handle: best.handle }
        })
      )
      const lost = Server.make(service, {
        ...conversing,
        match: { affinity: Effect.die(new Error("no idea")), handle: best.handle }
      })
      yield* onBus(lost).pipe(Effect.provide(Logger.layer([])))
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Match"], affinity: 0.6 })
      const client = yield* onBus(Client.make(service))

      yield* openGo(go, "Match")
      yield* best.opened
      yield* client.match()
      yield* best.opened
      yield* openGo(go, "Match", { metadata: { skill: "go" } })
      assert.strictEqual((yield* go.event("streamOpened")).server, server.handle)
      yield* client.match({ metadata: { skill: "go" } })
      assert.strictEqual((yield* go.event("streamOpened")).server, server.handle)
      yield* server.setAffinity({ affinity: -1 })
      yield* openGo(go, "Match", { metadata: { skill: "go" } })
      yield* good.opened
    })
  )

  it.effect("in a queue with a Go server, and each stream is had by one of them", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      let ours = 0
      const chat: typeof conversing.chat = (stream) => {
        ours++
        return conversing.chat(stream)
      }
      yield* onBus(Server.make(service, { ...conversing, chat }))
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const heard = yield* Effect.forEach(
        numbers(20),
        (n) =>
          Effect.gen(function* () {
            const theirs = yield* openGo(go, "Chat")
            yield* theirs.send(n)
            const stream = yield* client.chat()
            yield* stream.send({ value: n })
            return [yield* theirs.next, yield* next(stream)]
          }),
        { concurrency: 5 }
      )
      const texts = heard.flat()
      assert.deepStrictEqual(
        texts.map((text) => text.replace(/^(ours|go):/, "")),
        numbers(20).flatMap((n) => [n, n])
      )
      assert.strictEqual(texts.filter((text) => text.startsWith("ours:")).length, ours)
      assert.strictEqual((yield* server.handled).counts["Chat"] ?? 0, 40 - ours)
    })
  )

  it.effect("whose handler may return without ending it", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const { handle, opened } = yield* holding
      const chat: typeof handle = (stream, call) =>
        Effect.andThen(stream.hijack, Effect.asVoid(Effect.forkDetach(handle(stream, call))))
      yield* onBus(Server.make(service, { ...conversing, chat }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { stream } = yield* opened
      yield* theirs.send("still there?")
      assert.strictEqual(yield* next(stream), "still there?")
      yield* stream.send({ value: "here" })
      assert.strictEqual(yield* theirs.next, "here")
      yield* stream.close()
      assert.deepStrictEqual(yield* theirs.closed, streamClosed)
    })
  )

  it.effect("with messages of nearly a mebibyte, both ways", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      yield* onBus(Server.make(service, conversing, { timeout: "15 seconds" }))
      const go = yield* goPeer(service)
      const stream = yield* openGo(go, "Chat")
      yield* stream.send(large, 15_000)
      const answer = yield* stream.next
      assert.isTrue(answer === `ours:${large}`, `${answer.length} characters`)
    })
  )

  it.effect("and sends what it cannot decode: the stream is closed, and both sides know why", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const { handle, opened } = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: handle }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { stream } = yield* opened
      yield* theirs.send("first")
      assert.strictEqual(goError(yield* Effect.flip(theirs.sendRaw(malformed))).code, "malformed_request")
      const error = yield* Effect.flip(stream.closed)
      assert.instanceOf(error, PsrpcError.MalformedRequest)
      assert.strictEqual(yield* next(stream), "first")
      assert.strictEqual(yield* Effect.flip(rest(stream)), error)
      assert.deepStrictEqual(yield* theirs.closed, { code: "malformed_request", message: error.message })
    })
  )

  it.effect("that sends what Go cannot decode: the stream is closed, and both sides know why", () =>
    Effect.gen(function* () {
      const service = Service.make(newServiceName(), {
        chat: Rpc.stream({ send: BytesValueSchema, receive: Payload.bytes })
      })
      const errors: Array<PsrpcError.PsrpcError> = []
      const note = (effect: Effect.Effect<void, PsrpcError.PsrpcError>) =>
        Effect.catch(effect, (error) => Effect.sync(() => void errors.push(error)))
      yield* onBus(
        Server.make(service, { chat: (stream) => Effect.andThen(note(stream.send(malformed)), note(stream.closed)) })
      )
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { code, message } = yield* theirs.closed
      const [sent, closed] = yield* eventually(
        Effect.sync(() => [...errors]),
        (all) => all.length === 2
      )
      assert.instanceOf(sent, PsrpcError.MalformedRequest)
      assert.strictEqual(closed, sent)
      assert.deepStrictEqual([sent!.code, sent!.message], [code, message])
    })
  )

  it.effect("and there is none: as Go's own client has it", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      yield* onBus(Client.make(service))
      const go = yield* goPeer(service)
      const errors = yield* Effect.all(
        [Effect.flip(openGo(go, "Chat")), Effect.flip(openGo(go, "Terminal", { topic: "n1", timeoutMs: 500 }))],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(
        errors.map((error) => goError(error).code),
        ["unavailable", "deadline_exceeded"]
      )
    })
  )
})
