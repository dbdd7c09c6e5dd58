import {
  behavior,
  bytes,
  channel,
  closable,
  collect,
  eachWay,
  post,
  publish,
  text,
  until
} from "@effect-psrpc/bus-tests"
import { assert } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { broker, ways } from "./support.ts"

eachWay(broker, ways, ({ connect, it, two }) => {
  behavior(broker, { connect, it, two })

  it.effect("every listener receives, also several in one process", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const received = yield* Effect.all([collect(a, news), collect(b, news), collect(b, news)])
      for (let i = 0; i < 50; i++) post(a, news, bytes(String(i)))
      yield* until(() => received.every((got) => got.length === 50), "all arrive")
      for (const got of received)
        assert.deepStrictEqual(
          got.map(text),
          Array.from({ length: 50 }, (_, i) => `${i}`)
        )
    })
  )

  it.effect("a closed subscription receives nothing more, and loses nothing that was sent before", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const { close, scope } = yield* closable
      const got = yield* collect(b, news).pipe(Scope.provide(scope))
      const outcomes = Array.from({ length: 500 }, (_, i) => post(a, news, bytes(String(i))))
      yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "the server has them")
      yield* close
      assert.strictEqual(got.length, 500)
      assert.strictEqual(yield* publish(a, news, bytes("late")), 0)
      assert.strictEqual(got.length, 500)
    })
  )

  it.effect("one of two listeners that unsubscribes gets earlier messages, and the other continues", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const { close, scope } = yield* closable
      const leaves = yield* collect(b, news).pipe(Scope.provide(scope))
      const stays = yield* collect(b, news)
      const outcomes = Array.from({ length: 200 }, (_, i) => post(a, news, bytes(String(i))))
      yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "the server has them")
      yield* close
      assert.strictEqual(leaves.length, 200)
      yield* publish(a, news, bytes("more"))
      yield* until(() => stays.length === 201, "the other has all")
      assert.strictEqual(leaves.length, 200)
    })
  )

  it.effect("two thousand subscriptions, all removed afterwards", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const channels = Array.from({ length: 2000 }, () => channel())
      let received = 0
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Effect.forEach(channels, (news) => b.subscribe(news, () => received++), {
            concurrency: "unbounded"
          })
          for (const news of channels) post(a, news, bytes("x"))
          yield* until(() => received === 2000, "all arrive")
        })
      )
      const outcomes = channels.map((news) => post(a, news, bytes("y")))
      yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
      assert.isTrue(outcomes.every((outcome) => outcome.receivers === 0))
      assert.strictEqual(received, 2000)
    })
  )

  it.effect("a subject that NATS cannot carry is refused, and nothing is sent", () =>
    Effect.gen(function* () {
      const [a] = yield* two
      const wrong = ["", "a b", "a\tb", "a\r\nPING\r\n", "a.*", "a.>", ">", "*", "a..b", ".a", "a.", "x".repeat(4000)]
      for (const subject of wrong) {
        const to = { name: "", subject, route: "" }
        const outcome = post(a, to, bytes("x"))
        assert.strictEqual(outcome.error?._tag, "InvalidArgument", JSON.stringify(subject))
        assert.isFalse(outcome.error?.mayHaveRun)
        const error = yield* Effect.flip(Effect.scoped(a.subscribe(to, () => {})))
        assert.strictEqual(error._tag, "InvalidArgument", JSON.stringify(subject))
      }
      const right = ["SRV.dots.in.it", "SRV.Größe-→-x", "CLI.S.CLI_1.RES", "a.u+0020.b", "x".repeat(3000)]
      for (const subject of right) {
        const news = { name: "", subject: `${channel().subject}.${subject}`, route: "" }
        const got = yield* collect(a, news)
        assert.strictEqual(yield* publish(a, news, bytes("x")), -1)
        yield* until(() => got.length === 1, "it arrives")
      }
    })
  )
})
