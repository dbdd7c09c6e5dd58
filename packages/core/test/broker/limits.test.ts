import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { BrokerIdentity, Limits } from "../../src/broker/index.ts"

const check = Limits.checks("MyMessageBus")

describe("the options of a bus", () => {
  it.effect("have defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* check.limits({}), {
        connectTimeout: 5000,
        closeTimeout: 2000,
        maxPayload: 8 * 1024 * 1024,
        maxBufferedMessages: 10_000,
        maxBufferedBytes: 16 * 1024 * 1024
      })
      assert.deepStrictEqual(yield* check.delays(undefined), { minDelay: 50, maxDelay: 2000 })
    })
  )

  it.effect("are times that a timer can wait, or for ever", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* check.millis("heartbeat", "100 days"), Limits.maxTimerDelay)
      assert.strictEqual(yield* check.millis("heartbeat", Infinity), Infinity)
      assert.strictEqual((yield* check.delays({ maxDelay: Infinity })).maxDelay, Limits.maxTimerDelay)
    })
  )

  it.effect("that are wrong are named, and so is the bus", () =>
    Effect.gen(function* () {
      for (const [effect, message] of [
        [check.limits({ connectTimeout: 0 }), "connectTimeout is 0: expected a duration above 0"],
        [
          check.limits({ closeTimeout: "nonsense" as never }),
          'closeTimeout is "nonsense": expected a duration above 0'
        ],
        [check.limits({ maxPayload: 0 }), "maxPayload is 0: expected a whole number of 1 or more"],
        [check.limits({ maxBufferedBytes: NaN }), "maxBufferedBytes is NaN: expected a whole number of 0 or more"],
        [check.delays({ minDelay: -1 }), "reconnect.minDelay is -1: expected a duration above 0"]
      ] as const) {
        const error = yield* Effect.flip(effect as Effect.Effect<unknown, Effect.Error<typeof effect>>)
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.strictEqual(error.reason, "not_sent")
        assert.isTrue(error.message.startsWith(`MyMessageBus: ${message}`), error.message)
      }
    })
  )
})

describe("what is said of a broker", () => {
  class MyBroker extends BrokerIdentity.BrokerIdentity {
    override reasonOf(error: unknown): string {
      return this.redact(error instanceof Error ? error.message : String(error))
    }
  }
  const broker = new MyBroker("mybroker", "127.0.0.1:4000", ["pass", "pass word", undefined, ""])

  it("has no secrets, also as they stand in a URL, or where one is a part of another", () => {
    const text = broker.message("a pass word, pass%20word and pass")
    assert.strictEqual(text, "mybroker at 127.0.0.1:4000: a <redacted>, <redacted> and <redacted>")
  })

  it("has what led to it as text, without a stack", () => {
    const error = broker.unreachable(
      "gone",
      true,
      Object.assign(new Error("pass word refused"), { code: "E", args: [1] })
    )
    assert.isTrue(error.mayHaveRun)
    const { cause } = error
    assert.instanceOf(cause, Error)
    assert.strictEqual(String(cause), "MybrokerError: <redacted> refused")
    assert.deepStrictEqual(Object.entries(cause), [
      ["name", "MybrokerError"],
      ["code", "E"]
    ])
    assert.isUndefined(cause.stack)
  })
})
