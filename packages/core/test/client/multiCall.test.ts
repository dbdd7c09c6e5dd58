import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { brief, read } from "../helpers/readers.ts"
import {
  dropped,
  exitOf,
  fakeClient,
  fakeServers,
  isRunning,
  json,
  onBus,
  settle,
  start,
  Traffic
} from "../helpers/harness.ts"

class TooBusy extends Schema.TaggedError<TooBusy>()("TooBusy", { load: Schema.Finite }) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

class Farm extends Service.make("Farm", {
  load: Rpc.multi({ request: Schema.String, response: Schema.String, error: Schema.Union([TooBusy, Broken]) }),
  ping: Rpc.multi(),
  inRegion: Rpc.multi({ response: Schema.String, topic: { region: Schema.String, shard: Schema.FiniteFromString } })
}) {}

const handlers = Farm.of({
  load: (request) => Effect.succeed(request),
  ping: () => Effect.void,
  inRegion: (_, call) => Effect.succeed(call.topic.region)
})

describe("a call that every server answers", () => {
  it.effect("is cold: nothing is sent before it is run, and each run is a request of its own", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm, { clientId: "CLI_1" })
      const servers = yield* fakeServers("Farm", "Load")
      const traffic = yield* Traffic
      const load = client.load("now", { timeout: 500 })
      yield* settle
      assert.strictEqual(traffic.length, 0)

      const first = yield* read(load)
      yield* settle
      servers.answer("a", { raw: json("first") })
      yield* TestClock.adjust(100)
      const second = yield* read(load)
      yield* settle
      servers.answer("a", { raw: json("second") })
      yield* settle
      assert.deepStrictEqual(first.seen.map(brief), [["a", "first"]])
      assert.deepStrictEqual(second.seen.map(brief), [["a", "second"]])
      assert.strictEqual(new Set(servers.requests.map(({ id }) => id)).size, 2)
      assert.deepStrictEqual(
        servers.requests.map(({ clientId, expiry, multi, sentAt }) => ({ clientId, expiry, multi, sentAt })),
        [
          { clientId: "CLI_1", expiry: 500, multi: true, sentAt: 0 },
          { clientId: "CLI_1", expiry: 600, multi: true, sentAt: 100 }
        ]
      )
    }).pipe(onBus)
  )

  it.effect("gives each answer when it comes", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      for (const [serverId, millis] of Object.entries({ slow: 300, quick: 10, fair: 100 })) {
        const load = (request: string) => Effect.delay(Effect.succeed(`${request} by ${serverId}`), millis)
        yield* Server.make(Farm, { ...handlers, load }, { serverId })
      }
      const { fiber, seen } = yield* read(client.load("done"))
      for (const [millis, count] of [
        [9, 0],
        [1, 1],
        [89, 1],
        [1, 2],
        [199, 2],
        [1, 3]
      ] as const) {
        yield* TestClock.adjust(millis)
        yield* settle
        assert.strictEqual(seen.length, count)
      }
      assert.deepStrictEqual(seen.map(brief), [
        ["quick", "done by quick"],
        ["fair", "done by fair"],
        ["slow", "done by slow"]
      ])
      assert.isTrue(isRunning(fiber))
    }).pipe(onBus)
  )

  it.effect("gives what a server fails with as an element, the method's own errors with their types", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const failures: Record<string, Effect.Effect<string, TooBusy | Broken | PsrpcError.PsrpcError>> = {
        busy: Effect.fail(new TooBusy({ load: 0.9 })),
        broken: Effect.fail(new Broken()),
        gone: Effect.fail(new PsrpcError.NotFound({ message: "no such host" })),
        buggy: Effect.die("a secret"),
        fine: Effect.succeed("fine")
      }
      for (const serverId of Object.keys(failures)) {
        yield* Server.make(Farm, { ...handlers, load: () => failures[serverId]! }, { serverId })
      }
      const { fiber, seen } = yield* read(client.load("now"))
      yield* TestClock.adjust(3000)
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
      assert.deepStrictEqual(
        new Map(seen.map(brief)),
        new Map([
          ["busy", "TooBusy"],
          ["broken", "Broken"],
          ["gone", "NotFound"],
          ["buggy", "Internal"],
          ["fine", "fine"]
        ])
      )
      const errors = seen.flatMap(({ result }) => (result._tag === "Failure" ? [result.failure] : []))
      assert.deepStrictEqual(
        errors.flatMap((error) => (error._tag === "TooBusy" ? [error.load] : [])),
        [0.9]
      )
      for (const error of errors) {
        assert.notInclude(String(error), "secret")
        if (PsrpcError.is(error)) assert.isTrue(error.mayHaveRun)
        else assert.isTrue(error instanceof TooBusy || error instanceof Broken)
      }
    }).pipe(onBus)
  )

  it.effect("an answer that cannot be decoded is that server's error, and the others' are not touched", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const servers = yield* fakeServers("Farm", "Load")
      const { fiber, seen } = yield* read(client.load("now", { expect: 3 }))
      yield* settle
      servers.answer("a", { raw: json("fine") })
      servers.answer("b", { raw: json(5) })
      servers.answer("c", { raw: json("fine, too") })
      yield* settle
      assert.deepStrictEqual(seen.map(brief), [
        ["a", "fine"],
        ["b", "MalformedResult"],
        ["c", "fine, too"]
      ])
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
    }).pipe(onBus)
  )

  it.effect("a server that answers twice is heard once, and what it repeats is counted", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const servers = yield* fakeServers("Farm", "Load")
      const { fiber, seen } = yield* read(client.load("now", { expect: 2 }))
      yield* settle
      servers.answer("a", { raw: json("first") })
      servers.answer("a", { raw: json("again") })
      servers.answer("a", { error: "and failed", code: "internal" })
      yield* settle
      assert.deepStrictEqual(seen.map(brief), [["a", "first"]])
      assert.isTrue(isRunning(fiber))
      assert.strictEqual(yield* dropped("repeated", "client"), 2)
      servers.answer("b", { raw: json("second") })
      yield* settle
      assert.isFalse(isRunning(fiber))
    }).pipe(onBus)
  )

  it.effect("goes to the servers of its topic", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      for (const [serverId, topics] of Object.entries({
        both: [
          { region: "eu", shard: 1 },
          { region: "us", shard: 2 }
        ],
        eu: [{ region: "eu", shard: 1 }],
        other: [{ region: "eu", shard: 2 }]
      })) {
        yield* Server.make(Farm, handlers, { serverId, topics: { inRegion: topics } })
      }
      const answers = (region: string, shard: number) =>
        Effect.gen(function* () {
          const { fiber, seen } = yield* read(client.inRegion({ topic: { region, shard }, timeout: 100 }))
          yield* TestClock.adjust(100)
          assert.isTrue(Exit.isSuccess(exitOf(fiber)))
          return seen.map(brief).sort()
        })
      assert.deepStrictEqual(yield* answers("eu", 1), [
        ["both", "eu"],
        ["eu", "eu"]
      ])
      assert.deepStrictEqual(yield* answers("us", 2), [["both", "us"]])
      assert.deepStrictEqual(yield* answers("eu", 2), [["other", "eu"]])
      const error = yield* Effect.flip(Stream.runDrain(client.inRegion({ topic: { region: "us", shard: 1 } })))
      assert.strictEqual(error.reason, "no_listeners")
    }).pipe(onBus)
  )

  it.effect("fails at once where nobody listens", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const error = yield* Effect.flip(Stream.runDrain(client.load("now")))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.reason, "no_listeners")
      assert.match(error.message, /^no response from servers/)
      assert.isFalse(error.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("takes nothing and gives nothing where the method says so", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      yield* Server.make(Farm, handlers, { serverId: "a", topics: { inRegion: [] } })
      yield* Server.make(Farm, handlers, { serverId: "b", topics: { inRegion: [] } })
      const answers = yield* Stream.runCollect(client.ping({ expect: 2 }))
      assert.deepStrictEqual(answers.map(brief), [
        ["a", undefined],
        ["b", undefined]
      ])
      const { fiber, seen } = yield* read(client.ping())
      yield* TestClock.adjust(3000)
      assert.strictEqual(seen.length, 2)
      assert.isFalse(isRunning(fiber))
    }).pipe(onBus)
  )

  it.effect("what cannot be sent is refused before anything is", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      yield* Server.make(Farm, handlers, { topics: { inRegion: [{ region: "eu", shard: 1 }] } })
      const traffic = yield* Traffic
      const refused = <A>(answers: Stream.Stream<A, PsrpcError.PsrpcError>) => Effect.flip(Stream.runDrain(answers))
      const unencodable = yield* refused(client.load(5 as never))
      assert.strictEqual(unencodable._tag, "MalformedRequest")
      assert.strictEqual(unencodable.reason, "not_sent")
      assert.isFalse(unencodable.mayHaveRun)
      for (const [error, text] of [
        [yield* refused(client.inRegion({ topic: { region: "eu" } } as never)), "shard"],
        [yield* refused(client.inRegion(undefined as never)), "region"],
        [yield* refused(client.load("now", { expect: 0 })), "expect"],
        [yield* refused(client.load("now", { expect: 1.5 })), "expect"],
        [yield* refused(client.load("now", { expect: -1 })), "expect"],
        [yield* refused(client.load("now", { expect: NaN })), "expect"],
        [yield* refused(client.load("now", { idleTimeout: -1 })), "idle"],
        [yield* refused(client.load("now", { idleTimeout: NaN })), "idle"],
        [yield* refused(client.load("now", { idleTimeout: "soon" as never })), "idle"],
        [yield* refused(client.load("now", { multiBufferSize: 0 })), "multiBufferSize"],
        [yield* refused(client.load("now", { timeout: -1 })), "timeout"],
        [yield* refused(client.load("now", { metadata: { key: 5 as never } })), "key"]
      ] as const) {
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, text)
        assert.match(error.message, /^Farm\./)
        assert.isFalse(error.mayHaveRun)
      }
      assert.strictEqual(traffic.length, 0)
    }).pipe(onBus)
  )

  it.effect("brings metadata along: the call's over the fiber's over the client's", () =>
    Effect.gen(function* () {
      const seen: Array<Metadata.Metadata> = []
      const load = (request: string, call: Server.Call<unknown>) =>
        Effect.sync(() => void seen.push({ ...call.header.metadata })).pipe(Effect.as(request))
      yield* Server.make(Farm, { ...handlers, load })
      const client = yield* Client.make(Farm, { metadata: { client: "c", fiber: "c", call: "c" } })
      const once = Stream.runDrain(client.load("now", { metadata: { call: "m" }, expect: 1 }))
      yield* once.pipe(Metadata.with({ fiber: "f", call: "f" }))
      yield* once
      assert.deepStrictEqual(seen, [
        { client: "c", fiber: "f", call: "m" },
        { client: "c", fiber: "c", call: "m" }
      ])
    }).pipe(onBus)
  )
})

