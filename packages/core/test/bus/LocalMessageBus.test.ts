import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import { type Channel, type Delivery, MessageBus, publish } from "../../src/MessageBus.ts"
import { Logs, onBus, settle } from "../helpers/harness.ts"

const channel = (name: string): Channel => ({ name, subject: name, route: "" })
const a = channel("a")
const b = channel("b")

/** A bus, and the texts that its listeners wrote down. */
const make = Effect.gen(function* () {
  const bus = yield* LocalMessageBus.make
  const heard: Array<string> = []
  const counts: Array<number> = []
  const delivery: Delivery = {
    wanted: () => true,
    delivered: (receivers) => counts.push(receivers),
    undelivered: (error) => counts.push(error.message.length + 1000)
  }
  return {
    bus,
    heard,
    counts,
    send: (to: Channel, ...texts: ReadonlyArray<string>) => {
      for (const text of texts) bus.publishUnsafe(bus.target(to), new TextEncoder().encode(text), Infinity, delivery)
    },
    listener: (name: string) => (message: Uint8Array) => {
      heard.push(`${name}:${new TextDecoder().decode(message)}`)
    }
  }
})

// it delivers in microtasks, and by the scheduler where that is not the usual one, as with TestClock
for (const [scheduler, test] of [
  ["the usual scheduler", it.live],
  ["TestClock's", it.effect]
] as const)
  describe(`the local bus on ${scheduler}`, () => {
    test("delivers in the order of publishing, across channels, and never inside of the publisher's turn", () =>
      Effect.gen(function* () {
        const { bus, heard, listener, send } = yield* make
        yield* bus.subscribe(a, listener("a"))
        yield* bus.subscribe(b, listener("b"))
        send(a, "1")
        send(b, "2")
        send(a, "3", "4")
        assert.deepStrictEqual(heard, [])
        yield* settle
        assert.deepStrictEqual(heard, ["a:1", "b:2", "a:3", "a:4"])
      }))

    test("a message published by a listener comes after those that were there before", () =>
      Effect.gen(function* () {
        const { bus, heard, listener, send } = yield* make
        yield* bus.subscribe(a, (message) => {
          listener("a")(message)
          if (message[0] === 49) send(a, "new")
        })
        send(a, "1", "2", "3")
        yield* settle
        assert.deepStrictEqual(heard, ["a:1", "a:2", "a:3", "a:new"])
      }))

    test("gives each message to every listener, and to one member of the queue in turn", () =>
      Effect.gen(function* () {
        const { bus, counts, heard, listener, send } = yield* make
        yield* bus.subscribe(a, listener("fan1"))
        yield* bus.subscribe(a, listener("q1"), { queue: true })
        yield* bus.subscribe(a, listener("fan2"), { queue: false })
        yield* bus.subscribe(a, listener("q2"), { queue: true })
        send(a, "1", "2", "3")
        yield* settle
        assert.deepStrictEqual(heard, [
          "fan1:1",
          "fan2:1",
          "q1:1",
          "fan1:2",
          "fan2:2",
          "q2:2",
          "fan1:3",
          "fan2:3",
          "q1:3"
        ])
        assert.deepStrictEqual(counts, [3, 3, 3])
      }))

    test("tells the publisher how many listen", () =>
      Effect.gen(function* () {
        const { bus, counts, listener, send } = yield* make
        send(a, "nobody")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* bus.subscribe(a, listener("q"), { queue: true })
            yield* bus.subscribe(a, listener("q"), { queue: true })
            send(a, "a queue is one")
            yield* bus.subscribe(a, listener("fan"))
            send(a, "and one")
            send(b, "elsewhere")
          })
        )
        send(a, "nobody again")
        assert.deepStrictEqual(counts, [0, 1, 2, 0, 0])
        assert.strictEqual(yield* publish(bus, bus.target(a), new Uint8Array(1), { timeout: 1 }), 0)
        assert.isUndefined(bus.failure())
      }))

    test("one function may listen twice, and each subscription ends on its own", () =>
      Effect.gen(function* () {
        const { bus, heard, listener, send } = yield* make
        const both = listener("x")
        const scope = yield* Scope.make()
        yield* bus.subscribe(a, both)
        yield* Scope.provide(bus.subscribe(a, both), scope)
        send(a, "1")
        yield* settle
        yield* Scope.close(scope, Exit.void)
        send(a, "2")
        yield* settle
        assert.deepStrictEqual(heard, ["x:1", "x:1", "x:2"])
      }))

    test("what was published before an unsubscribe still arrives, what comes later does not", () =>
      Effect.gen(function* () {
        for (const queue of [false, true]) {
          const { bus, heard, listener, send } = yield* make
          const scope = yield* Scope.make()
          yield* Scope.provide(bus.subscribe(a, listener("a"), { queue }), scope)
          send(a, "1", "2")
          yield* Scope.close(scope, Exit.void)
          send(a, "3")
          yield* settle
          assert.deepStrictEqual(heard, ["a:1", "a:2"])
        }
      }))

    test("that is so for more messages than are delivered in one turn", () =>
      Effect.gen(function* () {
        const { bus, heard, listener, send } = yield* make
        const scope = yield* Scope.make()
        yield* Scope.provide(bus.subscribe(a, listener("a")), scope)
        const texts = Array.from({ length: 5000 }, (_, i) => String(i))
        send(a, ...texts)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(
          heard,
          texts.map((text) => `a:${text}`)
        )
      }))

    test("a queue whose member leaves goes on with the next, and nobody is passed over", () =>
      Effect.gen(function* () {
        const { bus, heard, listener, send } = yield* make
        const scopes = []
        for (const name of ["q1", "q2", "q3"]) {
          const scope = yield* Scope.make()
          scopes.push(scope)
          yield* Scope.provide(bus.subscribe(a, listener(name), { queue: true }), scope)
        }
        send(a, "1", "2")
        yield* settle
        yield* Scope.close(scopes[0]!, Exit.void)
        send(a, "3", "4", "5")
        yield* settle
        yield* Scope.close(scopes[2]!, Exit.void)
        send(a, "6", "7")
        yield* settle
        assert.deepStrictEqual(heard, ["q1:1", "q2:2", "q3:3", "q2:4", "q3:5", "q2:6", "q2:7"])
      }))

    test("a listener may subscribe and unsubscribe others, and itself, in its callback", () =>
      Effect.gen(function* () {
        const { bus, heard, listener, send } = yield* make
        const scope = yield* Scope.make()
        const own = yield* Scope.make()
        const context = yield* Effect.context<never>()
        const run = Effect.runSyncWith(context)
        const first = (message: Uint8Array): void => {
          listener("first")(message)
          if (message[0] !== 49) return
          run(Scope.provide(bus.subscribe(a, listener("new")), scope))
          run(Scope.close(own, Exit.void))
        }
        yield* Scope.provide(bus.subscribe(a, first), own)
        yield* bus.subscribe(a, listener("second"))
        send(a, "1", "2")
        yield* settle
        send(a, "3")
        yield* settle
        // "2" was published while the first was there, so it is delivered before that goes
        assert.deepStrictEqual(
          heard.filter((line) => line.startsWith("first")),
          ["first:1", "first:2"]
        )
        assert.deepStrictEqual(
          heard.filter((line) => line.startsWith("second")),
          ["second:1", "second:2", "second:3"]
        )
        assert.deepStrictEqual(
          heard.filter((line) => line === "new:3"),
          ["new:3"]
        )
        yield* Scope.close(scope, Exit.void)
      }))

    test("a listener that throws is logged, and hurts nobody", () =>
      Effect.gen(function* () {
        const logs = yield* Logs
        const { bus, heard, listener, send } = yield* make
        yield* bus.subscribe(a, () => {
          throw new Error("a bug in a listener")
        })
        yield* bus.subscribe(a, listener("fan"))
        yield* bus.subscribe(a, listener("queue"), { queue: true })
        send(a, "1", "2")
        yield* settle
        assert.deepStrictEqual(heard, ["fan:1", "queue:1", "fan:2", "queue:2"])
        const told = logs.filter(({ level }) => level === "Error")
        assert.strictEqual(told.length, 2)
        assert.include(String(told[0]!.cause), "a bug in a listener")
      }).pipe(onBus))

    test("two buses do not hear each other; a Layer provided twice is one bus", () =>
      Effect.gen(function* () {
        const one = yield* make
        const two = yield* make
        yield* two.bus.subscribe(a, two.listener("two"))
        one.send(a, "1")
        yield* settle
        assert.deepStrictEqual(two.heard, [])
        const context = yield* Layer.build(Layer.merge(LocalMessageBus.layer, LocalMessageBus.layer))
        const other = yield* Layer.build(LocalMessageBus.layer)
        assert.notStrictEqual(Context.get(context, MessageBus), Context.get(other, MessageBus))
      }))
  })

