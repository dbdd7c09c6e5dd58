import { Effect, Fiber, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Server from "../../../../Server.ts"
import { check, equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { chat, Ledger, numbered, on, patient, type Talk, three } from "./stage.ts"

const order: Case = {
  name: "stream: messages come in order both ways at once, several sends in flight",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const [a, b] = yield* three(run)
    const there = numbered(1000, "there ")
    const back = numbered(1000, "back ")
    const heard = new Ledger()
    const talk = (stream: Talk) =>
      Effect.all(
        [
          Stream.runForEach(stream.messages, (text) => Effect.sync(() => heard.handled(text))),
          Effect.forEach(back, (text) => stream.send(text), { concurrency: 32, discard: true })
        ],
        { concurrency: 2, discard: true }
      )
    yield* on(a)(Server.make(Chat, { talk }))
    const client = yield* on(b)(Client.make(Chat, patient))
    const stream = yield* client.talk()
    const reading = yield* Effect.forkScoped(Stream.runCollect(Stream.take(stream.messages, back.length)))
    yield* run.step(
      "messages to be acknowledged",
      Effect.forEach(there, (text) => stream.send(text), { concurrency: 32, discard: true })
    )
    yield* equal("what the client got", yield* run.step("messages to come back", Fiber.join(reading)), back)
    yield* heard.reached(run, there.length, "messages to be read")
    yield* equal("what the server got", heard.all, there)
  })
}

/** A reader that opens its hand for so many messages at a time. */
class Tap {
  #open = 0

  open(count: number): void {
    this.#open += count
  }

  /** Whether one more may be taken. */
  take(): boolean {
    if (this.#open === 0) return false
    this.#open--
    return true
  }
}

const size = 8

const backpressure: Case = {
  name: "stream: a handler that reads slowly slows the client's sends down, and nothing is lost",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const [a, b] = yield* three(run)
    const texts = numbered(200)
    const sent = new Ledger()
    const read = new Ledger()
    const tap = new Tap()
    const acknowledged = (text: string) => Effect.sync(() => sent.handled(text))
    const readSlowly = (messages: Talk["messages"]) =>
      Stream.runForEach(messages, (text) =>
        Effect.andThen(
          Effect.sync(() => read.handled(text)),
          run.until("the reader to go on", () => tap.take()).pipe(Effect.orDie)
        )
      )
    /** As many in flight as the other end holds while its buffer is full. */
    const sendAll = (stream: Pick<Talk, "send">) =>
      Effect.forEach(texts, (text) => Effect.tap(stream.send(text, { timeout: "1 hour" }), () => acknowledged(text)), {
        concurrency: size,
        discard: true
      })
    /** Reads in steps, and looks at each how far the sender is. */
    const watch = Effect.gen(function* () {
      for (let taken = 1; taken <= texts.length;) {
        yield* read.reached(run, taken, "messages to be read")
        const most = Math.min(texts.length, taken + size)
        yield* sent.reached(run, most, "messages to be acknowledged")
        // what is acknowledged is in the buffer, or has been read
        yield* equal("messages that were acknowledged", sent.count, most)
        tap.open(10)
        taken += 10
      }
      tap.open(texts.length)
      yield* sent.reached(run, texts.length, "messages to be acknowledged")
      yield* read.reached(run, texts.length, "messages to be read")
      yield* equal("what was read", read.all, texts)
    })
    yield* on(a)(Server.make(Chat, { talk: (stream) => readSlowly(stream.messages) }, { streamBufferSize: size }))
    const client = yield* on(b)(Client.make(Chat, { ...patient, streamBufferSize: size }))
    const toServer = yield* client.talk()
    const sending = yield* Effect.forkScoped(sendAll(toServer))
    yield* watch
    yield* run.step("the sends to end", Fiber.join(sending))
  })
}