describe("Client.successes", () => {
  it.effect("keeps the answers of those that succeeded, and what the Stream itself fails with", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const nobody = yield* Effect.flip(Stream.runCollect(Client.successes(client.load("now"))))
      assert.strictEqual(nobody.reason, "no_listeners")
      const servers = yield* fakeServers("Farm", "Load")
      const { fiber, seen } = yield* read(client.load("now", { expect: 4 }).pipe(Client.successes))
      yield* settle
      servers.answer("a", { raw: json("one") })
      servers.answer("b", { error: "no", code: "internal" })
      servers.answer("c", { raw: json("two") })
      yield* settle
      assert.deepStrictEqual(seen, ["one", "two"])
      servers.answer("d", { error: "no", code: "internal" })
      yield* settle
      assert.deepStrictEqual(seen, ["one", "two"])
      assert.isTrue(Exit.isSuccess(exitOf(fiber)))
      const results = Stream.make<ReadonlyArray<Client.Answer<number, string>>>(
        { serverId: "a", result: Result.fail("e") },
        { serverId: "b", result: Result.succeed(1) }
      )
      assert.deepStrictEqual(yield* Stream.runCollect(Client.successes(results)), [1])
    }).pipe(onBus)
  )
})

describe("a server of such a method", () => {
  it.effect("hears that a call is withdrawn, though nobody claims, and says nothing more", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      const load = (request: string) =>
        Effect.onExit(Effect.never, (exit) =>
          Effect.sync(() => ends.push(`${request} ${Exit.hasInterrupts(exit) ? "interrupted" : "ended"}`))
        )
      const server = yield* Server.make(Farm, { ...handlers, load })
      const client = yield* fakeClient("Farm")
      client.request("Load", { id: "r1", expiry: 1e6, multi: true, raw: json("one") }, { queue: false })
      client.request("Load", { id: "r2", expiry: 1e6, multi: true, raw: json("two") }, { queue: false })
      yield* settle
      client.choose("Load", "r1", "")
      yield* settle
      assert.deepStrictEqual(ends, ["one interrupted"])
      assert.deepStrictEqual(client.responses, [])
      client.choose("Load", "r2", "")
      const draining = yield* start(server.drain)
      yield* settle
      assert.deepStrictEqual(ends, ["one interrupted", "two interrupted"])
      assert.isFalse(isRunning(draining))
      assert.deepStrictEqual(client.claims, [])
    }).pipe(onBus)
  )
})
