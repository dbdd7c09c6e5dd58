import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Channels from "../../../src/internal/wire/channel.ts"
import { encodeClaimRequest, encodeResponse, noFrame } from "../../../src/internal/wire/callEnvelope.ts"
import { encodeMsg } from "../../../src/internal/wire/msg.ts"
import { type Delivery } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { settle } from "../../helpers/harness.ts"
import { byIndex, encode, forever, listening, make, news, pass, textOf, work } from "./recordedFaultyBus.ts"

describe("faults", () => {
  it.effect("none: messages arrive at once, and publishers receive the report of the bus behind", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, reports } = yield* listening()
      send("a")
      assert.deepStrictEqual(reports, ["a:1@0"])
      send("n", { to: work })
      yield* settle
      assert.deepStrictEqual(arrived, ["a@0"])
      assert.deepStrictEqual(reports, ["a:1@0", "n:0@0"])
      assert.deepStrictEqual(
        bus.records.map(({ outcome, receivers, sentAt }) => ({ outcome, receivers, sentAt })),
        [
          { outcome: "delivered", receivers: 1, sentAt: [0] },
          { outcome: "delivered", receivers: 0, sentAt: [0] }
        ]
      )
    })
  )

  it.effect("lose: no message arrives, and publishers receive the report of a delivery to the known listeners", () =>
    Effect.gen(function* () {
      const { arrived, bus, listener, local, send, reports } = yield* make(Faulty.lose)
      send("a")
      yield* bus.subscribe(news, listener)
      send("b")
      yield* bus.subscribe(news, listener, { queue: true })
      yield* bus.subscribe(news, listener, { queue: true })
      // listeners through another faulty bus on the same bus count, too
      const other = yield* Faulty.make(local)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* other.subscribe(news, listener)
          send("c")
        })
      )
      send("d")
      yield* pass(1000)
      assert.deepStrictEqual(arrived, [])
      // -1: no listener is known, others are possible
      assert.deepStrictEqual(reports, ["a:-1@0", "b:1@0", "c:3@0", "d:2@0"])
      assert.deepStrictEqual(
        bus.records.map(({ outcome, receivers, sentAt }) => [outcome, receivers, sentAt.length]),
        [
          ["lost", -1, 0],
          ["lost", 1, 0],
          ["lost", 3, 0],
          ["lost", 2, 0]
        ]
      )
    })
  )

  it.effect("delay: a message arrives at its instant, and others overtake it", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, reports } = yield* listening(
        byIndex(Faulty.delay("100 millis"), Faulty.delay(50), undefined, Faulty.delay("0 millis"))
      )
      for (const text of ["a", "b", "c", "d"]) send(text)
      assert.deepStrictEqual(reports, ["c:1@0", "d:1@0"])
      assert.strictEqual(bus.records[0]!.outcome, "pending")
      yield* pass(49)
      assert.deepStrictEqual(arrived, ["c@0", "d@0"])
      yield* pass(1000)
      assert.deepStrictEqual(arrived, ["c@0", "d@0", "b@50", "a@100"])
      assert.deepStrictEqual(reports, ["c:1@0", "d:1@0", "b:1@50", "a:1@100"])
      assert.deepStrictEqual(bus.records[0]!.sentAt, [100])
      assert.strictEqual(bus.records[0]!.publishedAt, 0)
    })
  )

  it.effect("delay: a pending message arrives even if its publisher canceled it, or after it expired", () =>
    Effect.gen(function* () {
      const { arrived, send, reports } = yield* listening(Faulty.delay(100))
      let wanted = true
      send("a", { wanted: () => wanted, expiry: 50 })
      wanted = false
      yield* pass(100)
      assert.deepStrictEqual(arrived, ["a@100"])
      assert.deepStrictEqual(reports, ["a:1@100"])
    })
  )

  it.effect("latency: messages behind a late message wait for it and keep their order", () =>
    Effect.gen(function* () {
      const { arrived, send } = yield* listening(
        byIndex(
          Faulty.latency(100),
          Faulty.latency(10),
          undefined,
          Faulty.delay(5),
          Faulty.lose,
          undefined,
          Faulty.latency(30),
          undefined
        )
      )
      for (const text of ["a", "b", "c", "d", "e", "f"]) send(text)
      yield* pass(90)
      send("g")
      yield* pass(30)
      // all messages have arrived: the next is not delayed
      send("h")
      yield* pass(1000)
      assert.deepStrictEqual(arrived, ["a@100", "b@100", "c@100", "f@100", "d@105", "g@120", "h@120"])
    })
  )

  it.effect("latency: works at any time of the clock, and with fractions of milliseconds", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1_700_000_000_123)
      const { arrived, send } = yield* listening(({ index }) => Faulty.latency(`${index * 250} micros`))
      for (const text of ["a", "b", "c"]) send(text)
      yield* pass(1)
      assert.deepStrictEqual(arrived, ["a@1700000000123", "b@1700000000123.25", "c@1700000000123.5"])
    })
  )

  it.effect("duplicate: every listener receives each copy, and one member of a queue receives each copy", () =>
    Effect.gen(function* () {
      const { arrived, at, bus, listener, send, reports } = yield* make(
        byIndex(Faulty.duplicate(), Faulty.duplicate({ times: 2, after: "10 millis" }), Faulty.duplicate({ times: 0 }))
      )
      yield* bus.subscribe(news, listener)
      for (const member of ["x", "y"]) {
        const inQueue = (message: Uint8Array): void => void arrived.push(at(textOf(message) + member))
        yield* bus.subscribe(work, inQueue, { queue: true })
      }
      send("a")
      yield* settle
      assert.deepStrictEqual(arrived, ["a@0", "a@0"])
      send("b", { to: work })
      send("c")
      yield* pass(100)
      assert.deepStrictEqual(arrived.slice(2), ["bx@0", "c@0", "by@10", "bx@20"])
      assert.deepStrictEqual(reports, ["a:1@0", "b:1@0", "c:1@0"])
      assert.deepStrictEqual(
        bus.records.map(({ sentAt }) => sentAt),
        [[0, 0], [0, 10, 20], [0]]
      )
    })
  )

  it.effect("duplicate: sends the same bytes, even if the publisher overwrites them after the report", () =>
    Effect.gen(function* () {
      const { arrived, bus } = yield* listening(Faulty.duplicate({ after: 10 }))
      const message = encode("a").slice()
      const delivered = (): void => void message.fill(0)
      bus.publishUnsafe(bus.target(news), message, forever, { wanted: () => true, delivered, undelivered() {} })
      yield* pass(10)
      assert.deepStrictEqual(arrived, ["a@0", "a@10"])
      assert.strictEqual(textOf(bus.records[0]!.bytes), "a")
    })
  )

  it.effect("undelivered: publishers receive the error, and the message is sent only if its mayHaveRun is true", () =>
    Effect.gen(function* () {
      const full = PsrpcError.fromCode("resource_exhausted", { reason: "overflow", mayHaveRun: false })
      const broken = PsrpcError.fromCode("unavailable", { reason: "connection", mayHaveRun: true })
      const { arrived, bus, send, reports } = yield* listening(
        byIndex(
          Faulty.undelivered(full),
          Faulty.undelivered(broken),
          Faulty.all(Faulty.undelivered(broken), Faulty.delay(20))({} as Faulty.Message)
        )
      )
      for (const text of ["a", "b", "c"]) send(text)
      yield* pass(20)
      assert.deepStrictEqual(arrived, ["b@0", "c@20"])
      assert.deepStrictEqual(reports, ["a:resource_exhausted@0", "b:unavailable?@0", "c:unavailable?@20"])
      assert.strictEqual(bus.records[0]!.error, full)
      assert.isTrue(bus.records.every(({ outcome }) => outcome === "undelivered"))
    })
  )

  it.effect("are decided by the channel, the type and the index of a message", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { bus, send } = yield* make(({ channel, index, indexOfType, type }) => {
        seen.push(`${index} ${type} ${indexOfType} ${channel}`)
        return undefined
      })
      const response = Channels.response("Service", "CLI_1")
      const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }
      const empty = { id: "", serverId: "", sentAt: 0, raw: new Uint8Array(0), error: "", code: "", details: [] }
      send("a")
      bus.publishUnsafe(bus.target(response), encodeResponse(noFrame, empty), forever, heedless)
      bus.publishUnsafe(bus.target(response), encodeClaimRequest(noFrame, "", "", 1), forever, heedless)
      bus.publishUnsafe(bus.target(response), encodeResponse(noFrame, empty), forever, heedless)
      bus.publishUnsafe(bus.target(response), new Uint8Array([1]), forever, heedless)
      bus.publishUnsafe(bus.target(response), encodeMsg({ typeUrl: "x/Plain", value: encode("") }), forever, heedless)
      assert.deepStrictEqual(seen, [
        "0 Text 0 Service|News|REQ",
        "1 Response 0 Service|CLI_1|RES",
        "2 ClaimRequest 0 Service|CLI_1|RES",
        "3 Response 1 Service|CLI_1|RES",
        "4 malformed 0 Service|CLI_1|RES",
        "5 Plain 0 Service|CLI_1|RES"
      ])
    })
  )

  it.effect("an exception of the deciding function is reported to the publisher", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, reports } = yield* listening(({ index }) => {
        if (index === 0) throw new Error("a bug in a test")
        return undefined
      })
      send("a")
      send("b")
      yield* settle
      assert.deepStrictEqual(reports, ["a:internal@0", "b:1@0"])
      assert.deepStrictEqual(arrived, ["b@0"])
      assert.include(String(bus.records[0]!.error?.cause), "a bug in a test")
    })
  )

  it("throw for invalid arguments", () => {
    assert.throws(() => Faulty.delay(-1), /delay/)
    assert.throws(() => Faulty.latency(NaN), /latency/)
    assert.throws(() => Faulty.duplicate({ times: 1.5 }), /times: 1.5/)
    assert.throws(() => Faulty.duplicate({ after: -1 }), /after/)
    assert.throws(() => Faulty.random({ seed: 0.5 }), /seed: 0.5/)
    assert.throws(() => Faulty.random({ seed: 1, lose: 1.1 }), /lose: 1.1/)
    assert.throws(() => Faulty.random({ seed: 1, duplicate: -0.1 }), /duplicate: -0.1/)
    assert.throws(() => Faulty.random({ seed: 1, delay: [2, 1] }), /delay/)
    assert.throws(() => Faulty.random({ seed: 1, latency: [1, Infinity] }), /latency/)
  })
})
