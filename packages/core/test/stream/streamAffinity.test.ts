import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Selection from "../../src/Selection.ts"
import type * as Server from "../../src/Server.ts"
import { errorOf, isRunning, Logs, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamClient, keeping, reading, serve, type ServerEnd } from "./streamPairs.ts"

const answering = (name: string) => (stream: ServerEnd) => stream.send(name)

/** Which server a stream is opened at: what it says first. */
const chosen = Effect.fnUntraced(function* (selection: Selection.Selection) {
  const client = yield* Client.make(Chat)
  const opening = yield* start(client.best({ selection }))
  yield* TestClock.adjust(200)
  const here = yield* Fiber.join(opening)
  const { seen } = yield* reading(here.messages)
  yield* settle
  return seen[0]
}, Effect.scoped)

describe("the affinity of streams", () => {
  it.effect("may be a number, an Effect, or a function of the call to either", () =>
    Effect.gen(function* () {
      const affinities: ReadonlyArray<Server.StreamAffinity<readonly []>> = [
        0.6,
        Effect.succeed(0.7),
        () => 0.8,
        (call) => Effect.as(Effect.sleep(10), call.header.metadata["vip"] === "yes" ? 1 : 0.1)
      ]
      for (const [i, affinity] of affinities.entries()) {
        yield* serve({ best: { affinity, handle: answering(`${i}`) } })
      }
      assert.strictEqual(yield* chosen(Selection.affinity), "2")
      const client = yield* Client.make(Chat, { metadata: { vip: "yes" } })
      const opening = yield* start(client.best())
      yield* TestClock.adjust(200)
      const here = yield* Fiber.join(opening)
      const { seen } = yield* reading(here.messages)
      yield* settle
      assert.deepStrictEqual(seen, ["3"])
    }).pipe(onBus)
  )

  it.effect("below 0 is silence, and no line in the log", () =>
    Effect.gen(function* () {
      yield* serve({ best: { affinity: -1, handle: answering("silent") } })
      yield* serve({ best: { affinity: Effect.succeed(-0.1), handle: answering("silent too") } })
      yield* serve({ best: { affinity: 0.1, handle: answering("here") } })
      assert.strictEqual(yield* chosen(Selection.affinity), "here")
      assert.deepStrictEqual(
        (yield* Logs).filter(({ level }) => level === "Error"),
        []
      )
    }).pipe(onBus)
  )

  it.effect("a failure, a defect, a throw, or no number is silence, and a line in the log each", () =>
    Effect.gen(function* () {
      const bad: ReadonlyArray<Server.StreamAffinity<readonly []>> = [
        Effect.fail("no idea"),
        Effect.die(new Error("oh")),
        () => {
          throw new Error("oh")
        },
        NaN,
        () => "0.9" as never
      ]
      const servers = yield* Effect.forEach(bad, (affinity) => serve({ best: { affinity, handle: answering("bad") } }))
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.best())
      yield* TestClock.adjust(1000)
      assert.strictEqual(errorOf(opening).message, "no response from servers (Chat.Best)")
      const errors = (yield* Logs).filter(({ level }) => level === "Error")
      assert.deepStrictEqual(
        errors.map(({ text }) => text),
        bad.map(() => "psrpc: the affinity function of Chat.Best failed")
      )
      const draining = yield* start(Effect.all(servers.map(({ drain }) => drain)))
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  it.effect("one that takes longer than the opening is interrupted when another is chosen", () =>
    Effect.gen(function* () {
      let weighing = 0
      const affinity = Effect.acquireUseRelease(
        Effect.sync(() => weighing++),
        () => Effect.never,
        () => Effect.sync(() => weighing--)
      )
      yield* serve({ best: { affinity, handle: answering("slow") } })
      yield* serve({ best: { affinity: 0.1, handle: answering("quick") } })
      assert.strictEqual(yield* chosen(Selection.first), "quick")
      assert.strictEqual(weighing, 0)
    }).pipe(onBus)
  )

  it.effect("is told with the claim; methods without claim 1", () =>
    Effect.gen(function* () {
      const { handle } = keeping()
      yield* serve({ best: { affinity: 0.25, handle }, talk: handle })
      for (const [method, expected] of [
        ["Best", 0.25],
        ["Talk", 1]
      ] as const) {
        const client = yield* fakeStreamClient(method, `CLI_${method}`)
        client.open()
        yield* settle
        assert.deepStrictEqual(
          client.claims.map(({ affinity }) => affinity),
          [expected]
        )
        // a close of a stream that waits for its claim frees the server
        client.close("canceled", "request canceled")
      }
    }).pipe(onBus)
  )

  it.effect("handlers of the wrong form are refused when the server is made", () =>
    Effect.gen(function* () {
      const { handle } = keeping()
      for (const best of [handle, { handle }, { affinity: 1 }]) {
        const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(serve({ best: best as never }))))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.match(
          error.message,
          /^server of Chat: the handler of best is .*: expected an object \{ affinity, handle \}$/
        )
      }
    }).pipe(onBus)
  )
})
