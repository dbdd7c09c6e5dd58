import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scheduler, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as Selection from "../../src/Selection.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import { errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamServer, keeping, kinds, reading, serve } from "./streamPairs.ts"

/** Fails the test unless the servers have nothing in hand. */
const areFree = Effect.fnUntraced(function* (servers: ReadonlyArray<{ readonly drain: Effect.Effect<void> }>) {
  const draining = yield* start(Effect.all(servers.map(({ drain }) => drain)))
  yield* settle
  assert.isFalse(isRunning(draining))
})

describe("interrupting an opening", () => {
  it.effect("while affinities are weighed: the servers stop", () =>
    Effect.gen(function* () {
      let weighing = 0
      const affinity = Effect.acquireUseRelease(
        Effect.sync(() => weighing++),
        () => Effect.never,
        () => Effect.sync(() => weighing--)
      )
      const server = yield* serve({ best: { affinity, handle: () => Effect.never } })
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.best())
      yield* settle
      assert.strictEqual(weighing, 1)
      yield* Fiber.interrupt(opening)
      yield* settle
      assert.strictEqual(weighing, 0)
      yield* areFree([server])
    }).pipe(onBus)
  )

  it.effect("while claims are compared: the servers forget it", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const best = { affinity: 0.5, handle }
      const servers = [yield* serve({ best }), yield* serve({ best })]
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.best({ selection: Selection.make({ affinityTimeout: 1000 }) }))
      yield* settle
      yield* Fiber.interrupt(opening)
      yield* settle
      assert.strictEqual(ends.length, 0)
      yield* areFree(servers)
    }).pipe(onBus)
  )

  it.effect("while a function chooses: the servers forget it", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const server = yield* serve({ best: { affinity: 0.5, handle } })
      const client = yield* Client.make(Chat)
      const selection = Selection.make({ affinityTimeout: 100, selectionFunc: () => Effect.never })
      const opening = yield* start(client.best({ selection }))
      yield* TestClock.adjust(200)
      yield* Fiber.interrupt(opening)
      yield* settle
      assert.strictEqual(ends.length, 0)
      yield* areFree([server])
    }).pipe(onBus)
  )

  it.effect("when a server was chosen, and has not answered: it is told, and its claim is withdrawn", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Talk")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.talk())
      yield* settle
      server.claim("a")
      yield* settle
      yield* Fiber.interrupt(opening)
      yield* settle
      assert.deepStrictEqual(server.closes(), [["canceled", "request canceled"]])
      assert.deepStrictEqual(
        server.chosen.map(({ serverId }) => serverId),
        ["a", ""]
      )
      // an ack that comes now finds nobody
      server.accept()
      server.send("hello")
      yield* settle
      assert.strictEqual(server.heard.length, 2)
    }).pipe(onBus)
  )

  /** Interrupts at each of the turns that an opening takes on a real server, from its first to well after its last. */
  for (const method of ["talk", "alone", "best"] as const) {
    it.effect(`${method}: at any turn, no end is left open`, () =>
      Effect.gen(function* () {
        let opened = 0
        for (let turns = 0; turns < 25; turns++) {
          const { ends, handle } = keeping()
          const server = yield* serve({ [method]: method === "best" ? { affinity: 1, handle } : handle })
          const scope = yield* Scope.make()
          const client = yield* Client.make(Chat)
          const selection = Selection.first
          const opening = yield* start(Scope.provide(client[method]({ selection }), scope))
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(opening)
          const exit = exitOf(opening)
          if (Exit.isSuccess(exit)) {
            opened++
            yield* Scope.close(scope, Exit.void)
          } else assert.isTrue(Exit.hasInterrupts(exit))
          yield* settle
          for (const end of ends) assert.isFalse(isRunning(yield* start(Effect.exit(end.closed))))
          yield* areFree([server])
        }
        assert.isAbove(opened, 0)
        assert.isBelow(opened, 25)
      }).pipe(onBus)
    )
  }

  it.effect("in the same turn as the ack, wherever the fiber has got to: the server's end is closed", () =>
    Effect.gen(function* () {
      // an opening that is interrupted after so many steps of its fiber, which hands over after every few operations
      const openFor = Effect.fnUntraced(function* (ops: number, steps: number) {
        const server = yield* fakeStreamServer("Alone")
        const client = yield* Client.make(Chat)
        const scope = yield* Scope.make()
        const opening = yield* start(
          Effect.andThen(Scope.provide(client.alone(), scope), Effect.never).pipe(
            Effect.provideService(Scheduler.MaxOpsBeforeYield, ops)
          )
        )
        for (let i = 0; i < 5; i++) yield* settle
        server.accept()
        for (let step = 0; step < steps; step++) yield* Effect.yieldNow
        yield* Fiber.interrupt(opening)
        yield* Scope.close(scope, exitOf(opening))
        yield* settle
        assert.deepStrictEqual(server.closes(), [["canceled", "request canceled"]])
      })
      for (const ops of [3, 4, 5, 7]) {
        for (let steps = 0; steps < 30; steps++) yield* Effect.scoped(openFor(ops, steps))
      }
    }).pipe(onBus)
  )

  it.effect("by the turn before the ack, where the fiber has not gone on yet", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Alone")
      const bus = yield* MessageBus
      let interrupt = (): void => {}
      yield* bus.subscribe(Channels.clientStream("Chat", "CLI_me"), () => interrupt())
      const client = yield* Client.make(Chat, { clientId: "CLI_me" })
      const opening = yield* start(client.alone())
      interrupt = () => opening.interruptUnsafe()
      yield* settle
      server.accept()
      yield* settle
      assert.isTrue(Exit.hasInterrupts(exitOf(opening)))
      yield* settle
      assert.deepStrictEqual(server.closes(), [["canceled", "request canceled"]])
      server.send("anybody?")
      yield* settle
      assert.strictEqual(server.count("ack"), 0)
    }).pipe(onBus)
  )

  it.effect("closing the client: fails as closed, and the server is told", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Talk")
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Chat), scope)
      const opening = yield* start(client.talk())
      yield* settle
      server.claim("a")
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.strictEqual(errorOf(opening).reason, "client_closed")
      assert.isTrue(errorOf(opening).mayHaveRun)
      assert.strictEqual(server.closes()[0]?.[0], "canceled")
      assert.strictEqual(server.chosen.at(-1)?.serverId, "")
    }).pipe(onBus)
  )
})

describe("interrupting what uses a stream", () => {
  it.effect("a send: the stream stays usable, and the message may still arrive", () =>
    Effect.gen(function* () {
      const server = yield* fakeStreamServer("Alone")
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.alone())
      yield* settle
      server.accept()
      const here = yield* Fiber.join(opening)
      const send = yield* start(here.send("one"))
      yield* settle
      yield* Fiber.interrupt(send)
      server.ackAll()
      const second = yield* start(here.send("two"))
      yield* settle
      assert.isTrue(isRunning(second))
      server.ackAll()
      yield* Fiber.join(second)
      assert.deepStrictEqual(server.texts(), ["one", "two"])
    }).pipe(onBus)
  )

  it.effect("the scope of a stream: the server's messages end as canceled, once", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      const user = yield* start(Effect.scoped(Effect.andThen(client.talk(), Effect.never)))
      yield* settle
      const { fiber } = yield* reading(ends[0]!.messages)
      yield* Fiber.interrupt(user)
      yield* settle
      assert.strictEqual(errorOf(fiber)._tag, "Canceled")
      assert.strictEqual(errorOf(fiber).message, "request canceled")
      assert.deepStrictEqual(yield* kinds, ["open", "ack", "close"])
    }).pipe(onBus)
  )
})
