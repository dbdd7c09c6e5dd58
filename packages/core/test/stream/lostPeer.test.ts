import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Scope, Exit } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import type { PsrpcError } from "../../src/PsrpcError.ts"
import { errorOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import type { BidiStream } from "../../src/BidiStream.ts"
import {
  Chat,
  fakeStreamServer,
  keeping,
  pair,
  serve,
  swallowing,
  withFakeClient,
  withFakeServer
} from "./streamPairs.ts"

/** Waits for the end of a stream, and says when it was and why. */
const endOf = (stream: BidiStream<string, string>) =>
  start(
    Effect.gen(function* () {
      const error = yield* Effect.flip(stream.closed)
      return { at: yield* Clock.currentTimeMillis, error }
    })
  )

/** Fails the test unless the stream ended at the time, by the other end's vanishing. */
const peerLostAt = (fiber: Fiber.Fiber<{ readonly at: number; readonly error: PsrpcError }, void>, at: number) =>
  Effect.gen(function* () {
    const end = yield* Fiber.join(fiber)
    assert.strictEqual(end.at, at)
    assert.strictEqual(end.error._tag, "Unavailable")
    assert.strictEqual(end.error.reason, "peer_lost")
    assert.strictEqual(end.error.message, "the peer of the stream is lost: no acks (Chat.Talk)")
  })

describe("an end that has gone without a word", () => {
  it.effect("a send that nobody listens to ends the stream at once", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(fakeStreamServer("Talk"), scope)
      const client = yield* Client.make(Chat)
      const opening = yield* start(client.talk())
      yield* settle
      server.claim("a")
      yield* settle
      server.accept()
      const here = yield* Fiber.join(opening)
      const first = yield* start(here.send("unanswered"))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      const second = yield* start(here.send("x"))
      for (const failed of [first, second]) {
        assert.strictEqual(errorOf(failed)._tag, "Unavailable")
        assert.strictEqual(errorOf(failed).reason, "no_listeners")
      }
      assert.strictEqual((yield* Effect.flip(here.closed)).reason, "no_listeners")
    }).pipe(onBus)
  )

  it.effect("a client that is gone before the ack: the handler finds its stream closed, and leaves nothing", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      const bus = yield* MessageBus
      const isDeaf = { value: false }
      const deaf = MessageBus.of({
        ...bus,
        publishUnsafe(target, message, expiry, delivery) {
          if (isDeaf.value) return delivery.delivered(0)
          bus.publishUnsafe(target, message, expiry, delivery)
        }
      })
      const server = yield* Effect.provideService(serve({ alone: handle }), MessageBus, deaf)
      const client = yield* Client.make(Chat)
      isDeaf.value = true
      const opening = yield* start(client.alone({ timeout: 100 }))
      yield* TestClock.adjust(100)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(opening)))
      assert.strictEqual(ends.length, 1)
      assert.strictEqual((yield* Effect.flip(ends[0]!.closed)).reason, "no_listeners")
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  it.effect("a silent server: the send times out, and the stream ends, at the stream's timeout", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      yield* TestClock.adjust("1 hour")
      const end = yield* endOf(here)
      const send = yield* start(here.send("x"))
      yield* TestClock.adjust(2999)
      assert.deepStrictEqual([isRunning(end), isRunning(send)], [true, true])
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      yield* peerLostAt(end, 3_603_000)
      yield* settle
      // in case that it is there after all
      assert.strictEqual(server.closes()[0]?.[0], "unavailable")
    }).pipe(onBus)
  )

  it.effect("a silent client: the same at the server, at the server's timeout", () =>
    Effect.gen(function* () {
      const { there } = yield* withFakeClient({ server: { sendTimeout: 700 } })
      const end = yield* endOf(there)
      yield* start(there.send("x"))
      yield* TestClock.adjust(700)
      yield* peerLostAt(end, 700)
    }).pipe(onBus)
  )

  it.effect("not where anything was heard since the send: an ack, a message, a sign of life", () =>
    Effect.gen(function* () {
      for (const what of ["ack", "message", "keepalive"] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { here, server } = yield* withFakeServer()
            const end = yield* endOf(here)
            const acked = yield* start(here.send("a"))
            const send = yield* start(here.send("b"))
            yield* TestClock.adjust(2999)
            if (what === "ack") server.ack(server.heard.find(({ kind }) => kind === "message")!)
            else if (what === "message") server.send("hello")
            else server.keepalive()
            yield* TestClock.adjust(1)
            assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
            assert.isFalse(isRunning(acked))
            yield* TestClock.adjust("1 hour")
            assert.isTrue(isRunning(end))
          })
        )
      }
    }).pipe(onBus)
  )

  it.effect("but the next silence counts: from its own send on", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const end = yield* endOf(here)
      yield* start(here.send("a"))
      yield* TestClock.adjust(1000)
      server.keepalive()
      yield* TestClock.adjust(500)
      yield* start(here.send("b"))
      yield* TestClock.adjust(2999)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      yield* peerLostAt(end, 4500)
    }).pipe(onBus)
  )

  it.effect("a send with a short timeout: the silence still has the stream's timeout", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const end = yield* endOf(here)
      const send = yield* start(here.send("a", { timeout: 50 }))
      yield* TestClock.adjust(50)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      // more of them change nothing: the first counts
      yield* start(here.send("b", { timeout: 50 }))
      yield* TestClock.adjust(2949)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      yield* peerLostAt(end, 3000)
      assert.strictEqual(server.texts().length, 2)
    }).pipe(onBus)
  )

  it.effect("a sign of life in that time ends the suspicion", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      const end = yield* endOf(here)
      yield* start(here.send("a", { timeout: 50 }))
      yield* TestClock.adjust(2999)
      server.keepalive()
      yield* TestClock.adjust("1 hour")
      assert.isTrue(isRunning(end))
    }).pipe(onBus)
  )

  it.effect("a send that was interrupted: the silence has the stream's timeout from when it left", () =>
    Effect.gen(function* () {
      const { here } = yield* withFakeServer()
      const end = yield* endOf(here)
      const sends = [yield* start(here.send("a"))]
      yield* TestClock.adjust(1000)
      sends.push(yield* start(here.send("b")))
      yield* TestClock.adjust(500)
      // the later one first
      yield* Fiber.interrupt(sends[1]!)
      yield* Fiber.interrupt(sends[0]!)
      yield* TestClock.adjust(1499)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      yield* peerLostAt(end, 3000)
    }).pipe(onBus)
  )

  it.effect("a message that waited for its connection: the silence begins when it has left", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      const held: Array<() => void> = []
      let isHeld = false
      const holding = MessageBus.of({
        ...bus,
        publishUnsafe(target, message, expiry, delivery) {
          const publish = (): void => bus.publishUnsafe(target, message, expiry, delivery)
          if (isHeld) held.push(publish)
          else publish()
        }
      })
      const server = yield* fakeStreamServer("Alone")
      const client = yield* Effect.provideService(Client.make(Chat), MessageBus, holding)
      const opening = yield* start(client.alone())
      yield* settle
      server.accept()
      const here = yield* Fiber.join(opening)
      const end = yield* endOf(here)
      isHeld = true
      const send = yield* start(here.send("x"))
      yield* TestClock.adjust(2900)
      isHeld = false
      for (const publish of held) publish()
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      yield* TestClock.adjust(2899)
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1)
      const { at, error } = yield* Fiber.join(end)
      assert.deepStrictEqual([at, error.reason], [5900, "peer_lost"])
    }).pipe(onBus)
  )

  it.effect("a lost close is found out by the next send, and the probe after it", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      const lossy = swallowing(bus, ({ kind }) => kind === "close")
      const { here, there } = yield* Effect.provideService(
        pair({ server: { keepalive: "Infinity" }, client: { keepalive: "Infinity" } }),
        MessageBus,
        lossy
      )
      yield* there.close()
      yield* TestClock.adjust("1 hour")
      const end = yield* endOf(here)
      const send = yield* start(here.send("anybody?"))
      yield* TestClock.adjust(3000)
      assert.strictEqual(errorOf(send)._tag, "DeadlineExceeded")
      assert.isTrue(isRunning(end))
      yield* TestClock.adjust(1000)
      yield* peerLostAt(end, 3_604_000)
    }).pipe(onBus)
  )

  it.effect("messages that expire on their way are no silence between ends of ours", () =>
    Effect.gen(function* () {
      const { client, there } = yield* withFakeClient({ capabilities: { features: 1, keepalive: 0, buffer: 0 } })
      yield* TestClock.adjust(1000)
      client.send("late", 999)
      yield* settle
      assert.strictEqual(client.count("keepalive"), 1)
      yield* there.close()
    }).pipe(onBus)
  )
})
