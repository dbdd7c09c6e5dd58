import { create, toBinary } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Idempotency from "../../src/Idempotency.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { RequestSchema } from "../gen/internal_pb.ts"
import { fakeClient, isRunning, Logs, onBus, settle, start } from "../helpers/harness.ts"
import { SoldOut } from "./countingServer.ts"
import { key, numbered, Orders, serve } from "./idempotentOrders.ts"

describe("a window", () => {
  it.effect("answers a key that it knows with the first answer, whoever asks", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()])
      const [one, other] = [yield* Client.make(Orders), yield* Client.make(Orders)]
      assert.strictEqual(yield* one.place("tea", key("a")), "tea 1")
      assert.strictEqual(yield* one.place("tea", key("a")), "tea 1")
      assert.strictEqual(yield* other.place("tea", key("a")), "tea 1")
      assert.strictEqual(yield* one.place("tea", key("b")), "tea 2")
      assert.strictEqual(runs.length, 2)
    }).pipe(onBus)
  )

  it.effect("is not concerned with calls without a key, or with an empty one", () =>
    Effect.gen(function* () {
      yield* serve([Idempotency.interceptor()])
      const client = yield* Client.make(Orders)
      assert.strictEqual(yield* client.place("tea"), "tea 1")
      assert.strictEqual(yield* client.place("tea"), "tea 2")
      assert.strictEqual(yield* client.place("tea", key("")), "tea 3")
      assert.strictEqual(yield* client.place("coffee", key("")), "coffee 4")
    }).pipe(onBus)
  )

  it.effect("has calls with a key wait for the first, and answers them all", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()], (n, request) =>
        Effect.delay(numbered(n, request), 500)
      )
      const client = yield* Client.make(Orders)
      const calls = yield* Effect.forEach(Array(5).fill("tea"), (tea) => start(client.place(tea, key("a"))))
      yield* TestClock.adjust(499)
      assert.isTrue(calls.every(isRunning))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Effect.forEach(calls, Fiber.join), Array(5).fill("tea 1"))
      assert.strictEqual(runs.length, 1)
    }).pipe(onBus)
  )

  it.effect("refuses a key that comes with another request, also while the first one runs", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()], (n, request) =>
        Effect.delay(numbered(n, request), 500)
      )
      const client = yield* Client.make(Orders)
      const first = yield* start(client.place("tea", key("a")))
      yield* settle
      const meanwhile = yield* Effect.flip(client.place("coffee", key("a")))
      yield* TestClock.adjust(500)
      assert.strictEqual(yield* Fiber.join(first), "tea 1")
      const later = yield* Effect.flip(client.place("coffee", key("a")))
      for (const error of [meanwhile, later]) {
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.strictEqual(
          error.message,
          "the idempotency key has been used for another request (Orders.Place): a new request needs a new key"
        )
      }
      assert.strictEqual(runs.length, 1)
    }).pipe(onBus)
  )

  it.effect("refuses a key that is too long to keep", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()])
      const client = yield* Client.make(Orders)
      assert.strictEqual(yield* client.place("tea", key("k".repeat(255))), "tea 1")
      const error = yield* Effect.flip(client.place("tea", key("k".repeat(256))))
      assert.strictEqual(error.message, "the idempotency key has more than 255 characters (Orders.Place)")
      assert.strictEqual(runs.length, 1)
    }).pipe(onBus)
  )

  it.effect("keeps methods and topics apart", () =>
    Effect.gen(function* () {
      yield* serve([Idempotency.interceptor()], numbered, { topics: { inShop: [{ shop: "x" }, { shop: "y" }] } })
      const client = yield* Client.make(Orders)
      assert.strictEqual(yield* client.place("tea", key("a")), "tea 1")
      assert.strictEqual(yield* client.cancel("tea", key("a")), "tea 2")
      assert.strictEqual(yield* client.inShop("tea", { topic: { shop: "x" }, ...key("a") }), "tea 3")
      assert.strictEqual(yield* client.inShop("tea", { topic: { shop: "y" }, ...key("a") }), "tea 4")
      assert.strictEqual(yield* client.inShop("tea", { topic: { shop: "x" }, ...key("a") }), "tea 3")
    }).pipe(onBus)
  )

  it.effect("keeps scopes apart", () =>
    Effect.gen(function* () {
      yield* serve([Idempotency.interceptor({ scope: (call) => call.header.metadata["tenant"] ?? "" })])
      const client = yield* Client.make(Orders)
      const by = (tenant: string) => client.place("tea", { metadata: { ...key("a").metadata, tenant } })
      assert.strictEqual(yield* by("x"), "tea 1")
      assert.strictEqual(yield* by("y"), "tea 2")
      assert.strictEqual(yield* by("x"), "tea 1")
    }).pipe(onBus)
  )

  it.effect("is shared by servers that are given the same one", () =>
    Effect.gen(function* () {
      const window = Idempotency.interceptor()
      const one = yield* serve([window])
      const two = yield* serve([window])
      const client = yield* Client.make(Orders)
      for (let i = 0; i < 10; i++) assert.strictEqual(yield* client.place("tea", key("a")), "tea 1")
      assert.strictEqual(one.runs.length + two.runs.length, 1)
    }).pipe(onBus)
  )

  it.effect("has an answer of each server to a call that all of them answer, also where they share it", () =>
    Effect.gen(function* () {
      const window = Idempotency.interceptor()
      yield* serve([window], (n) => Effect.succeed(`one ${n}`))
      yield* serve([window], (n) => Effect.succeed(`two ${n}`))
      yield* serve([Idempotency.interceptor()], (n) => Effect.succeed(`three ${n}`))
      const client = yield* Client.make(Orders)
      for (let i = 0; i < 2; i++) {
        const answers = yield* client.count("tea", { expect: 3, ...key("a") }).pipe(Client.successes, Stream.runCollect)
        assert.sameMembers(answers.slice(), ["one 1", "two 1", "three 1"])
      }
    }).pipe(onBus)
  )

  it.effect("gives a method's own error again, with all that is in it", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()], (n) => Effect.fail(new SoldOut({ since: n })))
      const client = yield* Client.make(Orders)
      for (let i = 0; i < 2; i++) {
        const error = yield* Effect.flip(client.place("tea", key("a")))
        assert.isTrue(error instanceof SoldOut && error.since === 1)
      }
      assert.strictEqual(runs.length, 1)
    }).pipe(onBus)
  )

  it.effect("gives failures that last again, with their details, and runs again after those that pass", () =>
    Effect.gen(function* () {
      const passing = new Set(["aborted", "canceled", "deadline_exceeded", "resource_exhausted", "unavailable"])
      const details = [{ typeUrl: "type.googleapis.com/x.Y", value: new Uint8Array([8, 1]) }]
      let code: PsrpcError.Code = "unknown"
      const { runs } = yield* serve([Idempotency.interceptor()], (n) =>
        Effect.fail(PsrpcError.fromCode(code, { message: `no ${n}`, details: details as never }))
      )
      const client = yield* Client.make(Orders)
      for (code of PsrpcError.codes) {
        runs.length = 0
        const first = (yield* Effect.flip(client.place("tea", key(code)))) as PsrpcError.PsrpcError
        const second = (yield* Effect.flip(client.place("tea", key(code)))) as PsrpcError.PsrpcError
        assert.strictEqual(second.message, passing.has(code) ? "no 2" : "no 1", code)
        assert.strictEqual(second.code, first.code)
        assert.deepStrictEqual(second.details, first.details)
        assert.strictEqual(second.details.length, 1)
      }
    }).pipe(onBus)
  )

  it.effect("keeps the failures that cacheWhen selects", () =>
    Effect.gen(function* () {
      const cacheWhen = (error: Interceptor.Failure) => PsrpcError.is(error) && error.code === "unavailable"
      const { runs } = yield* serve([Idempotency.interceptor({ cacheWhen })], (n, request) =>
        Effect.fail(PsrpcError.fromCode(request as PsrpcError.Code, { message: `no ${n}` }))
      )
      const client = yield* Client.make(Orders)
      for (const code of ["unavailable", "unavailable", "not_found", "not_found"]) {
        const error = yield* Effect.flip(client.place(code, key(code)))
        assert.isTrue(PsrpcError.is(error) && error.code === code)
      }
      assert.deepStrictEqual(runs, ["unavailable", "not_found", "not_found"])
    }).pipe(onBus)
  )

  it.effect("runs again after a defect, which the log has; those who waited run it, one after the other", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()], (n, request) =>
        Effect.andThen(Effect.sleep(100), n < 3 ? Effect.die(new Error("oh")) : numbered(n, request))
      )
      const client = yield* Client.make(Orders)
      const calls = yield* Effect.forEach(Array(4).fill("tea"), (tea) =>
        start(Effect.result(client.place(tea, key("a"))))
      )
      yield* TestClock.adjust(300)
      const results = yield* Effect.forEach(calls, Fiber.join)
      assert.deepStrictEqual(
        results.map((result) => (result._tag === "Success" ? result.success : result.failure.message)).sort(),
        ["internal error", "internal error", "tea 3", "tea 3"]
      )
      assert.strictEqual(runs.length, 3)
      const lines = (yield* Logs).filter(({ text }) => text === "psrpc: the handler of Orders.Place died")
      assert.strictEqual(lines.length, 2)
    }).pipe(onBus)
  )

  it.effect("gives an answer as it was, whatever the handler makes of it later", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()])
      const client = yield* Client.make(Orders)
      assert.strictEqual((yield* client.raw({ requestId: "x" }, key("a"))).requestId, "1")
      assert.strictEqual((yield* client.raw({ requestId: "x" }, key("b"))).requestId, "2")
      assert.strictEqual((yield* client.raw({ requestId: "x" }, key("a"))).requestId, "1")
      assert.strictEqual(runs.length, 2)
    }).pipe(onBus)
  )

  it.effect("takes a request for the same whatever the order of its maps, and for another by one byte", () =>
    Effect.gen(function* () {
      const { runs } = yield* serve([Idempotency.interceptor()])
      const client = yield* fakeClient("Orders")
      const send = (id: string, metadata: Record<string, string>, raw = 1) => {
        const body = create(RequestSchema, { metadata, rawRequest: new Uint8Array([raw]), sentAt: 5n })
        client.request("Raw", { id, expiry: 1000, raw: toBinary(RequestSchema, body), metadata: key("a").metadata })
        return Effect.gen(function* () {
          yield* settle
          const claim = client.claims.at(-1)!
          client.choose("Raw", id, claim.serverId)
          yield* settle
          const answer = client.responses.at(-1)!
          assert.strictEqual(answer.id, id)
          return answer.error
        })
      }
      assert.strictEqual(yield* send("r1", { one: "1", two: "2" }), "")
      assert.strictEqual(yield* send("r2", { two: "2", one: "1" }), "")
      assert.match(yield* send("r3", { one: "1", two: "3" }), /used for another request/)
      assert.match(yield* send("r4", { one: "1", two: "2" }, 2), /used for another request/)
      assert.strictEqual(runs.length, 1)
    }).pipe(onBus)
  )

  it.effect("has interceptors outside of it run for each call, and those inside once", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const noting = (where: string) =>
        Interceptor.server((_, next) => Effect.tap(next(), () => Effect.sync(() => seen.push(where))))
      yield* serve([noting("outside"), Idempotency.interceptor(), noting("inside")])
      const client = yield* Client.make(Orders)
      yield* client.place("tea", key("a"))
      yield* client.place("tea", key("a"))
      assert.deepStrictEqual(seen, ["inside", "outside", "outside"])
    }).pipe(onBus)
  )

  it("refuses options that cannot be", () => {
    for (const options of [{ size: 0 }, { size: 1.5 }, { timeToLive: -1 }, { timeToLive: "soon" as never }]) {
      assert.throws(() => Idempotency.interceptor(options), TypeError, undefined, JSON.stringify(options))
    }
  })
})
