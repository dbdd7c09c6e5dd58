// When a call that every server answers ends: at its timeout, or as its caller says.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { brief, type Reader, read } from "../helpers/readers.ts"
import { exitOf, fakeServers, isRunning, json, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class Farm extends Service.make("Farm", {
  load: Rpc.multi({ response: Schema.Finite }),
  outer: Rpc.unary({ response: Schema.Finite, singleServer: true }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String })
}) {}

type Answer = Client.Answer<number, { readonly _tag: string }>

/** Goes on by a number of milliseconds, and looks at what there is one before and then. */
const endsAfter = Effect.fnUntraced(function* (reader: Reader<unknown, unknown>, millis: number) {
  yield* TestClock.adjust(millis - 1)
  yield* settle
  assert.isTrue(isRunning(reader.fiber), `it ended before ${millis} ms`)
  yield* TestClock.adjust(1)
  yield* settle
  assert.isTrue(Exit.isSuccess(exitOf(reader.fiber)), `it did not end at ${millis} ms`)
})

/** A call that fake servers answer. */
const called = Effect.fnUntraced(function* (options?: Client.MultiCallOptions, clientOptions?: Client.Options) {
  const client = yield* Client.make(Farm, clientOptions)
  const servers = yield* fakeServers("Farm", "Load")
  const reader: Reader<Answer, unknown> = yield* read(client.load(options))
  yield* settle
  const answer = (serverId: string, value: number) =>
    Effect.andThen(
      Effect.sync(() => servers.answer(serverId, { raw: json(value) })),
      settle
    )
  return { answer, reader, servers }
})

describe("a call that every server answers ends", () => {
  it.effect("at its timeout, to the millisecond: 3 seconds by default, whatever servers have responded", () =>
    Effect.gen(function* () {
      assert.strictEqual(Duration.toMillis(Client.defaultTimeout), 3000)
      const silent = yield* called()
      yield* endsAfter(silent.reader, 3000)
      assert.deepStrictEqual(silent.reader.seen, [])
      const { answer, reader, servers } = yield* called()
      yield* answer("a", 1)
      yield* endsAfter(reader, 3000)
      assert.deepStrictEqual(reader.seen.map(brief), [["a", 1]])
      // its servers know the time themselves
      assert.deepStrictEqual(servers.chosen, [])
    }).pipe(onBus)
  )

  it.effect("at the client's timeout, or its own, which the servers are told", () =>
    Effect.gen(function* () {
      const clients = yield* called({}, { timeout: "40 millis" })
      assert.strictEqual(clients.servers.requests[0]?.expiry, 40)
      yield* endsAfter(clients.reader, 40)
      const own = yield* called({ timeout: "2 minutes" }, { timeout: "40 millis" })
      assert.strictEqual(own.servers.requests[0]?.expiry, 40 + 120_000)
      yield* endsAfter(own.reader, 120_000)
    }).pipe(onBus)
  )

  it.effect("before it begins where there is no time: nothing is sent", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      yield* fakeServers("Farm", "Load")
      const traffic = yield* Traffic
      const error = yield* Effect.flip(Stream.runDrain(client.load({ timeout: 0 })))
      assert.strictEqual(error._tag, "DeadlineExceeded")
      assert.isFalse(error.mayHaveRun)
      assert.strictEqual(traffic.length, 0)
    }).pipe(onBus)
  )

  it.effect("at the deadline of the handler that makes it, however long it would wait", () =>
    Effect.gen(function* () {
      const servers = yield* fakeServers("Farm", "Load")
      const client = yield* Client.make(Farm, { timeout: "1 hour" })
      const ends: Array<string> = []
      const outer = (options: Client.MultiCallOptions) =>
        Stream.runCount(client.load(options)).pipe(Effect.onExit((exit) => Effect.sync(() => ends.push(exit._tag))))
      yield* Server.make(Service.pick(Farm, "outer"), { outer: () => outer({ timeout: "30 minutes" }) })
      const call = yield* start(Effect.exit(client.outer({ timeout: 250 })))
      yield* TestClock.adjust(100)
      assert.strictEqual(servers.requests[0]?.expiry, 250)
      servers.answer("a", { raw: json(1) })
      yield* TestClock.adjust(149)
      assert.deepStrictEqual(ends, [])
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(ends.length, 1)
      assert.isFalse(isRunning(call))
    }).pipe(onBus)
  )

  it.effect("not sooner in the handler of a stream, which has no deadline to give on", () =>
    Effect.gen(function* () {
      const servers = yield* fakeServers("Farm", "Load")
      const client = yield* Client.make(Farm)
      const counts: Array<number> = []
      yield* Server.make(Service.pick(Farm, "chat"), {
        chat: () => Effect.map(Stream.runCount(client.load()), (count) => void counts.push(count))
      })
      yield* start(Effect.scoped(Effect.andThen(client.chat({ timeout: 100 }), Effect.never)))
      yield* settle
      assert.strictEqual(servers.requests[0]?.expiry, 3000)
      servers.answer("a", { raw: json(1) })
      yield* TestClock.adjust(2999)
      yield* settle
      assert.deepStrictEqual(counts, [])
      yield* TestClock.adjust(1)
      yield* settle
      assert.deepStrictEqual(counts, [1])
    }).pipe(onBus)
  )
})

