import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Payload, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Duration, Effect, Fiber, Result, Stream } from "effect"
import {
  ask,
  eventually,
  goPeer,
  interop,
  large,
  malformed,
  newServiceName,
  numbers,
  onBus,
  report
} from "./support.ts"
import { answersTo, countOn } from "./wire.ts"

const text = { request: StringValueSchema, response: StringValueSchema }

const newMultiService = () =>
  Service.make(newServiceName(), {
    statsAll: Rpc.multi(text),
    stats: Rpc.multi({ ...text, topic: ["region"] })
  })

/** A handler that says who it is, and what it was asked. */
const named = (name: string) => (request: { readonly value: string }) =>
  Effect.succeed({ value: `${name}:${request.value}` })

const handlersOf = (name: string) => ({ statsAll: named(name), stats: named(name) })

type Answers = ReadonlyArray<Client.Answer<{ readonly value: string }, PsrpcError.PsrpcError>>

const valuesOf = (answers: Answers): ReadonlyArray<string> =>
  answers.map(({ result }) => (Result.isSuccess(result) ? result.success.value : `error:${result.failure.code}`))

/** Three servers of ours, each with a connection of its own. */
const threeOfOurs = Effect.fnUntraced(function* (service: ReturnType<typeof newMultiService>) {
  const topics = { stats: [{ region: "eu" }] }
  for (const name of ["a", "b", "c"]) {
    yield* onBus(Server.make(service, handlersOf(name), { serverId: `SRV_${name}`, topics }))
  }
})

/** Three Go servers, in two processes. */
const threeOfGo = Effect.fnUntraced(function* (service: ReturnType<typeof newMultiService>) {
  const [one, two] = yield* Effect.all([goPeer(service), goPeer(service)])
  const methods = ["StatsAll"] as const
  const servers = yield* Effect.all([one.serve({ methods }), one.serve({ methods }), two.serve({ methods })])
  for (const server of servers) yield* server.register("Stats", "eu")
  return { go: one, servers }
})

interop("three Go servers and three of ours answer", (it) => {
  it.effect("our call: six results, each with its server", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfOurs(service)
      const { servers } = yield* threeOfGo(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const ids = [...servers.map(({ serverId }) => serverId), "SRV_a", "SRV_b", "SRV_c"].toSorted()
      const calls = {
        all: client.statsAll({ value: "x" }, { expect: 6 }),
        topic: client.stats({ value: "x" }, { expect: 6, topic: { region: "eu" } })
      }
      for (const [name, call] of Object.entries(calls)) {
        const answers = yield* Stream.runCollect(call)
        assert.deepStrictEqual(answers.map(({ serverId }) => serverId).toSorted(), ids, name)
        assert.deepStrictEqual(valuesOf(answers).toSorted(), ["a:x", "b:x", "c:x", "go:x", "go:x", "go:x"], name)
      }
    })
  )

  it.effect("a Go call: six results", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfOurs(service)
      const { go } = yield* threeOfGo(service)
      const answers = yield* Effect.all(
        [
          go.command("multi", { method: "StatsAll", request: "x", timeoutMs: 1500 }),
          go.command("multi", { method: "Stats", topic: "eu", request: "x", timeoutMs: 1500 })
        ],
        { concurrency: 2 }
      )
      for (const list of answers) {
        assert.deepStrictEqual(list.map((answer) => ("text" in answer ? answer.text : answer.error.code)).toSorted(), [
          "a:x",
          "b:x",
          "c:x",
          "go:x",
          "go:x",
          "go:x"
        ])
      }
    })
  )

  it.effect("many calls of both clients at once, each with its own six", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfOurs(service)
      const { go } = yield* threeOfGo(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const texts = numbers(50)
      const expected = (n: string) => [`a:${n}`, `b:${n}`, `c:${n}`, `go:${n}`, `go:${n}`, `go:${n}`]
      const [ours, theirs] = yield* Effect.all(
        [
          Effect.forEach(texts, (value) => Stream.runCollect(client.statsAll({ value }, { expect: 6 })), {
            concurrency: "unbounded"
          }),
          Effect.forEach(texts, (request) => go.command("multi", { method: "StatsAll", request, timeoutMs: 2500 }), {
            concurrency: "unbounded"
          })
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(
        ours.map((answers) => valuesOf(answers).toSorted()),
        texts.map(expected)
      )
      assert.deepStrictEqual(
        theirs.map((list) => list.map((answer) => ("text" in answer ? answer.text : answer.error.code)).toSorted()),
        texts.map(expected)
      )
    })
  )
})

