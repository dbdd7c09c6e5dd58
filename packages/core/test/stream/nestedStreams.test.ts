// A stream that is opened in a handler, and may outlive it.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Server from "../../src/Server.ts"
import { errorOf, isRunning, onBus, start } from "../helpers/harness.ts"
import { Chat, type ClientEnd, keeping, streamTraffic } from "./streamPairs.ts"

/** Opens a stream in a handler that has so long, 100 ms after it began; what was opened, and in what scope. */
const openedIn = Effect.fnUntraced(function* (
  deadline: number,
  options: { readonly client?: Client.Options; readonly stream?: Client.StreamOptions } = {}
) {
  const { ends, handle } = keeping()
  const inner = yield* Client.make(Chat, options.client)
  const opened: Array<ClientEnd> = []
  const scope = yield* Effect.scope
  yield* Server.make(Chat, {
    ...Server.unimplemented(Chat),
    alone: handle,
    hello: () =>
      Effect.sleep(100).pipe(
        Effect.andThen(Scope.provide(inner.alone(options.stream), scope)),
        Effect.tap((here) => Effect.sync(() => opened.push(here))),
        Effect.andThen(Effect.succeed("opened"))
      )
  })
  const outer = yield* Client.make(Chat)
  const call = yield* start(outer.hello("open", { timeout: deadline }))
  yield* TestClock.adjust(100)
  assert.strictEqual(yield* Fiber.join(call), "opened")
  return { here: opened[0]!, there: ends[0]! }
})

/** How long the messages of a kind had, in milliseconds. */
const times = (kind: string) =>
  Effect.map(streamTraffic, (all) =>
    all.filter((message) => message.kind === kind).map(({ expiry, sentAt }) => expiry - sentAt)
  )

describe("a stream that is opened in a handler", () => {
  it.effect("is opened within the handler's deadline, and its sends have the default timeout", () =>
    Effect.gen(function* () {
      const { here, there } = yield* openedIn(500)
      assert.deepStrictEqual(yield* times("open"), [400])
      // the handler has long returned
      yield* TestClock.adjust("1 minute")
      yield* here.send("still here")
      assert.deepStrictEqual(yield* times("message"), [3000])
      yield* there.close()
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(here.closed)))
    }).pipe(onBus)
  )

  for (const [whose, options] of [
    ["the stream's", { stream: { timeout: 800 }, client: { timeout: 5000 } }],
    ["the client's", { client: { timeout: 800 } }]
  ] as const) {
    it.effect(`or the timeout that is given, ${whose}`, () =>
      Effect.gen(function* () {
        const { here, there } = yield* openedIn(500, options)
        assert.deepStrictEqual(yield* times("open"), [400])
        yield* TestClock.adjust("1 minute")
        yield* here.send("still here")
        assert.deepStrictEqual(yield* times("message"), [800])
        yield* there.close()
      }).pipe(onBus)
    )
  }

  it.effect("a send waits that long for its ack", () =>
    Effect.gen(function* () {
      const { here } = yield* openedIn(200)
      // the 100 that fit into the buffer, and one more
      for (let i = 0; i < 100; i++) yield* here.send("read by nobody")
      const send = yield* start(here.send("one more"))
      yield* TestClock.adjust(2999)
      assert.isTrue(isRunning(send))
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
    }).pipe(onBus)
  )
})
