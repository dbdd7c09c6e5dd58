import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema } from "effect"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import { encodeMsg } from "../../src/internal/wire/msg.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import {
  dropped,
  fakeServers,
  isRunning,
  json,
  Logs,
  onBus,
  publish,
  settle,
  start,
  typeOf
} from "../helpers/harness.ts"

class Echo extends Service.make("Echo", {
  claimed: Rpc.unary({ request: Schema.String, response: Schema.String }),
  compared: Rpc.unary({ request: Schema.String, response: Schema.String, routing: "affinity" }),
  alone: Rpc.unary({ request: Schema.String, response: Schema.String, singleServer: true })
}) {}

const handlers = Echo.of({
  claimed: Effect.succeed,
  compared: { affinity: 1, handle: Effect.succeed },
  alone: Effect.succeed
})

/** Every channel that a client or a server listens on, and what belongs there. */
const channels: ReadonlyArray<
  readonly [name: string, side: "client" | "server", channel: Channels.Channel, right: Uint8Array]
> = [
  [
    "a server's requests",
    "server",
    Channels.request("Echo", "Claimed", [], true),
    Envelope.encodeRequest(Envelope.noFrame, {
      id: "REQ_1",
      clientId: "CLI_other",
      sentAt: 0,
      expiry: 1e9,
      multi: false,
      metadata: { key: "value" },
      raw: json("text")
    })
  ],
  [
    "a single server's requests",
    "server",
    Channels.request("Echo", "Alone", [], true),
    Envelope.encodeRequest(Envelope.noFrame, {
      id: "REQ_1",
      clientId: "CLI_other",
      sentAt: 0,
      expiry: 1e9,
      multi: false,
      metadata: {},
      raw: json("text")
    })
  ],
  [
    "a server's claim responses",
    "server",
    Channels.claimResponse("Echo", "Claimed", []),
    Envelope.encodeClaimResponse(Envelope.noFrame, "REQ_1", "SRV_1")
  ],
  [
    "a client's claims",
    "client",
    Channels.claimRequest("Echo", "CLI_1"),
    Envelope.encodeClaimRequest(Envelope.noFrame, "REQ_1", "SRV_1", 0.5)
  ],
  [
    "a client's answers",
    "client",
    Channels.response("Echo", "CLI_1"),
    Envelope.encodeResponse(Envelope.noFrame, {
      id: "REQ_1",
      serverId: "SRV_1",
      sentAt: 0,
      raw: json("text"),
      error: "",
      code: "",
      details: []
    })
  ]
]

/** A client and a server, and whether calls between them still work. */
const pair = Effect.gen(function* () {
  yield* Server.make(Echo, handlers, { serverId: "SRV_1" })
  const client = yield* Client.make(Echo, { clientId: "CLI_1" })
  return Effect.gen(function* () {
    assert.strictEqual(yield* client.claimed("still"), "still")
    assert.strictEqual(yield* client.alone("here"), "here")
  })
})

const foreign = [
  "internal.Msg",
  "internal.Stream",
  "internal.Requests",
  "google.protobuf.Empty",
  "Request",
  "",
  "internal."
].map((name) => encodeMsg({ typeUrl: `type.googleapis.com/${name}`, value: new Uint8Array([1, 2, 3]) }))

/** A generator of numbers below 2³², the same in each run. */
const randomFrom = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed
}

