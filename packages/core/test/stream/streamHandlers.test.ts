import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Server from "../../src/Server.ts"
import { isRunning, Logs, onBus, settle, start } from "../helpers/harness.ts"
import { Chat, fakeStreamClient, keeping, kinds, numbered, reading, serve, type ServerEnd } from "./streamPairs.ts"

const aborted = PsrpcError.fromCode("aborted", { message: "enough" })

/** How the client's end of a stream with that handler ends. */
const endWith = Effect.fnUntraced(function* (handle: (stream: ServerEnd) => Effect.Effect<unknown, any>) {
  yield* serve({ talk: handle })
  const client = yield* Client.make(Chat)
  const here = yield* client.talk()
  yield* settle
  const closed = yield* start(here.closed)
  yield* settle
  const exit = closed.pollUnsafe()
  if (exit === undefined) return "open"
  if (Exit.isSuccess(exit)) return "closed"
  const error = yield* Effect.flip(here.closed)
  return `${error.code}: ${error.message}`
})

describe("the handler of a stream", () => {
  for (const [name, handle, expected] of [
    ["returns: closed without a cause", () => Effect.void, "closed"],
    ["returns after a while", () => Effect.yieldNow, "closed"],
    ["fails: closed with its error", () => Effect.fail(aborted), "aborted: enough"],
    ["fails with what is no PsrpcError: unknown, with its text", () => Effect.fail(new Error("odd")), "unknown: odd"],
    ["dies: internal, and no word of it", () => Effect.die(new Error("secret")), "internal: internal error"],
    [
      "throws: internal, and no word of it",
      () => {
        throw new Error("secret")
      },
      "internal: internal error"
    ],
    ["interrupts itself: canceled", () => Effect.interrupt, "canceled: request canceled"],
    ["fails and dies: its error", () => Effect.ensuring(Effect.fail(aborted), Effect.die("secret")), "internal"],
    ["does not return: open", () => Effect.never, "open"],
    ["hijacks and returns: open", (stream: ServerEnd) => stream.hijack, "open"],
    [
      "hijacks and fails: closed with its error",
      (stream: ServerEnd) => Effect.andThen(stream.hijack, Effect.fail(aborted)),
      "aborted: enough"
    ],
    [
      "hijacks and dies: internal",
      (stream: ServerEnd) => Effect.andThen(stream.hijack, Effect.die(new Error("secret"))),
      "internal: internal error"
    ],
    [
      "closes, and goes on",
      (stream: ServerEnd) => Effect.andThen(stream.close(aborted), Effect.never),
      "aborted: enough"
    ],
    [
      "closes, and fails then: the close counts",
      (stream: ServerEnd) => Effect.andThen(stream.close(), Effect.fail(aborted)),
      "closed"
    ]
  ] as const) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const end = yield* endWith(handle)
        // which of two reasons is told is Effect's order of them
        if (expected === "internal") assert.include(["aborted: enough", "internal: internal error"], end)
        else assert.strictEqual(end, expected)
        const dies = /dies|throws/.test(name)
        const errors = (yield* Logs).filter(({ level }) => level === "Error")
        assert.strictEqual(errors.length, dies ? 1 : 0)
        if (dies) assert.strictEqual(errors[0]!.text, "psrpc: the handler of Chat.Talk died")
      }).pipe(onBus)
    )
  }

  it.effect("has a scope of its own, which closes when it returns, hijacked or not", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      yield* serve({
        talk: (stream) =>
          Effect.gen(function* () {
            yield* Effect.addFinalizer(() => Effect.sync(() => order.push("scope")))
            yield* stream.hijack
            yield* stream.send("last")
            order.push("returns")
          })
      })
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      const { fiber, seen } = yield* reading(here.messages)
      yield* settle
      assert.deepStrictEqual(order, ["returns", "scope"])
      assert.deepStrictEqual(seen, ["last"])
      assert.isTrue(isRunning(fiber))
    }).pipe(onBus)
  )

  it.effect("a hijacked stream goes on both ways, until either end closes it", () =>
    Effect.gen(function* () {
      const ends: Array<ServerEnd> = []
      const server = yield* serve({
        talk: (stream) => {
          ends.push(stream)
          return stream.hijack
        }
      })
      const client = yield* Client.make(Chat)
      for (const side of ["here", "there"] as const) {
        const here = yield* client.talk()
        const there = ends.pop()!
        const up = yield* reading(there.messages)
        const down = yield* reading(here.messages)
        yield* here.send("up")
        yield* there.send("down")
        yield* side === "here" ? here.close() : there.close()
        yield* settle
        yield* Fiber.join(up.fiber)
        yield* Fiber.join(down.fiber)
        assert.deepStrictEqual([up.seen, down.seen], [["up"], ["down"]])
      }
      const draining = yield* start(server.drain)
      yield* settle
      assert.isFalse(isRunning(draining))
    }).pipe(onBus)
  )

  it.effect("is not interrupted when the client closes or vanishes: its messages end", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      yield* serve({
        talk: (stream) =>
          Effect.exit(Effect.forever(stream.send("tick", { timeout: 100 }))).pipe(
            Effect.andThen(Effect.exit(stream.closed)),
            Effect.andThen(Effect.sleep("1 hour")),
            Effect.andThen(Effect.sync(() => seen.push("finished")))
          )
      })
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      yield* here.close(aborted)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(seen, ["finished"])
    }).pipe(onBus)
  )

  it.effect("knows the call, also in code below it", () =>
    Effect.gen(function* () {
      const methods: Array<string> = []
      yield* Server.make(Chat, {
        ...Server.unimplemented(Chat),
        talk: () => Effect.map(Server.CurrentCall, ({ method }) => methods.push(method))
      })
      const client = yield* Client.make(Chat)
      yield* client.talk()
      yield* settle
      assert.deepStrictEqual(methods, ["Talk"])
    }).pipe(onBus)
  )

  it.effect("that is not written: unimplemented", () =>
    Effect.gen(function* () {
      yield* serve({})
      const client = yield* Client.make(Chat)
      const here = yield* client.talk()
      const error = yield* Effect.flip(here.closed)
      assert.strictEqual(error.code, "unimplemented")
      assert.strictEqual(error.message, "method is not implemented (Chat.Talk)")
    }).pipe(onBus)
  )

  it.effect("an opening that comes twice opens one stream, and one too late none", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ alone: handle })
      const client = yield* fakeStreamClient("Alone")
      client.open()
      client.open()
      yield* settle
      client.open()
      yield* TestClock.adjust(1000)
      client.open({ streamId: "STR_late", requestId: "REQ_late", expiry: 1000 })
      yield* settle
      assert.strictEqual(ends.length, 1)
      assert.strictEqual(client.count("ack"), 1)
    }).pipe(onBus)
  )
})

describe("many streams", () => {
  it.effect("a thousand at once, each its own", () =>
    Effect.gen(function* () {
      yield* serve({
        talk: (stream) => Effect.exit(stream.send(`hello ${stream.streamId}`)).pipe(Effect.andThen(stream.hijack))
      })
      const client = yield* Client.make(Chat)
      const scope = yield* Scope.make()
      const all = yield* Effect.forEach(numbered(1000), () => Scope.provide(client.talk(), scope), {
        concurrency: "unbounded"
      })
      const read = yield* Effect.forEach(all, ({ messages }) => reading(messages))
      yield* settle
      assert.deepStrictEqual(
        read.map(({ seen }) => seen),
        all.map(({ streamId }) => [`hello ${streamId}`])
      )
      yield* Scope.close(scope, Exit.void)
      yield* settle
      for (const { fiber } of read) assert.isFalse(isRunning(fiber))
      assert.strictEqual((yield* kinds).filter((kind) => kind === "close").length, 1000)
    }).pipe(onBus)
  )
})
