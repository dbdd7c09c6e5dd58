/** Messages of streams: order, back pressure, many streams. */
import { Effect, Fiber, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Server from "../../../../Server.ts"
import { check, equal, numbered } from "../harness/assertions.ts"
import { CallLog } from "./callLog.ts"
import { chatService, clientOptions, on, type Talk, serverOptions } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"

const order: ServiceCase = {
  name: "stream: messages of concurrent sends arrive in order, in both directions",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const [a, b] = yield* run.connections(3)
    const toServer = numbered(1000, "to server ")
    const toClient = numbered(1000, "to client ")
    const received = new CallLog()
    const talk = (stream: Talk) =>
      Effect.all(
        [
          Stream.runForEach(stream.messages, (text) => Effect.sync(() => received.record(text))),
          Effect.forEach(toClient, (text) => stream.send(text), { concurrency: 32, discard: true })
        ],
        { concurrency: 2, discard: true }
      )
    yield* on(a)(Server.make(Chat, { talk }, serverOptions(run)))
    const client = yield* on(b)(Client.make(Chat, clientOptions(run)))
    const stream = yield* client.talk()
    const reading = yield* Effect.forkScoped(Stream.runCollect(Stream.take(stream.messages, toClient.length)))
    yield* run.step(
      "messages to be acknowledged",
      Effect.forEach(toServer, (text) => stream.send(text), { concurrency: 32, discard: true })
    )
    yield* equal(
      "messages at the client",
      yield* run.step("messages to arrive at the client", Fiber.join(reading)),
      toClient
    )
    yield* received.waitForCount(run, toServer.length, "messages to be read")
    yield* equal("messages at the server", received.all, toServer)
  })
}

/** Permits for a reader: one for each message after the first. */
class Permits {
  #available = 0

  add(count: number): void {
    this.#available += count
  }

  /** Takes one permit. Returns `false` if there is none. */
  take(): boolean {
    if (this.#available === 0) return false
    this.#available--
    return true
  }
}

/** The size of receive buffers in messages. */
const size = 8

const backpressure: ServiceCase = {
  name: "stream: a handler that reads slowly delays the client's sends, and no message is lost",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const [a, b] = yield* run.connections(3)
    const texts = numbered(200)
    const sent = new CallLog()
    const read = new CallLog()
    const permits = new Permits()
    const acknowledged = (text: string) => Effect.sync(() => sent.record(text))
    const readSlowly = (messages: Talk["messages"]) =>
      Stream.runForEach(messages, (text) =>
        Effect.andThen(
          Effect.sync(() => read.record(text)),
          run.waitUntil("a permit of the reader", () => permits.take())
        )
      )
    /** The number of concurrent sends is the size of the peer's receive buffer. */
    const sendAll = (stream: Pick<Talk, "send">) =>
      Effect.forEach(texts, (text) => Effect.tap(stream.send(text, { timeout: "1 hour" }), () => acknowledged(text)), {
        concurrency: size,
        discard: true
      })
    /** Reads in steps, and compares the number of acks after each. */
    const watch = Effect.gen(function* () {
      for (let taken = 1; taken <= texts.length;) {
        yield* read.waitForCount(run, taken, "messages to be read")
        const most = Math.min(texts.length, taken + size)
        yield* sent.waitForCount(run, most, "messages to be acknowledged")
        // acknowledged messages are in the buffer, or have been read
        yield* equal("acknowledged messages", sent.count, most)
        permits.add(10)
        taken += 10
      }
      permits.add(texts.length)
      yield* sent.waitForCount(run, texts.length, "messages to be acknowledged")
      yield* read.waitForCount(run, texts.length, "messages to be read")
      yield* equal("messages that were read", read.all, texts)
    })
    yield* on(a)(
      Server.make(
        Chat,
        { talk: (stream) => readSlowly(stream.messages) },
        { ...serverOptions(run), streamBufferSize: size }
      )
    )
    const client = yield* on(b)(Client.make(Chat, { ...clientOptions(run), streamBufferSize: size }))
    const stream = yield* client.talk()
    const sending = yield* Effect.forkScoped(sendAll(stream))
    yield* watch
    yield* run.step("the sends to end", Fiber.join(sending))
  })
}

