import { Client, PsrpcError, Server, Telemetry } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { eventually, goError, goPeer, interop, onBus } from "./support.ts"
import { conversing, eof, holding, newStreamService, next, nextOf, openGo, rest } from "./streamSupport.ts"
import { listen, toClient } from "./wire.ts"

const numbers = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index))

/** Number of dropped messages of a service at its server, by reason. */
const droppedOf = ({ serviceName }: { readonly serviceName: string }) =>
  Effect.map(
    Telemetry.stats,
    ({ methods }): Readonly<Record<string, number>> =>
      methods.find(({ method, service, side }) => side === "server" && service === serviceName && method === "Chat")!
        .dropped
  )

/** How many have completed, once they are so many. */
const counting = () => {
  let count = 0
  const counted = Effect.tap(() => Effect.sync(() => void count++))
  const reach = (most: number) =>
    eventually(
      Effect.sync(() => count),
      (reached) => reached >= most
    )
  return { counted, reach, count: () => count }
}

interop("a Go sender and our slow reader", (it) => {
  it.effect("it waits for its acks, and loses nothing: a Go client's sends", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: held.handle }, { streamBufferSize: 10 }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { stream } = yield* held.opened
      const acks = counting()
      // one after the other into the buffer, then as many again, in whatever order Go starts them
      for (const text of numbers(1, 10)) yield* acks.counted(theirs.send(text, 20_000))
      const waiting = yield* Effect.forkChild(
        Effect.forEach(numbers(11, 20), (text) => acks.counted(theirs.send(text, 20_000)), {
          concurrency: "unbounded"
        })
      )
      // what is not acknowledged is in nobody's count: a message of another stream overtakes it
      const other = yield* openGo(go, "Chat")
      yield* other.send("quick")
      assert.strictEqual(acks.count(), 10)
      assert.deepStrictEqual(yield* nextOf(stream, 5), numbers(1, 5))
      assert.strictEqual(yield* acks.reach(15), 15)
      const more = yield* nextOf(stream, 15)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(
        more.toSorted((a, b) => Number(a) - Number(b)),
        numbers(6, 20)
      )
    })
  )

  it.effect("it waits for its acks, and loses nothing: a Go server's sends, more than its own buffer has", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"], timeoutMs: 20_000 })
      const client = yield* onBus(Client.make(service, { clientId: "CLI_slow" }))
      const heard = yield* listen(toClient(service, "CLI_slow"))
      const stream = yield* client.chat({ streamBufferSize: 100 })
      yield* stream.send({ value: "flood:200" })
      // nothing is read before the last has come: a Go reader would have lost a hundred
      yield* eventually(
        Effect.sync(() => heard.filter(({ body }) => body === "message").length),
        (count) => count === 200
      )
      const texts = yield* nextOf(stream, 200)
      assert.strictEqual((yield* go.event("flooded")).failed, 0)
      assert.strictEqual(new Set(texts).size, 200)
    })
  )

  it.effect("whose time is over is given up, and its message is not read later", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: held.handle }, { streamBufferSize: 2 }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { stream } = yield* held.opened
      yield* theirs.send("1")
      yield* theirs.send("2")
      const late = goError(yield* Effect.flip(theirs.send("too late", 300)))
      assert.strictEqual(late.code, "deadline_exceeded")
      // Go's clock has nanoseconds, ours milliseconds
      const givenUp = Date.now()
      yield* eventually(
        Effect.sync(() => Date.now()),
        (now) => now > givenUp
      )
      const patient = yield* Effect.forkChild(theirs.send("3", 20_000))
      assert.deepStrictEqual(yield* nextOf(stream, 3), ["1", "2", "3"])
      yield* Fiber.join(patient)
      yield* theirs.close()
      assert.deepStrictEqual(yield* rest(stream), [])
    })
  )

  it.effect("beyond twice the buffer it is discarded, as in Go, and the stream goes on", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: held.handle }, { streamBufferSize: 5 }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat")
      const { stream } = yield* held.opened
      const exits = yield* Effect.forEach(numbers(1, 13), (text) => Effect.exit(theirs.send(text, 800)), {
        concurrency: "unbounded"
      })
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 5)
      // Go's clock may be a little before ours: until then, what waits for room would still be taken in
      yield* eventually(droppedOf(service), ({ expired = 0, overflow = 0 }) => expired === 5 && overflow === 3)
      const kept = yield* nextOf(stream, 5)
      assert.strictEqual(new Set(kept).size, 5)
      yield* theirs.send("and on")
      assert.strictEqual(yield* next(stream), "and on")
    })
  )

  it.effect("whose stream is closed while it waits: what has come is read, then the end", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Chat"], timeoutMs: 20_000 })
      const client = yield* onBus(Client.make(service, { clientId: "CLI_slow" }))
      const heard = yield* listen(toClient(service, "CLI_slow"))
      const stream = yield* client.chat({ streamBufferSize: 5 })
      yield* stream.send({ value: "flood:10" })
      yield* eventually(
        Effect.sync(() => heard.filter(({ body }) => body === "message").length),
        (count) => count === 10
      )
      yield* Effect.forkChild(server.shutdown)
      const error = yield* Effect.flip(stream.closed)
      assert.deepStrictEqual([error.code, error.message], [eof.code, eof.message])
      const before = yield* nextOf(stream, 10)
      assert.strictEqual(new Set(before).size, 10)
      assert.strictEqual(yield* Effect.flip(rest(stream)), error)
    })
  )
})

