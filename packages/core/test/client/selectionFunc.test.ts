import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { termsOf } from "../../src/internal/calls/selection.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, fakeServers, isRunning, json, onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  render: Rpc.unary({ response: Schema.String, routing: "affinity" })
}) {}

/** A selectionFunc that writes down what it was given. */
const asked = (answer: (claims: ReadonlyArray<Selection.Claim>) => ReturnType<Selection.SelectionFunc>) => {
  const given: Array<ReadonlyArray<Selection.Claim>> = []
  const selectionFunc: Selection.SelectionFunc = (claims) => {
    given.push(claims)
    return answer(claims)
  }
  return { given, selectionFunc }
}

const last = (claims: ReadonlyArray<Selection.Claim>): string => claims.at(-1)?.serverId ?? "nobody"

describe("selectionFunc", () => {
  for (const [form, answer] of [
    ["as a text", last],
    ["as an Effect", (claims: ReadonlyArray<Selection.Claim>) => Effect.succeed(last(claims))]
  ] as const) {
    it.effect(`chooses among the claims that count, ${form}`, () =>
      Effect.gen(function* () {
        const client = yield* Client.make(Jobs)
        const servers = yield* fakeServers("Jobs", "Render")
        const { given, selectionFunc } = asked(answer)
        const selection = Selection.make({ minimumAffinity: 0.5, affinityTimeout: 100, selectionFunc })
        const call = yield* start(client.render({ selection }))
        yield* settle
        servers.claim("a", 0.75)
        servers.claim("b", 0.25)
        servers.claim("c", 0.5)
        yield* TestClock.adjust(99)
        assert.deepStrictEqual(given, [])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(
          given.map((claims) => claims.map(({ serverId }) => serverId)),
          [["a", "c"]]
        )
        assert.deepStrictEqual(
          given[0]!.map(({ affinity }) => affinity),
          [0.75, 0.5]
        )
        assert.strictEqual(servers.chosen[0]?.serverId, "c")
        servers.answer("c", { raw: json("done") })
        assert.strictEqual(yield* Fiber.join(call), "done")
      }).pipe(onBus)
    )
  }

  it.effect("may choose a claim of 0, which never wins by affinity", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const selection = Selection.make({ shortCircuitTimeout: 10, selectionFunc: last })
      const call = yield* start(client.render({ selection }))
      yield* settle
      servers.claim("a", 0)
      yield* TestClock.adjust(10)
      assert.strictEqual(servers.chosen[0]?.serverId, "a")
      yield* Fiber.interrupt(call)
    }).pipe(onBus)
  )

  it.effect("is not called when a claim was taken at once", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const { given, selectionFunc } = asked(last)
      for (const options of [{ acceptFirstAvailable: true }, { maximumAffinity: 0.9 }]) {
        yield* settle
        servers.chosen.length = 0
        const call = yield* start(client.render({ selection: Selection.make({ ...options, selectionFunc }) }))
        yield* settle
        servers.claim("a", 0.9)
        yield* settle
        assert.strictEqual(servers.chosen[0]?.serverId, "a")
        yield* TestClock.adjust(2000)
        yield* Fiber.interrupt(call)
      }
      assert.deepStrictEqual(given, [])
    }).pipe(onBus)
  )

  for (const acceptFirstAvailable of [false, true]) {
    const name = acceptFirstAvailable ? ", also where the first would do" : ""
    it.effect(`is called with an empty list when no claim counts, and its error is the call's${name}`, () =>
      Effect.gen(function* () {
        const client = yield* Client.make(Jobs)
        const servers = yield* fakeServers("Jobs", "Render")
        const { given, selectionFunc } = asked(() => new PsrpcError.ResourceExhausted({ message: "all are busy" }))
        const selection = Selection.make({ minimumAffinity: 0.5, acceptFirstAvailable, selectionFunc })
        const call = yield* start(client.render({ selection }))
        yield* settle
        servers.claim("a", 0.1)
        yield* TestClock.adjust(999)
        assert.isTrue(isRunning(call))
        yield* TestClock.adjust(1)
        assert.strictEqual(errorOf(call)._tag, "ResourceExhausted")
        assert.strictEqual(errorOf(call).message, "all are busy")
        assert.deepStrictEqual(given, [[]])
        // who offered itself is let go
        assert.deepStrictEqual(
          servers.chosen.map(({ serverId }) => serverId),
          [""]
        )
      }).pipe(onBus)
    )
  }

  for (const [form, answer] of [
    ["as a text", () => "SRV_nobody"],
    ["as an Effect", () => Effect.succeed("SRV_nobody")]
  ] as const) {
    it.effect(`an id that no claim has is an invalid argument, ${form}`, () =>
      Effect.gen(function* () {
        const client = yield* Client.make(Jobs)
        const servers = yield* fakeServers("Jobs", "Render")
        const call = yield* start(client.render({ selection: Selection.make({ selectionFunc: answer }) }))
        yield* settle
        servers.claim("a", 0.4)
        yield* TestClock.adjust(1000)
        const error = errorOf(call)
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, `"SRV_nobody"`)
        assert.isFalse(error.mayHaveRun)
        assert.deepStrictEqual(
          servers.chosen.map(({ serverId }) => serverId),
          [""]
        )
      }).pipe(onBus)
    )
  }

  it.effect("may not choose a claim that does not count", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const selection = Selection.make({ minimumAffinity: 0.5, selectionFunc: () => "a" })
      const call = yield* start(client.render({ selection }))
      yield* settle
      servers.claim("a", 0.4)
      yield* TestClock.adjust(1000)
      assert.strictEqual(errorOf(call)._tag, "InvalidArgument")
    }).pipe(onBus)
  )

  it.effect("that takes longer than the call: the call ends at its deadline", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const selection = Selection.make({
        affinityTimeout: 100,
        selectionFunc: (claims) => Effect.delay(Effect.succeed(last(claims)), 1000)
      })
      const call = yield* start(client.render({ selection, timeout: 500 }))
      yield* settle
      servers.claim("a", 0.4)
      yield* TestClock.adjust(499)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      assert.isFalse(errorOf(call).mayHaveRun)
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        [""]
      )
    }).pipe(onBus)
  )

  it.effect("that throws is a defect of the call, which leaves no server waiting", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const selectionFunc = () => {
        throw new Error("a bug")
      }
      const call = yield* start(Effect.exit(client.render({ selection: Selection.make({ selectionFunc }) })))
      yield* settle
      servers.claim("a", 0.4)
      yield* TestClock.adjust(1000)
      const exit = yield* Fiber.join(call)
      assert.isTrue(exit._tag === "Failure" && exit.cause.reasons.some((reason) => reason._tag === "Die"))
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        [""]
      )
    }).pipe(onBus)
  )
})