const backpressureBack: Case = {
  name: "stream: a client that reads slowly slows the server's sends down, and nothing is lost",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const [a, b] = yield* three(run)
    const texts = numbered(200)
    let acknowledged = 0
    const talk = (stream: Talk) =>
      Effect.forEach(
        texts,
        (text) => Effect.tap(stream.send(text, { timeout: "1 hour" }), () => Effect.sync(() => acknowledged++)),
        { concurrency: size, discard: true }
      )
    yield* on(a)(Server.make(Chat, { talk }))
    const client = yield* on(b)(Client.make(Chat, patient))
    const stream = yield* client.talk({ streamBufferSize: size })
    for (let taken = 0; taken < texts.length; taken += 10) {
      const most = Math.min(texts.length, taken + size)
      yield* run.until(
        `${most} messages to be acknowledged`,
        () => acknowledged >= most,
        () => `${acknowledged} were`
      )
      yield* check(
        acknowledged === most,
        `${taken} were read, the buffer holds ${size}, and ${acknowledged} acknowledged`
      )
      const got = yield* run.step("messages to be read", Stream.runCollect(Stream.take(stream.messages, 10)))
      yield* equal("what was read", got, texts.slice(taken, taken + 10))
    }
    yield* equal("what comes after the last", (yield* Stream.runCollect(stream.messages)).length, 0)
  })
}

const through: Case = {
  name: "stream: through sends a Stream and gives one, whose end both ends see",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const [a, b] = yield* three(run)
    let ended = 0
    const talk = (stream: Talk) =>
      Effect.gen(function* () {
        yield* Stream.runForEach(stream.messages, (text) => stream.send(`${text}!`))
        // this end has heard that no more follows, and may still speak
        yield* stream.send("that was all")
        ended++
      })
    yield* on(a)(Server.make(Chat, { talk }, { streamBufferSize: 16 }))
    const client = yield* on(b)(Client.make(Chat, { ...patient, streamBufferSize: 16 }))
    const texts = numbered(500)
    for (const round of [1, 2]) {
      const got = yield* run.step(
        "the Stream to end",
        Stream.runCollect(client.talk.through(Stream.fromIterable(texts)))
      )
      yield* equal("what came back", got, [...texts.map((text) => `${text}!`), "that was all"])
      yield* run.until("the handler to return", () => ended === round)
    }
    const failure = yield* run.step(
      "the Stream to fail",
      Effect.flip(
        Stream.runDrain(
          client.talk.through(Stream.concat(Stream.fromIterable(texts.slice(0, 3)), Stream.fail("my own" as const)))
        )
      )
    )
    yield* equal("what it fails with", failure as string, "my own")
  })
}

const many: Case = {
  name: "stream: 100 streams with 100 messages each way, over three servers, arrive whole",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const buses = yield* three(run)
    const read = new Ledger()
    const handlers = {
      talk: (stream: Talk, call: Server.Call<object>) =>
        Effect.all(
          [
            Stream.runForEach(stream.messages, (text) =>
              Effect.sync(() => read.handled(text, call.header.metadata["n"]))
            ),
            Effect.forEach(numbered(100, `${call.header.metadata["n"]} back `), (text) => stream.send(text), {
              concurrency: 8,
              discard: true
            })
          ],
          { concurrency: 2, discard: true }
        )
    }
    for (const bus of buses) yield* on(bus)(Server.make(Chat, handlers, { sendTimeout: "30 seconds" }))
    const clients = yield* Effect.all(
      buses.map((bus) => on(bus)(Client.make(Chat, { ...patient, timeout: "30 seconds" })))
    )
    yield* run.step(
      "the streams to end",
      Effect.forEach(
        numbered(100),
        Effect.fnUntraced(function* (n, i) {
          const there = numbered(100, `${n} there `)
          const outgoing = Stream.fromIterable(there)
          const options = { metadata: { n }, concurrency: 8 }
          const got = yield* Stream.runCollect(clients[i % 3]!.talk.through(outgoing, options))
          yield* equal("what a client got", got, numbered(100, `${n} back `))
        }),
        { concurrency: "unbounded", discard: true }
      )
    )
    for (const n of numbered(100)) yield* equal("what a server got", read.by(n), numbered(100, `${n} there `))
    yield* equal("messages that the servers got", read.count, 10_000)
  })
}

export const flow: ReadonlyArray<Case> = [order, backpressure, backpressureBack, through, many]
