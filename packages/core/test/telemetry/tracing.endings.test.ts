/** Spans of every kind, whatever ends what they are of, and in whatever order. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { ServerStream } from "../../src/BidiStream.ts"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { Recorded, recorded } from "./recording.ts"

const calls = { request: Schema.String, response: Schema.String }
const streams = { send: Schema.String, receive: Schema.String }

class All extends Service.make("All", {
  hello: Rpc.unary(calls),
  best: Rpc.unary({ ...calls, routing: "affinity" }),
  steady: Rpc.unary({ ...calls, runToCompletion: true }),
  every: Rpc.multi(calls),
  talk: Rpc.stream(streams),
  bestTalk: Rpc.stream({ ...streams, routing: "affinity" }),
  news: Rpc.subscription({ message: Schema.String, routing: "multi" }),
  jobs: Rpc.subscription({ message: Schema.String })
}) {}

/** Numbers from 0 to 1, the same for the same seed. */
const randoms = (seed: number) => {
  let state = seed * 7919
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** One program of what may happen to clients, servers and those that use them, in an order of its own. */
const program = Effect.fnUntraced(function* (seed: number) {
  const random = randoms(seed)
  const upTo = (most: number): number => Math.floor(random() * most)
  const pick = <A>(...all: ReadonlyArray<A>): A => all[upTo(all.length)]!
  const spans = yield* Recorded
  const scope = yield* Scope.make()

  const answer = () =>
    pick<Effect.Effect<string, PsrpcError.PsrpcError>>(
      Effect.succeed("now"),
      Effect.delay(Effect.succeed("later"), upTo(5000)),
      Effect.fail(new PsrpcError.NotFound({ message: "none" })),
      Effect.die(new Error("a defect")),
      Effect.interrupt,
      Effect.never,
      Effect.uninterruptible(Effect.delay(Effect.succeed("last"), 4000))
    )
  const talk = (stream: ServerStream<string, string>) =>
    pick<Effect.Effect<void, PsrpcError.PsrpcError>>(
      Stream.runForEach(stream.messages, (message) => stream.send(message)),
      Effect.void,
      Effect.fail(new PsrpcError.Aborted({ message: "enough" })),
      Effect.die(new Error("a defect")),
      Effect.never,
      stream.hijack,
      stream.close(),
      Effect.andThen(stream.send("hi"), stream.close(new PsrpcError.Internal({ message: "broken" })))
    )
  const handlers = All.of({
    hello: answer,
    best: { affinity: () => pick(Effect.succeed(0.9), Effect.delay(Effect.succeed(0.7), 100)), handle: answer },
    steady: answer,
    every: answer,
    talk,
    bestTalk: { affinity: () => 0.5, handle: talk }
  })
  const servers: Array<Server.Server<typeof All.methods>> = []
  for (let i = 0; i <= upTo(3); i++) {
    const made = Server.make(All, handlers, { maxInFlight: pick(1, 2, 100) })
    servers.push(yield* Scope.provide(made, scope))
  }
  const clientScope = yield* Scope.fork(scope)
  const size = pick(1, 2, 100)
  const sizes = { streamBufferSize: size, subscriptionBufferSize: size, multiBufferSize: size, claimBufferSize: size }
  const client = yield* Scope.provide(Client.make(All, sizes), clientScope)
  const publisher = yield* Publisher.make(All)

  const options = () =>
    pick<Client.QueueCallOptions>(
      {},
      { selection: Selection.first },
      { selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: "Infinity" }) },
      { timeout: 500 }
    )
  const compared = () =>
    pick<Client.AffinityCallOptions>(options(), { selection: Selection.affinity }, { selection: Selection.make() })
  const every = () => client.every("a", pick<Client.MultiCallOptions>({}, { expect: 1 }, { idleTimeout: 100 }))
  const subscribed = () =>
    pick(
      client.news,
      client.jobs
    )(
      pick<Client.SubscribeOptions>(
        {},
        { subscriptionBufferSize: 1 },
        { subscriptionBufferSize: 1, overflow: pick("sliding", "fail") }
      )
    )
  const deed = (): Effect.Effect<unknown, unknown> => {
    switch (upTo(8)) {
      case 0:
        return client.hello("a", options())
      case 1:
        return client.best("a", compared())
      case 2:
        return client.steady("a", options())
      case 3:
        return pick<Effect.Effect<unknown, unknown>>(
          Stream.runDrain(every()),
          Stream.runHead(every()),
          Stream.runForEach(every(), () => Effect.fail("its reader"))
        )
      case 4:
        return Effect.scoped(
          Effect.flatMap(pick(client.talk, client.bestTalk)(), ({ close, closed, closeSend, messages, send }) =>
            pick<Effect.Effect<unknown, unknown>>(
              Effect.andThen(send("a"), Stream.runHead(messages)),
              Effect.never,
              close(),
              Effect.fail("its user"),
              Effect.andThen(closeSend, closed),
              Effect.sleep(2000)
            )
          )
        )
      case 5: {
        const outgoing = pick<Stream.Stream<string, string>>(
          Stream.make("a", "b"),
          Stream.never,
          Stream.fail("no more")
        )
        return Stream.runDrain(Stream.take(client.talk.through(outgoing), pick(1, 5)))
      }
      case 6:
        return Effect.scoped(
          Effect.flatMap(subscribed(), (updates) =>
            pick<Effect.Effect<unknown, unknown>>(
              Stream.runDrain(updates),
              Effect.never,
              Stream.runHead(updates),
              Stream.runForEach(updates, () => Effect.never)
            )
          )
        )
      default:
        return Effect.forEach([1, 2, 3], () => pick(publisher.news, publisher.jobs)("a"))
    }
  }

  const deeds: Array<Fiber.Fiber<unknown, unknown>> = []
  for (let i = 0; i < 6 + upTo(10); i++) {
    deeds.push(yield* start(Effect.exit(deed())))
    const event = random()
    if (event < 0.2) yield* settle
    else if (event < 0.4) yield* TestClock.adjust(upTo(1500))
    else if (event < 0.6) yield* start(Fiber.interrupt(pick(...deeds)))
    else if (event < 0.65) yield* start(servers[0]!.kill)
    else if (event < 0.7) yield* start(servers[0]!.drain)
    else if (event < 0.73) yield* start(Scope.close(clientScope, Exit.void))
  }
  yield* TestClock.adjust("1 second")
  for (const fiber of deeds) yield* start(Fiber.interrupt(fiber))
  yield* settle
  const closing = yield* start(Scope.close(scope, Exit.void))
  while (isRunning(closing)) yield* TestClock.adjust("1 second")
  // what cannot be interrupted has its time
  yield* TestClock.adjust("10 seconds")
  return spans
})

describe("the spans of what is ended in any way", () => {
  it.effect.each(Array.from({ length: 60 }, (_, index) => index + 1))("end once, and have their parents: %i", (seed) =>
    Effect.gen(function* () {
      const spans = yield* program(seed)
      assert.notStrictEqual(spans.length, 0)
      const byId = new Map(spans.map((span) => [span.spanId, span]))
      for (const span of spans) {
        const { code, ends, hasFailed, kind, name, parentId, traceId } = span
        const about = `${kind} ${name} ${JSON.stringify(Object.fromEntries(span.attributes))}`
        assert.strictEqual(ends, 1, about)
        assert.strictEqual(code !== undefined, hasFailed, about)
        if (kind === "client" || kind === "producer") assert.strictEqual(parentId, undefined, about)
        else {
          const parent = byId.get(parentId!)
          assert.strictEqual(parent?.kind, kind === "server" ? "client" : "producer", about)
          assert.strictEqual(parent?.traceId, traceId, about)
          assert.strictEqual(parent?.attributes.get("rpc.method"), span.attributes.get("rpc.method"), about)
        }
      }
    }).pipe(onBus, Effect.provide(recorded))
  )
})
