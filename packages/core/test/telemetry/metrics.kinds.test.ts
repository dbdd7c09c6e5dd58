// What is counted of calls that every server answers, of streams, of updates and those who hear them.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { Chat, keeping, pair, reading, sending, serve, withFakeClient } from "../stream/streamPairs.ts"
import { errorOf, fakeServers, isRunning, json, onBus, publish, settle, start } from "../helpers/harness.ts"
import { endings, numbers, only } from "./metering.ts"

class Farm extends Service.make("Farm", {
  load: Rpc.multi({ request: Schema.String, response: Schema.String }),
  told: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

const farm = Farm.of({ load: (request) => Effect.delay(Effect.succeed("busy"), Number(request)) })

/** Waits for claims to compare. */
const slow = Selection.make({ affinityTimeout: "1 second", shortCircuitTimeout: "500 millis" })

const size = (value: string): number => json(value).length

describe("a call that every server answers", () => {
  it.effect("is one call of the client, which lasts until its end, and one of each server", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) yield* Server.make(Farm, farm)
      const client = yield* Client.make(Farm)
      const all = yield* start(Stream.runCollect(client.load("20", { timeout: 100 })))
      yield* settle
      assert.deepStrictEqual(only(yield* numbers("server", "Load"), "calls"), { calls_started: 3, calls_in_flight: 3 })
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(all)).length, 3)
      assert.deepStrictEqual<unknown>(yield* numbers("client", "Load"), {
        calls_started: 1,
        "calls_finished ok": 1,
        call_duration_seconds: [1, 0.1],
        messages_sent: 1,
        sent_bytes: size("20"),
        messages_received: 3,
        received_bytes: 3 * size("busy")
      })
      assert.deepStrictEqual<unknown>(yield* numbers("server", "Load"), {
        calls_started: 3,
        "calls_finished ok": 3,
        call_duration_seconds: [3, 0.06],
        messages_sent: 3,
        sent_bytes: 3 * size("busy"),
        messages_received: 3,
        received_bytes: 3 * size("20")
      })
    }).pipe(onBus)
  )

  it.effect("with enough answers ends then, and a reader that has enough ends it well, too", () =>
    Effect.gen(function* () {
      for (let i = 0; i < 3; i++) yield* Server.make(Farm, farm)
      const client = yield* Client.make(Farm)
      yield* Stream.runCollect(client.load("0", { expect: 3 }))
      yield* Stream.runHead(client.load("0"))
      const failed = client.load("0").pipe(
        Stream.mapEffect(() => Effect.fail("enough")),
        Stream.runDrain
      )
      assert.strictEqual(yield* Effect.flip(failed), "enough")
      yield* settle
      assert.deepStrictEqual(yield* endings("client", "Load"), { "calls_finished ok": 3 })
    }).pipe(onBus)
  )

  it.effect("interrupted, with its client closed, with nobody there", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Client.make(Farm).pipe(Scope.provide(scope))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Stream.runDrain(client.load("0")))))
      assert.deepStrictEqual(yield* endings("client", "Load"), { "calls_finished unavailable": 1 })
      yield* Server.make(Farm, farm)
      const interrupted = yield* start(Stream.runDrain(client.load("1000")))
      yield* settle
      yield* Fiber.interrupt(interrupted)
      const closed = yield* start(Stream.runDrain(client.load("1000")))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.isFalse(isRunning(closed))
      assert.deepStrictEqual(yield* endings("client", "Load"), {
        "calls_finished unavailable": 1,
        "calls_finished canceled": 2
      })
      assert.deepStrictEqual(yield* endings("server", "Load"), { "calls_finished canceled": 2 })
    }).pipe(onBus)
  )

  it.effect("the answers that come twice, or find no room", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const servers = yield* fakeServers("Farm", "Load")
      const slow = Stream.mapEffect(client.load("0", { multiBufferSize: 1 }), () => Effect.sleep("10 seconds"))
      const call = yield* start(Stream.runDrain(slow))
      yield* settle
      for (const server of ["a", "a", "b", "c", "d"]) servers.answer(server, { raw: json("x") })
      yield* settle
      const all = yield* numbers("client", "Load")
      assert.strictEqual(all["messages_dropped repeated"], 1)
      assert.strictEqual(all["messages_dropped overflow"], 2)
      assert.strictEqual(all["messages_received"], 4)
      yield* Fiber.interrupt(call)
    }).pipe(onBus)
  )
})

