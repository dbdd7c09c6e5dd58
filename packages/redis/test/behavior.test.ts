import {
  behavior,
  bytes,
  channel,
  closable,
  collect,
  eachWay,
  type Outcome,
  post,
  publish,
  text,
  until
} from "@effect-psrpc/bus-tests"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Scope } from "effect"
import { broker, ways } from "./support.ts"

eachWay(broker, ways, ({ connect, it, two }) => {
  behavior(broker, { connect, it, two }, { sizes: [3 * (1 << 20) + 7] })

  it.effect("a view of a larger buffer is sent as the bytes of the view", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const got = yield* collect(b, news)
      const whole = bytes("before-inside-after")
      post(a, news, whole.subarray(7, 13))
      const large = Uint8Array.from({ length: 10_000 }, (_, i) => i & 255)
      post(a, news, large.subarray(1000, 9000))
      yield* until(() => got.length === 2, "both arrive")
      assert.strictEqual(text(got[0]!), "inside")
      assert.deepStrictEqual(got[1], large.slice(1000, 9000))
    })
  )

  it.effect("channel names may contain any text", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      for (const name of ["Zürich|№ 1|🚀", "with space and \r\n", "", "__proto__"]) {
        const news = { ...channel(name), ...(name === "__proto__" && { name }) }
        const got = yield* collect(b, news)
        assert.strictEqual(yield* publish(a, news, bytes("x")), 1, name)
        yield* until(() => got.length === 1, "it arrives")
      }
    })
  )

  it.effect("messages of one publisher arrive in order", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const got = yield* collect(b, news)
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0; i < 250; i++) post(a, news, bytes(String(turn * 250 + i)))
        yield* Effect.yieldNow
      }
      yield* until(() => got.length === 5000, "all arrive")
      assert.deepStrictEqual(
        got.map(text),
        Array.from({ length: 5000 }, (_, i) => String(i))
      )
    })
  )

  it.effect("every listener outside of the queue gets each message", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const news = channel()
      const all = [yield* collect(a, news), yield* collect(a, news), yield* collect(b, news)]
      assert.strictEqual(yield* publish(a, news, bytes("x")), 2)
      yield* until(() => all.every((got) => got.length === 1), "all have it")
    })
  )

  it.effect("one member of a queue gets each message, across buses and within one", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const jobs = channel()
      const fan = yield* collect(b, jobs)
      const members = [
        yield* collect(a, jobs, { queue: true }),
        yield* collect(a, jobs, { queue: true }),
        yield* collect(b, jobs, { queue: true })
      ]
      const count = () => members.reduce((sum, got) => sum + got.length, 0)
      for (let i = 0; i < 600; i++) post(a, jobs, bytes(`${jobs.name} ${i}`))
      yield* until(() => count() === 600 && fan.length === 600, "all are handled")
      const seen = new Set(members.flat().map(text))
      assert.strictEqual(seen.size, 600)
      // round robin within a process
      assert.isAtMost(Math.abs(members[0]!.length - members[1]!.length), 1)
      yield* publish(b, jobs, bytes(`${jobs.name} last`))
      yield* until(() => count() >= 601 && fan.length === 601, "the last one arrives")
      assert.strictEqual(count(), 601)
    })
  )

  it.effect("equal messages within five seconds: a queue gets one of them, and all if they are made unique", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const jobs = channel()
      assert.isTrue(a.target(jobs, { unique: true }).unique)
      assert.isFalse(a.target(jobs).unique)
      assert.strictEqual(a.target(jobs).name, jobs.name)
      assert.strictEqual(a.target(jobs).tail.length, 0)
      const fan = yield* collect(b, jobs)
      const got = yield* collect(b, jobs, { queue: true })
      for (let i = 0; i < 3; i++) post(a, jobs, bytes(`${jobs.name} same`))
      for (let i = 0; i < 3; i++) post(a, jobs, bytes(`${jobs.name} nonce ${i}`))
      yield* until(() => fan.length === 6 && got.length >= 4, "all arrive")
      assert.deepStrictEqual(
        got.map(text).sort(),
        [0, 1, 2].map((i) => `${jobs.name} nonce ${i}`).concat(`${jobs.name} same`)
      )
    })
  )

  it.effect("nothing is lost when members of a queue leave and join under load", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const c = yield* connect()
      const jobs = channel()
      const handled = new Map<string, number>()
      const handle = (message: Uint8Array): void => {
        handled.set(text(message), (handled.get(text(message)) ?? 0) + 1)
      }
      let sent = 0
      let stop = false
      const outcomes: Array<Outcome> = []
      // one stays, so that each message has a subscriber
      yield* c.subscribe(jobs, handle, { queue: true })
      const load = yield* Effect.forkChild(
        Effect.gen(function* () {
          while (!stop) {
            for (let i = 0; i < 20; i++) outcomes.push(post(a, jobs, bytes(`${jobs.name} ${sent++}`)))
            yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          }
        })
      )
      for (let round = 0; round < 15; round++) {
        const { close, scope } = yield* closable
        yield* b.subscribe(jobs, handle, { queue: true }).pipe(Scope.provide(scope))
        const before = sent
        yield* until(() => sent > before + 200, "some were sent")
        yield* close
      }
      stop = true
      yield* Fiber.join(load)
      yield* until(() => handled.size === sent, `all ${sent} are handled, not ${handled.size}`)
      assert.deepStrictEqual(
        [...handled.values()].filter((times) => times !== 1),
        []
      )
      assert.isTrue(outcomes.every((outcome) => outcome.reports === 1 && outcome.error === undefined))
    })
  )

  it.effect("the last member of a queue handles the messages that Redis had sent before it left", () =>
    Effect.gen(function* () {
      const [a, b] = yield* two
      const jobs = channel()
      for (const fan of [false, true]) {
        const got: Array<string> = []
        // a channel that stays subscribed for another listener must not make a difference
        if (fan) yield* collect(b, jobs)
        const { close, scope } = yield* closable
        yield* b.subscribe(jobs, (message) => got.push(text(message)), { queue: true }).pipe(Scope.provide(scope))
        const outcomes = Array.from({ length: 500 }, (_, i) => post(a, jobs, bytes(`${jobs.name} ${fan} ${i}`)))
        yield* until(() => outcomes.some((outcome) => outcome.reports === 1), "the first was taken")
        yield* close
        const after = got.length
        yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all were taken")
        yield* publish(a, jobs, bytes("more"))
        assert.strictEqual(got.length, after, "nothing comes after it has left")
        if (!fan) assert.strictEqual(got.length, outcomes.filter((outcome) => outcome.receivers === 1).length)
        assert.isAbove(got.length, 0)
      }
    })
  )

  it.effect("a message larger than maxPayload is refused", () =>
    Effect.gen(function* () {
      const bus = yield* connect({ maxPayload: 1000 })
      const outcome = post(bus, channel(), new Uint8Array(1001))
      assert.strictEqual(outcome.error?._tag, "ResourceExhausted")
      assert.strictEqual(outcome.error?.reason, "too_large")
      assert.isFalse(outcome.error?.mayHaveRun)
      assert.strictEqual(yield* publish(bus, channel(), new Uint8Array(1000)), 0)
    })
  )
})
