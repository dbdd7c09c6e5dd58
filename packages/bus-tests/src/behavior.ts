import type { Limits } from "@effect-psrpc/core/broker"
import type { PsrpcError } from "@effect-psrpc/core"
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, Scope } from "effect"
import type { Broker, Bus, Ways } from "./broker.ts"
import { bytes, channel, closable, collect, type Outcome, post, publish, text, until } from "./support.ts"

/** The address of the server that the tests of one file share. */
class Address extends Context.Service<Address, string>()("bus-tests/Address") {}

type Connecting<A> = Effect.Effect<A, PsrpcError.PsrpcError, Address | Scope.Scope>

/** The context of the tests for one way to make a bus. */
export interface OneWay {
  readonly it: Vitest.MethodsNonLive<Address>
  /** Makes a bus on the shared server. */
  readonly connect: (options?: Limits.LimitOptions) => Connecting<Bus>
  /** Makes two buses on the shared server. */
  readonly two: Connecting<[Bus, Bus]>
}

/** Defines tests for each way to make a bus, on a server that they share. */
export const eachWay = (broker: Broker, ways: Ways, define: (way: OneWay) => void): void => {
  // buses log the faults that tests make
  const shared = Layer.merge(Layer.effect(Address, broker.shared), Logger.layer([]))
  for (const [way, make] of Object.entries(ways)) {
    describe(`on ${way}`, () => {
      layer(shared, { excludeTestServices: true, timeout: 120_000 })((it) => {
        const connect = (options?: Limits.LimitOptions) => Effect.flatMap(Address, (address) => make(address, options))
        define({ it, connect, two: Effect.all([connect(), connect()]) })
      })
    })
  }
}

/** Sizes of messages around which protocols, sockets and decoders change their behavior. */
const sizes = [0, 1, 100, 255, 4095, 4096, 32_767, 32_768, 65_535, 65_536, 65_537, 500_000, 1 << 20, 3]

/** Tests of every bus over a broker, with the exact numbers of receivers that the broker reports. */
export const behavior = (
  broker: Broker,
  { connect, it, two }: OneWay,
  options: {
    /** Further sizes of messages that the broker accepts. */
    readonly sizes?: ReadonlyArray<number> | undefined
  } = {}
): void => {
  it.effect("two buses exchange messages, and a publish reports its receivers, or that there are no listeners", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      assert.strictEqual(yield* publish(a, news, bytes("nobody")), 0)
      const got = yield* collect(b, news)
      assert.strictEqual(yield* publish(a, news, bytes("hello")), broker.one)
      yield* until(() => got.length === 1, "it arrives")
      assert.strictEqual(text(got[0]!), "hello")
      assert.strictEqual(a.failure(), undefined)
    })
  )

  it.effect("a subscription is active when subscribe returns: the next message arrives", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      for (let i = 0; i < 50; i++) {
        const news = channel()
        const got = yield* collect(b, news)
        assert.strictEqual(yield* publish(a, news, bytes("x")), broker.one)
        yield* until(() => got.length === 1, "it arrives")
      }
    })
  )

  it.effect("a message is a plain Uint8Array, whose memory the receiver may keep", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const got = yield* collect(b, news)
      yield* publish(a, news, bytes("first"))
      for (let i = 0; i < 100; i++) yield* publish(a, news, new Uint8Array(1000).fill(i))
      yield* until(() => got.length === 101, "all arrive")
      for (const message of got) assert.strictEqual(Object.getPrototypeOf(message), Uint8Array.prototype)
      assert.strictEqual(text(got[0]!), "first")
      assert.deepStrictEqual(
        got.slice(1).map((message) => message[0]),
        Array.from({ length: 100 }, (_, i) => i)
      )
    })
  )

  it.effect("empty, binary and large messages arrive unchanged and in order", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const got = yield* collect(b, news)
      const sent = [...sizes, ...(options.sizes ?? [])].map((size, i) =>
        new Uint8Array(size).map((_, at) => (at * 31 + i) % 251)
      )
      const outcomes = sent.map((message) => post(a, news, message))
      yield* until(() => got.length === sent.length, "all arrive")
      for (const [i, message] of sent.entries())
        assert.isTrue(Buffer.from(got[i]!).equals(message), `a message of ${message.length} bytes`)
      yield* until(
        () => outcomes.every((outcome) => outcome.reports === 1 && outcome.receivers === broker.one),
        "all outcomes are reported"
      )
    })
  )

  it.effect("concurrent subscribes and unsubscribes leave the right subscriptions", () =>
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
      assert.strictEqual(yield* publish(a, news, bytes("x")), broker.one)
      const got = yield* collect(b, news)
      yield* Effect.forEach(scopes, ({ close }) => close, { concurrency: "unbounded" })
      assert.strictEqual(yield* publish(a, news, bytes("y")), broker.one)
      // the first may still have been in flight when this one subscribed
      yield* until(() => got.length > 0 && text(got.at(-1)!) === "y", "the remaining listener has it")
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

  it.effect("a listener that throws does not stop the others", () =>
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

  it.effect("closing the bus sends messages published before, and refuses later ones", () =>
    Effect.gen(function* () {
      const receiver = yield* connect()
      const news = channel()
      const got = yield* collect(receiver, news)
      const { close, scope } = yield* closable
      const bus = yield* connect().pipe(Scope.provide(scope))
      const outcomes: Array<Outcome> = []
      for (let i = 0; i < 2000; i++) outcomes.push(post(bus, news, bytes(String(i))))
      yield* close
      yield* until(() => got.length === 2000, "all arrive")
      assert.isTrue(outcomes.every((outcome) => outcome.reports === 1 && outcome.receivers === broker.one))
      const late = post(bus, news, bytes("late"))
      assert.strictEqual(late.error?._tag, "Unavailable")
      assert.isFalse(late.error?.mayHaveRun)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(bus.subscribe(news, () => {}))))._tag, "Unavailable")
    })
  )
}