describe("messages that cannot be", () => {
  for (const [name, side, channel, right] of channels) {
    it.effect(`${name}: types that do not belong there are skipped, and counted`, () =>
      Effect.gen(function* () {
        const works = yield* pair
        const logs = yield* Logs
        const others = channels.map(([, , , other]) => other).filter((other) => typeOf(other) !== typeOf(right))
        const wrong = [...foreign, ...others]
        for (const message of wrong) yield* publish(channel, message)
        yield* settle
        assert.strictEqual(yield* dropped("foreign", side), wrong.length)
        assert.strictEqual(yield* dropped("malformed"), 0)
        const told = logs.filter(({ text }) => text.includes("message dropped (foreign)"))
        assert.strictEqual(told.length, wrong.length)
        for (const { level } of told) assert.strictEqual(level, "Debug")
        yield* works
      }).pipe(onBus)
    )

    it.effect(`${name}: messages cut short anywhere are dropped, and counted`, () =>
      Effect.gen(function* () {
        const works = yield* pair
        const logs = yield* Logs
        // what ends behind its type is an empty message of that type, which is expired, or nobody's
        const empty = encodeMsg({ typeUrl: `type.googleapis.com/internal.${typeOf(right)}`, value: new Uint8Array(0) })
        let sent = 0
        for (let length = 0; length < right.length; length++) {
          if (length === empty.length) continue
          sent++
          yield* publish(channel, right.slice(0, length))
        }
        yield* settle
        // the empty message has no type, and is foreign
        assert.strictEqual(yield* dropped("foreign", side), 1)
        assert.strictEqual(yield* dropped("malformed", side), sent - 1)
        assert.strictEqual(logs.filter(({ text }) => text.includes("message dropped")).length, sent)
        assert.deepStrictEqual(
          logs.filter(({ level }) => level !== "Debug"),
          []
        )
        yield* works
      }).pipe(onBus)
    )

    it.effect(`${name}: random bytes, and random bytes in a message of the right type, throw nothing`, () =>
      Effect.gen(function* () {
        const works = yield* pair
        const logs = yield* Logs
        const random = randomFrom(right.length)
        const typeUrl = `type.googleapis.com/internal.${typeOf(right)}`
        for (let i = 0; i < 500; i++) {
          const bytes = Uint8Array.from({ length: random() % 60 }, () => random() >>> 24)
          yield* publish(channel, bytes)
          yield* publish(channel, encodeMsg({ typeUrl, value: bytes }))
          const bent = right.slice()
          bent[random() % bent.length] = random() >>> 24
          yield* publish(channel, bent)
        }
        yield* settle
        assert.isAtLeast((yield* dropped("malformed", side)) + (yield* dropped("foreign", side)), 500)
        assert.deepStrictEqual(
          logs.filter(({ level }) => level === "Error" || level === "Fatal"),
          []
        )
        yield* works
      }).pipe(onBus)
    )
  }

  it.effect("claims and answers for calls that the client does not have change nothing", () =>
    Effect.gen(function* () {
      const works = yield* pair
      for (const [, side, channel, right] of channels) if (side === "client") yield* publish(channel, right)
      yield* settle
      assert.strictEqual(yield* dropped("malformed"), 0)
      yield* works
    }).pipe(onBus)
  )

  it.effect("a call in the midst of them is answered", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Echo, { clientId: "CLI_1" })
      const servers = yield* fakeServers("Echo", "Claimed", { queue: true })
      const call = yield* start(client.claimed("x"))
      yield* settle
      for (const [, side, channel, right] of channels) {
        if (side === "client") for (const end of [0, 5, right.length - 1]) yield* publish(channel, right.slice(0, end))
      }
      yield* settle
      assert.isTrue(isRunning(call))
      servers.claim("a", 1)
      yield* settle
      servers.answer("a", { raw: json("fine") })
      yield* settle
      assert.deepStrictEqual(call.pollUnsafe(), Exit.succeed("fine"))
    }).pipe(onBus)
  )

  it.effect("a claim that names no server is no offer: the next one is taken", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Echo)
      const servers = yield* fakeServers("Echo", "Compared")
      for (const selection of [Selection.first, Selection.make({ maximumAffinity: 1 })]) {
        servers.chosen.length = 0
        const call = yield* start(client.compared("x", { selection }))
        yield* settle
        servers.claim("", 1)
        servers.claim("a", 1)
        yield* settle
        assert.deepStrictEqual(
          servers.chosen.map(({ serverId }) => serverId),
          ["a"]
        )
        servers.answer("a", { raw: json("fine") })
        yield* settle
        assert.deepStrictEqual(call.pollUnsafe(), Exit.succeed("fine"))
      }
    }).pipe(onBus)
  )

  it.effect("a claim whose affinity is no number never wins by it", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Echo)
      const servers = yield* fakeServers("Echo", "Compared")
      const call = yield* start(client.compared("x", { selection: Selection.make({ maximumAffinity: 0.9 }) }))
      yield* settle
      servers.claim("a", NaN)
      servers.claim("b", 0.5)
      servers.claim("c", Infinity)
      yield* settle
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["c"]
      )
      yield* Fiber.interrupt(call)
    }).pipe(onBus)
  )

  it("a message with thousands of details or entries of metadata is malformed", () => {
    const detail = { typeUrl: "", value: new Uint8Array(0) }
    const response = { id: "REQ_1", serverId: "", sentAt: 0, raw: new Uint8Array(0), error: "e", code: "internal" }
    const answer = (count: number) =>
      Envelope.encodeResponse(Envelope.noFrame, { ...response, details: Array.from({ length: count }, () => detail) })
    assert.isObject(Envelope.decodeResponse(answer(1000)))
    assert.strictEqual(Envelope.decodeResponse(answer(1001)), "malformed")
    const request = { id: "REQ_1", clientId: "CLI_1", sentAt: 0, expiry: 1, multi: false, raw: new Uint8Array(0) }
    const asked = (count: number) =>
      Envelope.encodeRequest(Envelope.noFrame, {
        ...request,
        metadata: Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]))
      })
    // as many as a user may send, and a trace
    assert.isObject(Envelope.decodeRequest(asked(1002)))
    assert.strictEqual(Envelope.decodeRequest(asked(1003)), "malformed")
  })
})
