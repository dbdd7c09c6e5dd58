// An opening that waits for its connection and is given up by then: nothing of it is sent when the connection is back.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import { broken, steeredBus } from "../helpers/steeredBus.ts"
import { errorOf, onBus, settle, start, Traffic } from "../helpers/harness.ts"
import { Chat, fakeStreamServer } from "./streamPairs.ts"

const setUp = Effect.fnUntraced(function* (method: "Talk" | "Alone") {
  const { bus, steering } = yield* steeredBus
  const server = yield* fakeStreamServer(method)
  const client = yield* Effect.provideService(Client.make(Chat), MessageBus, bus)
  return { client, server, steering }
})

describe("an opening that never left the client", () => {
  for (const [key, method] of [
    ["talk", "Talk"],
    ["alone", "Alone"]
  ] as const) {
    for (const how of ["interrupted", "out of time", "interrupted before it began"] as const) {
      it.effect(`${key}, ${how}: is not sent later, and neither is its close`, () =>
        Effect.gen(function* () {
          const { client, steering } = yield* setUp(method)
          steering.holds = () => true
          steering.failure = broken(false)
          const opening = yield* Effect.forkChild(client[key]({ timeout: 500 }))
          if (how !== "interrupted before it began") yield* settle
          if (how === "out of time") yield* TestClock.adjust(500)
          else yield* Fiber.interrupt(opening)
          if (how === "out of time") assert.strictEqual(errorOf(opening).reason, "connection")
          yield* TestClock.adjust(100)
          steering.failure = undefined
          steering.release()
          yield* settle
          assert.deepStrictEqual(yield* Traffic, [])
        }).pipe(onBus)
      )
    }
  }

  it.effect("one that may have left is closed, once that can be", () =>
    Effect.gen(function* () {
      const { client, server, steering } = yield* setUp("Alone")
      steering.holds = () => true
      const opening = yield* start(client.alone())
      yield* settle
      const { delivery } = steering.held[0]!
      steering.release()
      delivery.undelivered(broken(true))
      yield* settle
      yield* Fiber.interrupt(opening)
      steering.release()
      yield* settle
      assert.deepStrictEqual(server.closes(), [["canceled", "request canceled"]])
    }).pipe(onBus)
  )
})