interop("our call of a multi method of Go servers", (it) => {
  it.effect("ends at its timeout, as Go's does, or a while after the last answer, where that is enough", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfGo(service)
      const client = yield* onBus(Client.make(service))
      const timed = Effect.fnUntraced(function* (call: ReturnType<typeof client.statsAll>) {
        const [elapsed, answers] = yield* Effect.timed(Stream.runCollect(call))
        assert.strictEqual(answers.length, 3)
        return Duration.toMillis(elapsed)
      })
      assert.isAtLeast(yield* timed(client.statsAll({ value: "x" }, { timeout: "600 millis" })), 599)
      const idle = yield* timed(client.statsAll({ value: "x" }, { timeout: "20 seconds", idleTimeout: "400 millis" }))
      assert.isTrue(399 <= idle && idle < 10_000, `${idle} ms`)
    })
  )

  it.effect("has errors as elements, with code, message and details, beside the answers", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfOurs(service)
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["StatsAll"] })
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const detail = { typeUrl: "type.googleapis.com/acme.never.heard.Of", value: "AP8=" }
      const failing = ask({ do: "fail", code: "not_found", message: "no stats", details: [detail] })
      const answers = yield* Stream.runCollect(client.statsAll(failing, { expect: 4 }))
      const failures = answers.flatMap(({ result }) => (Result.isFailure(result) ? [result.failure] : []))
      assert.strictEqual(failures.length, 1)
      assert.instanceOf(failures[0], PsrpcError.NotFound)
      assert.strictEqual(failures[0].message, "no stats")
      assert.deepStrictEqual(
        failures[0].details.map(({ typeUrl, value }) => ({ typeUrl, value: Buffer.from(value).toString("base64") })),
        [detail]
      )
      const successes = yield* Stream.runCollect(Client.successes(client.statsAll(failing, { expect: 4 })))
      assert.strictEqual(successes.length, 3)
    })
  )

  it.effect("has one error for each answer that does not decode, and for each server that cannot decode it", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfGo(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const raw = ask({ do: "raw", base64: Buffer.from(malformed).toString("base64") })
      assert.deepStrictEqual(valuesOf(yield* Stream.runCollect(client.statsAll(raw, { expect: 3 }))), [
        "error:malformed_result",
        "error:malformed_result",
        "error:malformed_result"
      ])
      const bytes = Service.make(service.serviceName, {
        statsAll: Rpc.multi({ request: Payload.bytes, response: StringValueSchema })
      })
      const other = yield* onBus(Client.make(bytes, { timeout: "20 seconds" }))
      assert.deepStrictEqual(valuesOf(yield* Stream.runCollect(other.statsAll(malformed, { expect: 3 }))), [
        "error:malformed_request",
        "error:malformed_request",
        "error:malformed_request"
      ])
    })
  )

  it.effect("says in the Stream what its buffer had no room for", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfGo(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds", clientId: "CLI_slow" }))
      const reach = yield* countOn(answersTo(service, "CLI_slow"))
      // the first is read, and the reader comes back when all have come: another call's answers come after them
      const back = Effect.andThen(reach(3), Stream.runDrain(client.statsAll({ value: "y" }, { expect: 3 })))
      const answers = yield* client.statsAll({ value: "x" }, { multiBufferSize: 1, expect: 3 }).pipe(
        Stream.mapEffect((answer) => Effect.as(back, answer)),
        Stream.runCollect
      )
      const lost = answers.flatMap(({ result, serverId }) =>
        serverId === "" && Result.isFailure(result) ? [result.failure] : []
      )
      assert.strictEqual(lost.length, 1)
      assert.isTrue(PsrpcError.isOverflow(lost[0]!))
      assert.include(lost[0]!.message, `${4 - answers.length} responses were dropped`)
    })
  )

  it.effect("carries metadata, and payloads of nearly a mebibyte", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      yield* threeOfGo(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds", clientId: "CLI_own" }))
      const seen = yield* Stream.runCollect(
        Client.successes(client.statsAll(ask({ do: "echo" }), { expect: 3, metadata: { tenant: "acme" } }))
      )
      assert.deepStrictEqual(
        seen.map(report).map(({ metadata, remoteId }) => ({ metadata, remoteId })),
        Array.from({ length: 3 }, () => ({ metadata: { tenant: "acme" }, remoteId: "CLI_own" }))
      )
      const answers = yield* Stream.runCollect(Client.successes(client.statsAll({ value: large }, { expect: 3 })))
      assert.deepStrictEqual(
        answers.map(({ value }) => value === `go:${large}`),
        [true, true, true]
      )
    })
  )

  it.effect("that is ended early leaves the Go handlers to themselves, and interrupts ours", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      let interrupted = 0
      const never = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      yield* onBus(Server.make(service, { statsAll: never, stats: never }))
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["StatsAll"] })
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const call = yield* Effect.forkChild(Stream.runDrain(client.statsAll(ask({ do: "sleep", ms: 1000 }))))
      yield* eventually(server.handled, ({ running }) => running["StatsAll"] === 1)
      yield* Fiber.interrupt(call)
      yield* eventually(
        Effect.sync(() => interrupted),
        (count) => count === 1
      )
      const { ended } = yield* eventually(server.handled, ({ running }) => running["StatsAll"] === 0)
      assert.strictEqual(ended["StatsAll"], 0)
    })
  )

  it.effect("reaches the topic's servers alone, those that have it at the time", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      const go = yield* goPeer(service)
      const [eu, us] = yield* Effect.all([go.serve({ methods: [] }), go.serve({ methods: [] })])
      yield* Effect.all([eu.register("Stats", "eu"), us.register("Stats", "us")])
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const first = (region: string) =>
        Effect.map(Stream.runCollect(client.stats({ value: "x" }, { expect: 1, topic: { region } })), (answers) =>
          answers.map(({ serverId }) => serverId)
        )
      assert.deepStrictEqual([yield* first("eu"), yield* first("us")], [[eu.serverId], [us.serverId]])
      // a call that runs while its topic is deregistered is still answered
      const running = yield* Effect.forkChild(
        Stream.runCollect(
          client.stats(ask({ do: "sleep", ms: 700, text: "x" }), { expect: 1, topic: { region: "us" } })
        )
      )
      yield* eventually(us.handled, ({ running }) => running["Stats"] === 1)
      yield* us.deregister("Stats", "us")
      yield* us.register("Stats", "eu")
      const both = yield* Stream.runCollect(client.stats({ value: "x" }, { expect: 2, topic: { region: "eu" } }))
      assert.deepStrictEqual(both.map(({ serverId }) => serverId).toSorted(), [eu.serverId, us.serverId].toSorted())
      assert.strictEqual((yield* Fiber.join(running)).length, 1)
      const nobody = yield* Effect.flip(
        Stream.runDrain(client.stats({ value: "x" }, { topic: { region: "us" } }))
      ).pipe(Effect.timeout("5 seconds"))
      assert.instanceOf(nobody, PsrpcError.Unavailable)
      assert.isTrue(PsrpcError.isNoServer(nobody))
    })
  )
})

