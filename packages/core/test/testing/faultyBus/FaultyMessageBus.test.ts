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
import { byIndex, encode, forever, heard, make, news, pass, textOf, work } from "./recordedFaultyBus.ts"

describe("faults", () => {
  it.effect("none: everything arrives at once, and is told what the bus beneath says", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, told } = yield* heard()
      send("a")
      assert.deepStrictEqual(told, ["a:1@0"])
      send("n", { to: work })
      yield* settle
      assert.deepStrictEqual(arrived, ["a@0"])
      assert.deepStrictEqual(told, ["a:1@0", "n:0@0"])
      assert.deepStrictEqual(
        bus.records.map(({ outcome, receivers, sentAt }) => ({ outcome, receivers, sentAt })),
        [
          { outcome: "delivered", receivers: 1, sentAt: [0] },
          { outcome: "delivered", receivers: 0, sentAt: [0] }
        ]
      )
    })
  )

  it.effect("lose: nothing arrives, and the publisher is told that it was delivered, to those who listen", () =>
    Effect.gen(function* () {
      const { arrived, bus, listener, local, send, told } = yield* make(Faulty.lose)
      send("a")
      yield* bus.subscribe(news, listener)
      send("b")
      yield* bus.subscribe(news, listener, { queue: true })
      yield* bus.subscribe(news, listener, { queue: true })
      // also who listens through another faulty bus on the same one
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
      // nobody is known: somebody may listen all the same
      assert.deepStrictEqual(told, ["a:-1@0", "b:1@0", "c:3@0", "d:2@0"])
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

  it.effect("delay: it arrives at its instant, and others overtake it", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, told } = yield* heard(
        byIndex(Faulty.delay("100 millis"), Faulty.delay(50), undefined, Faulty.delay("0 millis"))
      )
      for (const text of ["a", "b", "c", "d"]) send(text)
      assert.deepStrictEqual(told, ["c:1@0", "d:1@0"])
      assert.strictEqual(bus.records[0]!.outcome, "pending")
      yield* pass(49)
      assert.deepStrictEqual(arrived, ["c@0", "d@0"])
      yield* pass(1000)
      assert.deepStrictEqual(arrived, ["c@0", "d@0", "b@50", "a@100"])
      assert.deepStrictEqual(told, ["c:1@0", "d:1@0", "b:1@50", "a:1@100"])
      assert.deepStrictEqual(bus.records[0]!.sentAt, [100])
      assert.strictEqual(bus.records[0]!.publishedAt, 0)
    })
  )

  it.effect("delay: what is under way arrives even if nobody waits for it any more, and after it has expired", () =>
    Effect.gen(function* () {
      const { arrived, send, told } = yield* heard(Faulty.delay(100))
      let wanted = true
      send("a", { wanted: () => wanted, expiry: 50 })
      wanted = false
      yield* pass(100)
      assert.deepStrictEqual(arrived, ["a@100"])
      assert.deepStrictEqual(told, ["a:1@100"])
    })
  )

  it.effect("latency: what is published behind a late message waits for it, and order is kept", () =>
    Effect.gen(function* () {
      const { arrived, send } = yield* heard(
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
      // all is there, and the way is free
      send("h")
      yield* pass(1000)
      assert.deepStrictEqual(arrived, ["a@100", "b@100", "c@100", "f@100", "d@105", "g@120", "h@120"])
    })
  )

  it.effect("latency: at any time of the clock, and times that are no whole milliseconds", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(1_700_000_000_123)
      const { arrived, send } = yield* heard(({ index }) => Faulty.latency(`${index * 250} micros`))
      for (const text of ["a", "b", "c"]) send(text)
      yield* pass(1)
      assert.deepStrictEqual(arrived, ["a@1700000000123", "b@1700000000123.25", "c@1700000000123.5"])
    })
  )

  it.effect("duplicate: every listener gets it as often, and of a queue one member each time", () =>
    Effect.gen(function* () {
      const { arrived, at, bus, listener, send, told } = yield* make(
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
      assert.deepStrictEqual(told, ["a:1@0", "b:1@0", "c:1@0"])
      assert.deepStrictEqual(
        bus.records.map(({ sentAt }) => sentAt),
        [[0, 0], [0, 10, 20], [0]]
      )
    })
  )

  it.effect("duplicate: the same bytes, also if the publisher writes over them when it has been told", () =>
    Effect.gen(function* () {
      const { arrived, bus } = yield* heard(Faulty.duplicate({ after: 10 }))
      const message = encode("a").slice()
      const delivered = (): void => void message.fill(0)
      bus.publishUnsafe(bus.target(news), message, forever, { wanted: () => true, delivered, undelivered() {} })
      yield* pass(10)
      assert.deepStrictEqual(arrived, ["a@0", "a@10"])
      assert.strictEqual(textOf(bus.records[0]!.bytes), "a")
    })
  )

  it.effect("undelivered: the error, and the message is sent only if that says so", () =>
    Effect.gen(function* () {
      const full = PsrpcError.fromCode("resource_exhausted", { reason: "overflow", mayHaveRun: false })
      const broken = PsrpcError.fromCode("unavailable", { reason: "connection", mayHaveRun: true })
      const { arrived, bus, send, told } = yield* heard(
        byIndex(
          Faulty.undelivered(full),
          Faulty.undelivered(broken),
          Faulty.all(Faulty.undelivered(broken), Faulty.delay(20))({} as Faulty.Message)
        )
      )
      for (const text of ["a", "b", "c"]) send(text)
      yield* pass(20)
      assert.deepStrictEqual(arrived, ["b@0", "c@20"])
      assert.deepStrictEqual(told, ["a:resource_exhausted@0", "b:unavailable?@0", "c:unavailable?@20"])
      assert.strictEqual(bus.records[0]!.error, full)
      assert.isTrue(bus.records.every(({ outcome }) => outcome === "undelivered"))
    })
  )

  it.effect("are decided by the channel, the type and the place of a message", () =>
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

  it.effect("a function that throws does not throw at the publisher, who is told", () =>
    Effect.gen(function* () {
      const { arrived, bus, send, told } = yield* heard(({ index }) => {
        if (index === 0) throw new Error("a bug in a test")
        return undefined
      })
      send("a")
      send("b")
      yield* settle
      assert.deepStrictEqual(told, ["a:internal@0", "b:1@0"])
      assert.deepStrictEqual(arrived, ["b@0"])
      assert.include(String(bus.records[0]!.error?.cause), "a bug in a test")
    })
  )

  it("refuse what cannot be", () => {
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
