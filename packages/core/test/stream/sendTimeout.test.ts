import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { errorOf, isRunning, onBus, start } from "../helpers/harness.ts"
import { Chat, type ClientEnd, keeping, numbered, pair, serve } from "./streamPairs.ts"

/** Fills what the other end takes in unread, so that what follows waits for room. */
const fill = (stream: ClientEnd) => Effect.forEach(numbered(100), (message) => stream.send(message), { discard: true })

const quiet = { server: { keepalive: "Infinity" }, client: { keepalive: "Infinity" } } as const

describe("the timeout of sends", () => {
  it.effect("is what the stream is opened with, whatever the time of its opening", () =>
    Effect.gen(function* () {
      const { here } = yield* pair({ ...quiet, stream: { timeout: "1 second", sendTimeout: "7 seconds" } })
      yield* fill(here)
      const send = yield* start(here.send("more"))
      yield* TestClock.adjust(6999)
      assert.isTrue(isRunning(send))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      const own = yield* start(here.send("more", { timeout: 100 }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(own)._tag, "DeadlineExceeded")
    }).pipe(onBus)
  )

  it.effect("is the time of the opening where nobody says", () =>
    Effect.gen(function* () {
      const { here } = yield* pair({ ...quiet, stream: { timeout: "1 second" } })
      yield* fill(here)
      const send = yield* start(here.send("more"))
      yield* TestClock.adjust(999)
      assert.isTrue(isRunning(send))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
    }).pipe(onBus)
  )

  it.effect("that is none is refused, with interceptors and without, and nothing is opened", () =>
    Effect.gen(function* () {
      const { calls, handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      for (const interceptors of [undefined, []]) {
        const error = yield* Effect.flip(client.talk({ sendTimeout: "soon" as never, interceptors }))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.match(error.message, /^Chat\.Talk: sendTimeout is "soon": expected a duration/)
      }
      assert.strictEqual(calls.length, 0)
    }).pipe(onBus)
  )
})