describe("a stream", () => {
  it.effect("is a call of both ends for as long as it lasts; its messages, on either side", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* reading(there.messages)
      yield* reading(here.messages)
      yield* sending(here, ["one", "two"])
      yield* sending(there, ["three"])
      yield* TestClock.adjust("2 seconds")
      const open = { calls_started: 1, calls_in_flight: 1, streams_open: 1 }
      assert.deepStrictEqual(only(yield* numbers("client", "Talk"), "calls", "streams"), open)
      assert.deepStrictEqual(only(yield* numbers("server", "Talk"), "calls", "streams"), open)
      yield* here.close()
      yield* settle
      const both = {
        calls_started: 1,
        "calls_finished ok": 1,
        call_duration_seconds: [1, 2],
        claims: 1
      }
      const [two, one] = [size("one") + size("two"), size("three")]
      assert.deepStrictEqual<unknown>(yield* numbers("client", "Talk"), {
        ...both,
        claim_wait_seconds: [1, 0],
        messages_sent: 2,
        sent_bytes: two,
        messages_received: 1,
        received_bytes: one
      })
      assert.deepStrictEqual<unknown>(yield* numbers("server", "Talk"), {
        ...both,
        "claims_settled chosen": 1,
        messages_sent: 1,
        sent_bytes: one,
        messages_received: 2,
        received_bytes: two
      })
    }).pipe(onBus)
  )

  it.effect("that is closed with a cause counts by its code, at both ends", () =>
    Effect.gen(function* () {
      const { here } = yield* pair()
      yield* here.close(PsrpcError.fromCode("aborted", { message: "enough" }))
      yield* settle
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(yield* endings(side, "Talk"), { "calls_finished aborted": 1 })
      }
    }).pipe(onBus)
  )

  it.effect("whose handler fails counts by the code of its failure", () =>
    Effect.gen(function* () {
      yield* serve({ alone: () => Effect.fail(PsrpcError.fromCode("not_found", { message: "no such room" })) })
      const client = yield* Client.make(Chat)
      const stream = yield* client.alone()
      assert.strictEqual((yield* Effect.flip(stream.closed))._tag, "NotFound")
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(yield* endings(side, "Alone"), { "calls_finished not_found": 1 })
        assert.isUndefined((yield* numbers(side, "Alone"))["streams_open"])
      }
    }).pipe(onBus)
  )

  it.effect("whose opening fails, is given up, or is refused", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Chat)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(client.best())))
      assert.deepStrictEqual(yield* endings("client", "Best"), { "calls_finished unavailable": 1 })
      const { handle } = keeping()
      const server = yield* serve({ best: { affinity: 1, handle }, alone: handle }, { maxInFlight: 1 })
      const given = yield* start(client.best({ selection: slow }))
      yield* settle
      yield* Fiber.interrupt(given)
      yield* settle
      assert.deepStrictEqual(yield* endings("client", "Best"), {
        "calls_finished unavailable": 1,
        "calls_finished canceled": 1
      })
      assert.deepStrictEqual(only(yield* numbers("server", "Best"), "calls", "claims", "streams"), {
        claims: 1,
        "claims_settled canceled": 1
      })

      yield* client.alone()
      const refused = yield* Effect.flip(client.alone())
      assert.strictEqual(refused._tag, "ResourceExhausted")
      const atClient = yield* numbers("client", "Alone")
      assert.deepStrictEqual(only(atClient, "calls", "streams"), {
        calls_started: 2,
        "calls_finished resource_exhausted": 1,
        calls_in_flight: 1,
        streams_open: 1
      })
      assert.deepStrictEqual(only(yield* numbers("server", "Alone"), "calls", "streams"), {
        calls_started: 2,
        "calls_finished resource_exhausted": 1,
        calls_in_flight: 1,
        streams_open: 1
      })
      yield* server.kill
      yield* settle
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(only(yield* numbers(side, "Alone"), "calls_finished", "calls_in", "streams"), {
          "calls_finished resource_exhausted": 1,
          "calls_finished unavailable": 1
        })
      }
    }).pipe(onBus)
  )

  it.effect("with its client closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat).pipe(Scope.provide(scope))
      yield* client.talk()
      yield* Scope.close(scope, Exit.void)
      yield* settle
      for (const side of ["client", "server"]) {
        assert.deepStrictEqual(yield* endings(side, "Talk"), { "calls_finished canceled": 1 })
        assert.isUndefined((yield* numbers(side, "Talk"))["streams_open"])
      }
    }).pipe(onBus)
  )

  it.effect(
    "a server's handler that goes on after the close is in flight until it returns, and the stream is not",
    () =>
      Effect.gen(function* () {
        yield* serve({ talk: () => Effect.sleep("5 seconds") })
        const client = yield* Client.make(Chat)
        const stream = yield* client.talk()
        yield* TestClock.adjust("1 second")
        yield* stream.close()
        yield* settle
        assert.deepStrictEqual<unknown>(only(yield* numbers("client", "Talk"), "call_", "calls", "streams"), {
          calls_started: 1,
          "calls_finished ok": 1,
          call_duration_seconds: [1, 1]
        })
        assert.deepStrictEqual(only(yield* numbers("server", "Talk"), "calls", "streams"), {
          calls_started: 1,
          calls_in_flight: 1
        })
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual<unknown>(only(yield* numbers("server", "Talk"), "call_", "calls", "streams"), {
          calls_started: 1,
          "calls_finished ok": 1,
          call_duration_seconds: [1, 5]
        })
      }).pipe(onBus)
  )

  it.effect("its messages that come late, find no room, or cannot be read", () =>
    Effect.gen(function* () {
      const { client } = yield* withFakeClient({ server: { streamBufferSize: 1 } })
      client.send("late", 0)
      for (const text of ["read", "held", "lost"]) client.send(text)
      client.sendRaw(new Uint8Array([0xff]))
      yield* settle
      assert.deepStrictEqual(only(yield* numbers("server", "Talk"), "messages", "calls_finished", "received"), {
        "messages_dropped expired": 1,
        "messages_dropped overflow": 1,
        "messages_dropped malformed": 1,
        messages_received: 3,
        received_bytes: size("read") + size("held") + size("lost"),
        ...(yield* endings("server", "Talk"))
      })
    }).pipe(onBus)
  )
})