describe("a call whose deadline comes before the selection's", () => {
  it.effect("with a claim it still ends: 150 ms are less than the 200 of an affinity method", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const call = yield* start(client.render({ timeout: 150 }))
      yield* settle
      servers.claim("a", 0.5)
      yield* TestClock.adjust(149)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      yield* settle
      assert.isFalse(isRunning(call))
      assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
    }).pipe(onBus)
  )
})

describe("the options of a selection", () => {
  it("have the defaults of Go, per kind of method", () => {
    const rest = { minimumAffinity: 0, maximumAffinity: 0, selectionFunc: undefined, affinityTimeout: 1000 }
    const compared = { ...rest, acceptFirstAvailable: false, acceptsAny: false }
    const terms = (selection: Selection.Selection) => ({ ...termsOf(selection) }) as object
    assert.deepStrictEqual(terms(Selection.first), {
      ...rest,
      acceptFirstAvailable: true,
      acceptsAny: true,
      shortCircuitTimeout: Infinity
    })
    assert.deepStrictEqual(terms(Selection.affinity), { ...compared, shortCircuitTimeout: 200 })
    assert.deepStrictEqual(terms(Selection.make()), { ...compared, shortCircuitTimeout: Infinity })
    assert.strictEqual(Duration.toMillis(Selection.defaultAffinityTimeout), 1000)
    assert.strictEqual(Duration.toMillis(Selection.defaultShortCircuitTimeout), 200)
  })

  it("best has them by the same names", () => {
    assert.deepStrictEqual(Selection.best(), Selection.affinity)
    assert.deepStrictEqual(Selection.best({ affinityTimeout: "1 second" }), Selection.make())
    // where nobody is good enough, the best of those who came is taken as soon as without the wish
    assert.strictEqual(termsOf(Selection.best({ maximumAffinity: 0.8 })).shortCircuitTimeout, 200)
    assert.deepStrictEqual(
      Selection.best({
        affinityTimeout: "2 seconds",
        minimumAffinity: 0.5,
        maximumAffinity: 0.75,
        shortCircuitTimeout: "10 millis"
      }),
      Selection.make({
        affinityTimeout: 2000,
        minimumAffinity: 0.5,
        maximumAffinity: 0.75,
        shortCircuitTimeout: 10
      })
    )
  })

  it("a short circuit of 0 waits for no better claim, one of Infinity for the affinity timeout", () => {
    assert.strictEqual(termsOf(Selection.make({ shortCircuitTimeout: 0 })).shortCircuitTimeout, 0)
    assert.strictEqual(termsOf(Selection.make({ shortCircuitTimeout: "Infinity" })).shortCircuitTimeout, Infinity)
    assert.strictEqual(termsOf(Selection.best({ shortCircuitTimeout: 0 })).shortCircuitTimeout, 0)
  })

  it("an affinity timeout of 0 is refused: no claim could come in time", () => {
    for (const make of [() => Selection.make({ affinityTimeout: 0 }), () => Selection.best({ affinityTimeout: 0 })]) {
      assert.throws(make, TypeError, /Selection: affinityTimeout is 0: expected a duration above 0/)
    }
  })

  it("a copy of its fields is no selection", () => {
    assert.isTrue(Selection.isSelection(Selection.first))
    assert.isFalse(Selection.isSelection({ ...Selection.first }))
    assert.isFalse(Selection.isSelection(undefined))
  })

  it("are refused by name where they are no numbers or durations", () => {
    assert.throws(() => Selection.make({ minimumAffinity: NaN }), TypeError, "minimumAffinity")
    assert.throws(() => Selection.make({ maximumAffinity: "1" as never }), TypeError, "maximumAffinity")
    assert.throws(() => Selection.make({ affinityTimeout: "soon" as never }), TypeError, "affinityTimeout")
    assert.throws(() => Selection.make({ shortCircuitTimeout: true as never }), TypeError, "shortCircuitTimeout")
  })
})