interop("a Go call of a multi method of our servers", (it) => {
  it.effect("has errors as elements, with code, message and details, beside the answers", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      const details = [{ typeUrl: "type.googleapis.com/acme.never.heard.Of", value: new Uint8Array([0, 255]) }]
      yield* onBus(Server.make(service, handlersOf("a")))
      const fails = () => Effect.fail(new PsrpcError.NotFound({ message: "no stats", details }))
      yield* onBus(Server.make(service, { statsAll: fails, stats: fails }))
      const go = yield* goPeer(service)
      const answers = yield* go.command("multi", { method: "StatsAll", request: "x", timeoutMs: 1000 })
      assert.strictEqual(answers.length, 2)
      assert.deepStrictEqual(
        answers.flatMap((answer) => ("text" in answer ? [answer.text] : [])),
        ["a:x"]
      )
      assert.deepStrictEqual(
        answers.flatMap((answer) => ("error" in answer ? [answer.error] : [])),
        [{ code: "not_found", message: "no stats", details: [{ typeUrl: details[0]!.typeUrl, value: "AP8=" }] }]
      )
    })
  )

  it.effect("hears of those that have the topic at the time, and gets an answer that was under way", () =>
    Effect.gen(function* () {
      const service = newMultiService()
      let started = false
      let release = false
      const waiting = (request: { readonly value: string }) =>
        Effect.suspend(() => {
          started = true
          return eventually(
            Effect.sync(() => release || request.value !== "wait"),
            (is) => is
          )
        }).pipe(Effect.andThen(Effect.succeed({ value: request.value })))
      const server = yield* onBus(
        Server.make(service, { statsAll: waiting, stats: waiting }, { topics: { stats: [{ region: "eu" }] } })
      )
      const go = yield* goPeer(service)
      const call = (request: string, timeoutMs: number) =>
        go.command("multi", { method: "Stats", topic: "eu", request, timeoutMs })
      const underWay = yield* Effect.forkChild(call("wait", 1500))
      yield* eventually(
        Effect.sync(() => started),
        (is) => is
      )
      yield* server.deregister("stats", { region: "eu" })
      assert.deepStrictEqual(yield* call("x", 300), [])
      release = true
      assert.deepStrictEqual(
        (yield* Fiber.join(underWay)).map((answer) => ("text" in answer ? answer.text : answer.error.code)),
        ["wait"]
      )
    })
  )
})