describe("an update", () => {
  it.effect("is counted by who publishes it and by each subscription that it comes to", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Farm)
      const publisher = yield* Publisher.make(Farm)
      const scope = yield* Scope.make()
      yield* client.told().pipe(Scope.provide(scope))
      const updates = yield* client.told()
      assert.strictEqual((yield* numbers("client", "Told"))["subscriptions"], 2)
      yield* publisher.told("one")
      yield* publisher.told("three")
      yield* settle
      assert.strictEqual((yield* Stream.runCollect(Stream.take(updates, 2))).length, 2)
      assert.deepStrictEqual(yield* numbers("publisher", "Told"), {
        "publishes_finished ok": 2,
        messages_sent: 2,
        sent_bytes: size("one") + size("three") + 4
      })
      assert.deepStrictEqual(yield* numbers("client", "Told"), {
        subscriptions: 2,
        messages_received: 4,
        received_bytes: 2 * (size("one") + size("three") + 4)
      })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* numbers("client", "Told"))["subscriptions"], 1)
    }).pipe(onBus)
  )

  it.effect("that finds no room, or cannot be read; a subscription that ends for it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const client = yield* Client.make(Farm).pipe(Scope.provide(scope))
      const publisher = yield* Publisher.make(Farm)
      yield* client.told({ subscriptionBufferSize: 1 })
      yield* client.told({ subscriptionBufferSize: 1, overflow: "fail" })
      yield* publisher.told("x")
      yield* publisher.told("x")
      // by then the second subscription has ended
      yield* settle
      yield* publisher.told("x")
      yield* settle
      const all = yield* numbers("client", "Told")
      assert.strictEqual(all["subscriptions"], 1)
      assert.strictEqual(all["messages_received"], 2)
      assert.strictEqual(all["messages_dropped overflow"], 3)
      yield* client.told()
      yield* publish(Channels.request("Farm", "Told", [], false), new Uint8Array([0xff]))
      yield* settle
      assert.strictEqual((yield* numbers("client", "Told"))["messages_dropped malformed"], 1)
      yield* Scope.close(scope, Exit.void)
      assert.isUndefined((yield* numbers("client", "Told"))["subscriptions"])
    }).pipe(onBus)
  )

  it.effect("that the broker does not take: in flight, withdrawn, refused", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      const fates: Array<MessageBus["Service"]["publishUnsafe"] extends (...args: infer A) => void ? A[3] : never> = []
      const holding = MessageBus.of({ ...bus, publishUnsafe: (...args) => void fates.push(args[3]) })
      const publisher = yield* Publisher.make(Farm).pipe(Effect.provideService(MessageBus, holding))
      const one = yield* start(publisher.told("one"))
      const two = yield* start(publisher.told("two"))
      const three = yield* start(publisher.told("three"))
      assert.strictEqual((yield* numbers("publisher", "Told"))["publishes_in_flight"], 3)
      yield* Fiber.interrupt(one)
      fates[1]!.undelivered(PsrpcError.fromCode("unavailable", { message: "gone" }))
      fates[2]!.delivered(0)
      yield* settle
      assert.isFalse(isRunning(one))
      assert.strictEqual(errorOf(two)._tag, "Unavailable")
      yield* Fiber.join(three)
      assert.deepStrictEqual(only(yield* numbers("publisher", "Told"), "publishes"), {
        "publishes_finished canceled": 1,
        "publishes_finished unavailable": 1,
        "publishes_finished ok": 1
      })
      // what is told after it was withdrawn changes nothing
      fates[0]!.undelivered(PsrpcError.fromCode("unavailable", { message: "late" }))
      assert.strictEqual((yield* numbers("publisher", "Told"))["publishes_finished unavailable"], 1)
    }).pipe(onBus)
  )
})

describe("what comes for no method that can be told", () => {
  it.effect("is a drop of the service", () =>
    Effect.gen(function* () {
      yield* Client.make(Farm, { clientId: "CLI_odd" })
      for (const channel of [
        Channels.response("Farm", "CLI_odd"),
        Channels.claimRequest("Farm", "CLI_odd"),
        Channels.clientStream("Farm", "CLI_odd")
      ]) {
        yield* publish(channel, new Uint8Array([0xff]))
      }
      yield* settle
      assert.deepStrictEqual(yield* numbers("client", undefined), { "messages_dropped malformed": 3 })
    }).pipe(onBus)
  )
})
