import { BytesValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Payload, PsrpcError, Rpc, Selection, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { eventually, goError, goPeer, interop, large, malformed, newServiceName, numbers, onBus } from "./support.ts"
import { conversing, holding, newStreamService, next, openGo, rest, streamClosed } from "./streamSupport.ts"

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

      // everybody is heard, however busy the machine is
      const selection = { affinityTimeoutMs: 1000 }
      const ours = Selection.best({ affinityTimeout: "1 second" })
      yield* openGo(go, "Match", { selection })
      yield* best.opened
      yield* client.match({ selection: ours })
      yield* best.opened
      yield* openGo(go, "Match", { metadata: { skill: "go" }, selection })
      assert.strictEqual((yield* go.event("streamOpened")).server, server.handle)
      yield* client.match({ metadata: { skill: "go" }, selection: ours })
      assert.strictEqual((yield* go.event("streamOpened")).server, server.handle)
      yield* server.setAffinity({ affinity: -1 })
      yield* openGo(go, "Match", { metadata: { skill: "go" }, selection })
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
      yield* onBus(Server.make(service, conversing, { sendTimeout: "15 seconds" }))
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
