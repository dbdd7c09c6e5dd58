import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import { exitOf, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, serve, streamTraffic } from "./streamPairs.ts"

describe("after the peer has called closeSend", () => {
  for (const [how, last] of [
    ["returns", Effect.void],
    ["closes", Effect.never]
  ] as const) {
    it.effect(`acknowledges it before a handler that waits for just that ${how}`, () =>
      Effect.gen(function* () {
        yield* serve({
          talk: (stream) =>
            Stream.runDrain(stream.messages).pipe(
              Effect.andThen(how === "returns" ? Effect.void : stream.close()),
              Effect.andThen(last)
            )
        })
        const client = yield* Client.make(Chat)
        const stream = yield* client.talk()
        yield* settle
        const ended = yield* start(stream.closeSend)
        yield* settle
        assert.deepStrictEqual(exitOf(ended), Exit.succeed(true))
        yield* stream.closed
        const [ack, close] = (yield* streamTraffic).slice(-2)
        assert.strictEqual(ack?.kind, "ack")
        assert.strictEqual(close?.kind, "close")
      }).pipe(onBus)
    )
  }
})
