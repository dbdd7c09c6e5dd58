import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { publish, settle, start, dropped, onBus, Traffic } from "../helpers/harness.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import { Chat, keeping, pair, reading, serve, streamTraffic, withFakeClient, withFakeServer } from "./streamPairs.ts"

describe("a stream on the wire", () => {
  it.effect("claimed: opening, claim, choice, ack; then messages and acks; then a close", () =>
    Effect.gen(function* () {
      yield* serve({ talk: keeping().handle }, { serverId: "SRV_s" })
      const client = yield* Client.make(Chat, { clientId: "CLI_c" })
      const here = yield* client.talk()
      yield* here.send("hello")
      yield* here.close()
      const traffic = (yield* Traffic).map(({ channel, type }) => `${channel} ${type}`)
      assert.deepStrictEqual(traffic, [
        "Chat|Talk|STR Stream",
        "Chat|CLI_c|CLAIM ClaimRequest",
        "Chat|Talk|RCLAIM ClaimResponse",
        "Chat|CLI_c|STR Stream",
        "Chat|Talk|STR Stream",
        "Chat|CLI_c|STR Stream",
        "Chat|Talk|STR Stream"
      ])
      const all = yield* streamTraffic
      assert.deepStrictEqual(
        all.map(({ kind }) => kind),
        ["open", "ack", "message", "ack", "close"]
      )
      for (const { streamId } of all) assert.strictEqual(streamId, here.streamId)
      const [open, opened, message, acked, close] = all
      // every message has a request id of its own, which its ack echoes with the times
      assert.strictEqual(new Set([open, message, close].map((each) => each!.requestId)).size, 3)
      for (const [of, ack] of [
        [open!, opened!],
        [message!, acked!]
      ] as const) {
        const { expiry, requestId, sentAt } = of
        assert.deepInclude(ack, { requestId, sentAt, expiry })
      }
    }).pipe(onBus)
  )

  it.effect("unclaimed: two messages open it, with a topic in the channel where there is one", () =>
    Effect.gen(function* () {
      yield* serve({ alone: keeping().handle, room: keeping().handle }, { topics: { room: [{ room: "eu-west" }] } })
      const client = yield* Client.make(Chat, { clientId: "CLI_c" })
      yield* client.alone()
      yield* client.room({ topic: { room: "eu-west" } })
      assert.deepStrictEqual(
        (yield* Traffic).map(({ channel }) => channel),
        [
          "Chat|Alone|STR",
          "Chat|CLI_c|STR",
          "Chat|Room|euu+002dwest|STR",
          "Chat|CLI_c|CLAIM",
          "Chat|Room|euu+002dwest|RCLAIM",
          "Chat|CLI_c|STR"
        ]
      )
    }).pipe(onBus)
  )

  it.effect("the opening tells the client, its metadata, and what its end can do; the ack what the server's can", () =>
    Effect.gen(function* () {
      const { server } = yield* withFakeServer({ client: { clientId: "CLI_c", metadata: { a: "b" } } })
      const { buffer, clientId, expiry, features, keepalive, metadata, sentAt } = server.opening()
      assert.deepStrictEqual(
        { clientId, expiry, sentAt, metadata: { ...metadata } },
        { clientId: "CLI_c", expiry: 3000, sentAt: 0, metadata: { a: "b" } }
      )
      assert.deepStrictEqual({ features, keepalive, buffer }, { features: 1, keepalive: 10_000, buffer: 100 })
      const { client } = yield* withFakeClient({ server: { streamBufferSize: 7, keepalive: "Infinity" } })
      assert.deepInclude(client.heard[0], { kind: "ack", features: 1, keepalive: 0, buffer: 7 })
    }).pipe(onBus)
  )

  it.effect("acks of messages tell no capabilities, and echo what Go has sent", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient()
      const { seen } = yield* reading(there.messages)
      const id = client.send("hello", 2500)
      yield* settle
      assert.deepStrictEqual(seen, ["hello"])
      assert.deepStrictEqual(client.heard.at(-1), {
        kind: "ack",
        streamId: "STR_hand",
        requestId: id,
        sentAt: 0,
        expiry: 2500,
        features: 0,
        keepalive: 0,
        buffer: 0
      })
    }).pipe(onBus)
  )

  it.effect("messages of a server carry its timeout as their expiry, those of a client the stream's", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair({ server: { sendTimeout: 700 }, stream: { timeout: 900 } })
      yield* TestClock.adjust(100)
      yield* here.send("up")
      yield* there.send("down")
      const messages = (yield* streamTraffic).filter(({ kind }) => kind === "message")
      assert.deepStrictEqual(
        messages.map(({ expiry, sentAt }) => [sentAt, expiry]),
        [
          [100, 1000],
          [100, 800]
        ]
      )
    }).pipe(onBus)
  )

  it.effect("what is no Stream is skipped and counted, at both ends, and hurts no stream", () =>
    Effect.gen(function* () {
      yield* serve({ talk: keeping().handle })
      const client = yield* Client.make(Chat, { clientId: "CLI_c" })
      const here = yield* client.talk()
      const toServer = Channels.stream("Chat", "Talk", [])
      const toClient = Channels.clientStream("Chat", "CLI_c")
      const claim = (yield* Traffic).find(({ type }) => type === "ClaimRequest")!.message
      for (const channel of [toServer, toClient]) {
        yield* publish(channel, new Uint8Array([255, 255]))
        yield* publish(channel, claim)
      }
      yield* settle
      for (const side of ["client", "server"] as const) {
        assert.strictEqual(yield* dropped("malformed", side), 1)
        assert.strictEqual(yield* dropped("foreign", side), 1)
      }
      const send = yield* start(here.send("fine"))
      yield* Fiber.join(send)
    }).pipe(onBus)
  )
})