describe("the local bus under TestClock", () => {
  it.effect("sleeps that a message starts begin at the time of the message", () =>
    Effect.gen(function* () {
      const { bus, heard, send } = yield* make
      const context = yield* Effect.context<never>()
      const runFork = Effect.runForkWith(context)
      const after = (millis: number, to: Channel) => () => {
        runFork(
          Effect.andThen(
            Effect.sleep(millis),
            Effect.sync(() => send(to, "go"))
          )
        )
      }
      const clock = yield* TestClock.testClockWith(Effect.succeed)
      yield* bus.subscribe(a, after(50, b))
      yield* bus.subscribe(b, after(200, channel("end")))
      yield* bus.subscribe(channel("end"), () => heard.push(`end at ${clock.currentTimeMillisUnsafe()}`))
      send(a, "go")
      yield* settle
      yield* TestClock.adjust(1000)
      yield* settle
      assert.deepStrictEqual(heard, ["end at 250"])
    })
  )
})

describe("a busy local bus", () => {
  it.live("100,000 messages do not keep a timer waiting until their end", () =>
    Effect.gen(function* () {
      const { bus } = yield* make
      const target = bus.target(a)
      let count = 0
      let atTimer = -1
      const message = new Uint8Array(1)
      yield* Effect.callback<void>((resume) => {
        const next: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }
        Effect.runFork(
          Effect.scoped(
            Effect.andThen(
              bus.subscribe(a, () => {
                if (++count === 100_000) resume(Effect.void)
                else bus.publishUnsafe(target, message, Infinity, next)
              }),
              Effect.never
            )
          )
        )
        bus.publishUnsafe(target, message, Infinity, next)
        setTimeout(() => {
          atTimer = count
        }, 0)
      })
      assert.strictEqual(count, 100_000)
      assert.isAbove(atTimer, -1)
      assert.isBelow(atTimer, 50_000)
    })
  )

  it.live("what was delivered is let go: a million messages in a loop that is never idle need no memory", () =>
    Effect.gen(function* () {
      const { bus } = yield* make
      const target = bus.target(a)
      const delivery: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }
      const total = 1_000_000
      let count = 0
      let done = () => {}
      const send = () => bus.publishUnsafe(target, new Uint8Array(64), Infinity, delivery)
      yield* bus.subscribe(a, () => {
        if (++count === total) done()
        else if (count <= total - 64) send()
      })
      const before = process.memoryUsage().heapUsed
      yield* Effect.callback<void>((resume) => {
        done = () => resume(Effect.void)
        for (let i = 0; i < 64; i++) send()
      })
      // a million messages that were kept would be more than 100 MB
      assert.isBelow(process.memoryUsage().heapUsed - before, 60e6)
    })
  )
})
