// A step of TestClock over a whole call is the same as many small ones: messages take no time, and what they start
// starts at their time.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  render: Rpc.unary({ response: Schema.String, routing: "affinity" }),
  outer: Rpc.unary({ response: Schema.String }),
  inner: Rpc.unary({ response: Schema.String, singleServer: true })
}) {}

const handlers = Effect.gen(function* () {
  const client = yield* Client.make(Jobs)
  return Jobs.of({
    render: {
      affinity: () => Effect.delay(Effect.succeed(0.5), 50),
      handle: () => Effect.delay(Effect.succeed("r"), 100)
    },
    outer: () => Effect.sleep(10).pipe(Effect.andThen(client.inner()), Effect.tap(Effect.sleep(10))),
    inner: () => Effect.delay(Effect.succeed("i"), 10)
  })
})

/** When a call ended that one step of the clock went over. */
const endsAt = Effect.fnUntraced(function* (call: Effect.Effect<unknown, unknown>) {
  const fiber = yield* start(Effect.andThen(Effect.exit(call), Clock.currentTimeMillis))
  yield* settle
  yield* TestClock.adjust(2500)
  yield* settle
  return yield* Fiber.join(fiber)
})

describe("one step of TestClock", () => {
  it.effect("over an affinity that takes 50 ms, a short circuit of 200 and a handler of 100: 350", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, yield* handlers)
      const client = yield* Client.make(Jobs)
      assert.strictEqual(yield* endsAt(client.render()), 350)
    }).pipe(onBus)
  )

  it.effect("over a handler that waits, calls another, and waits again: 30", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, yield* handlers)
      const client = yield* Client.make(Jobs)
      assert.strictEqual(yield* endsAt(client.outer()), 30)
    }).pipe(onBus)
  )

  it.effect("over ten calls in a row: the tenth ends after ten times its time", () =>
    Effect.gen(function* () {
      yield* Server.make(Jobs, yield* handlers)
      const client = yield* Client.make(Jobs)
      const calls = Effect.forEach(Array.from({ length: 10 }), () => client.outer())
      assert.strictEqual(yield* endsAt(calls), 300)
    }).pipe(onBus)
  )
})