describe("expect", () => {
  it.effect("ends with that many answers, errors among them", () =>
    Effect.gen(function* () {
      const { answer, reader, servers } = yield* called({ expect: 3 })
      yield* answer("a", 1)
      servers.answer("b", { error: "no", code: "internal" })
      yield* settle
      assert.isTrue(isRunning(reader.fiber))
      yield* answer("c", 3)
      assert.isTrue(Exit.isSuccess(exitOf(reader.fiber)))
      yield* answer("d", 4)
      assert.deepStrictEqual(reader.seen.map(brief), [
        ["a", 1],
        ["b", "Internal"],
        ["c", 3]
      ])
      // a fourth, if there is one, need not go on
      assert.deepStrictEqual(
        servers.chosen.map(({ id, serverId }) => [id, serverId]),
        [[servers.requests[0]!.id, ""]]
      )
    }).pipe(onBus)
  )

  it.effect("gives no more than that many, also when they come at once", () =>
    Effect.gen(function* () {
      const { reader, servers } = yield* called({ expect: 2 })
      for (const serverId of ["a", "b", "c"]) servers.answer(serverId, { raw: json(1) })
      yield* settle
      assert.deepStrictEqual(reader.seen.map(brief), [
        ["a", 1],
        ["b", 1]
      ])
      assert.isFalse(isRunning(reader.fiber))
    }).pipe(onBus)
  )

  it.effect("of more than there are ends at the timeout, normally", () =>
    Effect.gen(function* () {
      const { answer, reader } = yield* called({ expect: 3, timeout: 500 })
      yield* answer("a", 1)
      yield* answer("b", 2)
      yield* endsAfter(reader, 500)
      assert.strictEqual(reader.seen.length, 2)
    }).pipe(onBus)
  )
})

describe("idle", () => {
  it.effect("ends that long after the last answer, and each begins it anew", () =>
    Effect.gen(function* () {
      const { answer, reader, servers } = yield* called({ idleTimeout: "100 millis" })
      // nobody has answered yet
      yield* TestClock.adjust(1000)
      yield* answer("a", 1)
      yield* TestClock.adjust(99)
      yield* answer("b", 2)
      yield* TestClock.adjust(99)
      yield* answer("c", 3)
      yield* endsAfter(reader, 100)
      assert.strictEqual(reader.seen.length, 3)
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        [""]
      )
    }).pipe(onBus)
  )

  it.effect("is not begun anew by what a server repeats", () =>
    Effect.gen(function* () {
      const { answer, reader } = yield* called({ idleTimeout: 100 })
      yield* answer("a", 1)
      yield* TestClock.adjust(50)
      yield* answer("a", 1)
      yield* endsAfter(reader, 50)
    }).pipe(onBus)
  )

  it.effect("never begins where nobody answers: the timeout ends it", () =>
    Effect.gen(function* () {
      const { reader } = yield* called({ idleTimeout: 100, timeout: 700 })
      yield* endsAfter(reader, 700)
    }).pipe(onBus)
  )

  it.effect("does not put the timeout off", () =>
    Effect.gen(function* () {
      const { answer, reader } = yield* called({ idleTimeout: 400, timeout: 500 })
      yield* answer("a", 1)
      yield* TestClock.adjust(300)
      yield* answer("b", 2)
      yield* endsAfter(reader, 200)
      assert.strictEqual(reader.seen.length, 2)
    }).pipe(onBus)
  )

  it.effect("and expect: whichever is first", () =>
    Effect.gen(function* () {
      const { answer, reader } = yield* called({ idleTimeout: 100, expect: 2 })
      yield* answer("a", 1)
      yield* answer("b", 2)
      assert.isFalse(isRunning(reader.fiber))
      const other = yield* called({ idleTimeout: 100, expect: 2 })
      yield* other.answer("a", 1)
      yield* endsAfter(other.reader, 100)
    }).pipe(onBus)
  )

  it.effect("of 0 is what is there with the first answer", () =>
    Effect.gen(function* () {
      const { reader, servers } = yield* called({ idleTimeout: 0 })
      for (const serverId of ["a", "b"]) servers.answer(serverId, { raw: json(1) })
      yield* settle
      assert.strictEqual(reader.seen.length, 2)
      assert.isFalse(isRunning(reader.fiber))
    }).pipe(onBus)
  )
})