const backpressureBack: ServiceCase = {
  name: "stream: a client that reads slowly delays the server's sends, and no message is lost",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const [a, b] = yield* run.connections(3)
    const texts = numbered(200)
    let acknowledged = 0
    const talk = (stream: Talk) =>
      Effect.forEach(
        texts,
        (text) => Effect.tap(stream.send(text, { timeout: "1 hour" }), () => Effect.sync(() => acknowledged++)),
        { concurrency: size, discard: true }
      )
    yield* on(a)(Server.make(Chat, { talk }, serverOptions(run)))
    const client = yield* on(b)(Client.make(Chat, clientOptions(run)))
    const stream = yield* client.talk({ streamBufferSize: size })
    for (let taken = 0; taken < texts.length; taken += 10) {
      const most = Math.min(texts.length, taken + size)
      yield* run.waitUntil(
        `${most} messages to be acknowledged`,
        () => acknowledged >= most,
        () => `${acknowledged} so far`
      )
      yield* check(
        acknowledged === most,
        `${taken} messages were read, the buffer has room for ${size}, and ${acknowledged} were acknowledged`
      )
      const received = yield* run.step("messages to be read", Stream.runCollect(Stream.take(stream.messages, 10)))
      yield* equal("messages that were read", received, texts.slice(taken, taken + 10))
    }
    yield* equal("messages after the last", (yield* Stream.runCollect(stream.messages)).length, 0)
  })
}

const through: ServiceCase = {
  name: "stream: through sends a Stream and returns one, and both endpoints see the end",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const [a, b] = yield* run.connections(3)
    let ended = 0
    const talk = (stream: Talk) =>
      Effect.gen(function* () {
        yield* Stream.runForEach(stream.messages, (text) => stream.send(`${text}!`))
        // after the client's half-close the server can still send
        yield* stream.send("the last message")
        ended++
      })
    yield* on(a)(Server.make(Chat, { talk }, { ...serverOptions(run), streamBufferSize: 16 }))
    const client = yield* on(b)(Client.make(Chat, { ...clientOptions(run), streamBufferSize: 16 }))
    const texts = numbered(500)
    for (const round of [1, 2]) {
      const received = yield* run.step(
        "the Stream to end",
        Stream.runCollect(client.talk.through(Stream.fromIterable(texts)))
      )
      yield* equal("received messages", received, [...texts.map((text) => `${text}!`), "the last message"])
      yield* run.waitUntil("the handler to return", () => ended === round)
    }
    const failure = yield* run.step(
      "the Stream to fail",
      Effect.flip(
        Stream.runDrain(
          client.talk.through(Stream.concat(Stream.fromIterable(texts.slice(0, 3)), Stream.fail("failed" as const)))
        )
      )
    )
    yield* equal("error of the Stream", failure as string, "failed")
  })
}

const many: ServiceCase = {
  name: "stream: 100 streams with 100 messages in each direction, on three servers, lose no message",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const buses = yield* run.connections(3)
    const read = new CallLog()
    const handlers = {
      talk: (stream: Talk, call: Server.Call<object>) =>
        Effect.all(
          [
            Stream.runForEach(stream.messages, (text) =>
              Effect.sync(() => read.record(text, call.header.metadata["n"]))
            ),
            Effect.forEach(numbered(100, `${call.header.metadata["n"]} to client `), (text) => stream.send(text), {
              concurrency: 8,
              discard: true
            })
          ],
          { concurrency: 2, discard: true }
        )
    }
    for (const bus of buses) yield* on(bus)(Server.make(Chat, handlers, { sendTimeout: "30 seconds" }))
    const clients = yield* Effect.all(
      buses.map((bus) => on(bus)(Client.make(Chat, { ...clientOptions(run), timeout: "30 seconds" })))
    )
    yield* run.step(
      "the streams to end",
      Effect.forEach(
        numbered(100),
        Effect.fnUntraced(function* (n, i) {
          const outgoing = Stream.fromIterable(numbered(100, `${n} to server `))
          const options = { metadata: { n }, concurrency: 8 }
          const received = yield* Stream.runCollect(clients[i % 3]!.talk.through(outgoing, options))
          yield* equal("messages at a client", received, numbered(100, `${n} to client `))
        }),
        { concurrency: "unbounded", discard: true }
      )
    )
    for (const n of numbered(100)) yield* equal("messages at a server", read.by(n), numbered(100, `${n} to server `))
    yield* equal("messages at all servers", read.count, 10_000)
  })
}

export const streamFlow: ReadonlyArray<ServiceCase> = [order, backpressure, backpressureBack, through, many]