interop("our sender and a slow Go reader", (it) => {
  it.effect("what its buffer has no room for fails in time, and the stream goes on: a Go server reads", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(Client.make(service))
      const stream = yield* client.chat({ timeout: "20 seconds" })
      yield* stream.send({ value: "pause:2500" })
      yield* eventually(server.texts("Chat"), (texts) => texts.includes("pause:2500"))
      const exits = yield* Effect.forEach(
        numbers(1, 150),
        (value) => Effect.exit(stream.send({ value }, { timeout: "1 second" })),
        { concurrency: "unbounded" }
      )
      // in order, so that the first hundred are those that fit
      assert.deepStrictEqual(
        exits.map(Exit.isSuccess),
        numbers(1, 150).map((n) => Number(n) <= 100)
      )
      const late = yield* Effect.flip(exits[149]!)
      assert.instanceOf(late, PsrpcError.DeadlineExceeded)
      assert.isTrue(PsrpcError.isTimeout(late))
      assert.deepStrictEqual(
        yield* nextOf(stream, 100),
        numbers(1, 100).map((n) => `go:${n}`)
      )
      yield* stream.send({ value: "and on" })
      assert.strictEqual(yield* next(stream), "go:and on")
    })
  )

  it.effect("what its buffer has no room for fails in time, and the stream goes on: a Go client reads", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: held.handle }, { sendTimeout: "20 seconds" }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat", { paused: true })
      const { stream } = yield* held.opened
      const exits = yield* Effect.forEach(
        numbers(1, 150),
        (value) => Effect.exit(stream.send({ value }, { timeout: "1 second" })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 100)
      assert.isTrue(exits.slice(0, 100).every(Exit.isSuccess))
      yield* theirs.resume
      yield* stream.send({ value: "and on" })
      const heard = yield* Effect.forEach(numbers(1, 101), () => theirs.next)
      assert.deepStrictEqual(heard, [...numbers(1, 100), "and on"])
    })
  )

  it.effect("that takes nothing for as long as the stream's timeout counts as gone, and is told so", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const held = yield* holding
      yield* onBus(Server.make(service, { ...conversing, chat: held.handle }, { sendTimeout: "700 millis" }))
      const go = yield* goPeer(service)
      const theirs = yield* openGo(go, "Chat", { paused: true })
      const { stream } = yield* held.opened
      for (const value of numbers(1, 100)) yield* stream.send({ value })
      const error = yield* Effect.flip(stream.send({ value: "no room" }))
      assert.instanceOf(error, PsrpcError.DeadlineExceeded)
      const cause = yield* Effect.flip(stream.closed)
      assert.instanceOf(cause, PsrpcError.Unavailable)
      assert.strictEqual(cause.reason, "peer_lost")
      yield* theirs.resume
      assert.deepStrictEqual(yield* Effect.forEach(numbers(1, 100), () => theirs.next), numbers(1, 100))
      assert.deepStrictEqual(yield* theirs.closed, { code: "unavailable", message: cause.message })
    })
  )
})
