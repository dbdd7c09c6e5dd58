import { bytes, channel, closable, collect, type Fate, post, publish, text, until } from "@effect-psrpc/bus-tests"
import { natsUrl } from "@effect-psrpc/test-servers"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Scope } from "effect"
import { ways } from "./support.ts"

class Url extends Context.Service<Url, string>()("test/Url") {}
// the bus logs the faults that tests make
const UrlLive = Layer.merge(Layer.effect(Url, natsUrl), Logger.layer([]))

for (const [way, make] of Object.entries(ways)) {
  describe(`on ${way}`, () => {
    layer(UrlLive, { excludeTestServices: true, timeout: 120_000 })((it) => {
      const two = Effect.gen(function* () {
        const url = yield* Url
        return yield* Effect.all([make(url), make(url)])
      })

      it.effect("two buses talk, and a publisher learns that nobody listens", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          assert.strictEqual(yield* publish(a, news, bytes("nobody")), 0)
          const got = yield* collect(b, news)
          assert.strictEqual(yield* publish(a, news, bytes("hello")), -1)
          yield* until(() => got.length === 1, "it arrives")
          assert.strictEqual(text(got[0]!), "hello")
          assert.strictEqual(a.failure(), undefined)
        })
      )

      it.effect("what arrives is the receiver's own, and no Buffer", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          const got = yield* collect(b, news)
          yield* publish(a, news, bytes("first"))
          for (let i = 0; i < 100; i++) yield* publish(a, news, new Uint8Array(1000).fill(i))
          yield* until(() => got.length === 101, "all arrive")
          assert.isFalse(Buffer.isBuffer(got[0]))
          assert.strictEqual(text(got[0]!), "first")
          assert.deepStrictEqual(
            got.slice(1).map((message) => message[0]),
            Array.from({ length: 100 }, (_, i) => i)
          )
        })
      )

      it.effect("messages of every size arrive as they are, in order", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          const got = yield* collect(b, news)
          const sizes = [0, 1, 100, 4095, 4096, 32_767, 32_768, 65_536, 500_000, 1_048_576, 3]
          const sent = sizes.map((size, i) => new Uint8Array(size).map((_, at) => (at * 31 + i) % 251))
          const fates = sent.map((message) => post(a, news, message))
          yield* until(() => got.length === sent.length, "all arrive")
          for (const [i, message] of sent.entries()) assert.deepStrictEqual(got[i], message, `${sizes[i]}`)
          yield* until(() => fates.every((fate) => fate.told === 1 && fate.receivers === -1), "all are told")
        })
      )

      it.effect("everybody who listens receives, also several in one process", () =>
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

      it.effect("a subscription is there when subscribe returns", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          for (let i = 0; i < 30; i++) {
            const news = channel()
            const got = yield* collect(b, news)
            assert.strictEqual(yield* publish(a, news, bytes("x")), -1)
            yield* until(() => got.length === 1, "it arrives")
          }
        })
      )

      it.effect("nothing is received once the scope is closed, and nothing that was given before is lost", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          const { close, scope } = yield* closable
          const got = yield* collect(b, news).pipe(Scope.provide(scope))
          const fates = Array.from({ length: 500 }, (_, i) => post(a, news, bytes(String(i))))
          yield* until(() => fates.every((fate) => fate.told === 1), "the server has them")
          yield* close
          assert.strictEqual(got.length, 500)
          assert.strictEqual(yield* publish(a, news, bytes("late")), 0)
          assert.strictEqual(got.length, 500)
        })
      )

      it.effect("one of two listeners that leaves gets what was given by then, and the other goes on", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          const { close, scope } = yield* closable
          const leaves = yield* collect(b, news).pipe(Scope.provide(scope))
          const stays = yield* collect(b, news)
          const fates = Array.from({ length: 200 }, (_, i) => post(a, news, bytes(String(i))))
          yield* until(() => fates.every((fate) => fate.told === 1), "the server has them")
          yield* close
          assert.strictEqual(leaves.length, 200)
          yield* publish(a, news, bytes("more"))
          yield* until(() => stays.length === 201, "the other has all")
          assert.strictEqual(leaves.length, 200)
        })
      )

      it.effect("subscribing and unsubscribing at once leaves what it should", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          const scopes = yield* Effect.all(Array.from({ length: 30 }, () => closable))
          yield* Effect.forEach(
            scopes,
            ({ close, scope }, i) =>
              Effect.andThen(b.subscribe(news, () => {}).pipe(Scope.provide(scope)), i % 3 === 0 ? Effect.void : close),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(yield* publish(a, news, bytes("x")), -1)
          const got = yield* collect(b, news)
          yield* Effect.forEach(scopes, ({ close }) => close, { concurrency: "unbounded" })
          assert.strictEqual(yield* publish(a, news, bytes("y")), -1)
          // the first may still have been on its way when this one joined
          yield* until(() => got.length > 0 && text(got.at(-1)!) === "y", "the one that stayed has it")
        })
      )

      it.effect("an interrupted subscribe leaves nothing behind", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          const fiber = yield* Effect.forkChild(Effect.scoped(b.subscribe(news, () => {})), { startImmediately: true })
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* publish(a, news, bytes("x")), 0)
        })
      )

      it.effect("two thousand subscriptions, and none afterwards", () =>
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
          const fates = channels.map((news) => post(a, news, bytes("y")))
          yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
          assert.isTrue(fates.every((fate) => fate.receivers === 0))
          assert.strictEqual(received, 2000)
        })
      )

      it.effect("a listener that throws stops nobody", () =>
        Effect.gen(function* () {
          const [a, b] = yield* two
          const news = channel()
          yield* b.subscribe(news, () => {
            throw new Error("on purpose")
          })
          const got = yield* collect(b, news)
          yield* publish(a, news, bytes("x"))
          yield* publish(a, news, bytes("y"))
          yield* until(() => got.length === 2, "both arrive")
        })
      )

      it.effect("a subject that NATS does not take is refused, and nothing is sent", () =>
        Effect.gen(function* () {
          const [a] = yield* two
          const wrong = [
            "",
            "a b",
            "a\tb",
            "a\r\nPING\r\n",
            "a.*",
            "a.>",
            ">",
            "*",
            "a..b",
            ".a",
            "a.",
            "x".repeat(4000)
          ]
          for (const subject of wrong) {
            const to = { name: "", subject, route: "" }
            const fate = post(a, to, bytes("x"))
            assert.strictEqual(fate.error?._tag, "InvalidArgument", JSON.stringify(subject))
            assert.isFalse(fate.error?.mayHaveRun)
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

      it.effect("closing the bus sends what was published before, and tells what comes after", () =>
        Effect.gen(function* () {
          const url = yield* Url
          const receiver = yield* make(url)
          const news = channel()
          const got = yield* collect(receiver, news)
          const { close, scope } = yield* closable
          const bus = yield* make(url).pipe(Scope.provide(scope))
          const fates: Array<Fate> = []
          for (let i = 0; i < 2000; i++) fates.push(post(bus, news, bytes(String(i))))
          yield* close
          yield* until(() => got.length === 2000, "all arrive")
          assert.isTrue(fates.every((fate) => fate.told === 1 && fate.receivers === -1))
          const late = post(bus, news, bytes("late"))
          assert.strictEqual(late.error?._tag, "Unavailable")
          assert.isFalse(late.error?.mayHaveRun)
          assert.strictEqual((yield* Effect.flip(Effect.scoped(bus.subscribe(news, () => {}))))._tag, "Unavailable")
        })
      )
    })
  })
}
