import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import { codes } from "../../src/internal/errors/codes.ts"
import { MessageBus } from "../../src/MessageBus.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import { errorOf, exitOf, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import {
  Chat,
  keeping,
  kinds,
  pair,
  reading,
  serve,
  streamTraffic,
  withFakeClient,
  withFakeServer
} from "./streamPairs.ts"

const aborted = PsrpcError.fromCode("aborted", { message: "enough" })

describe("closing a stream", () => {
  for (const side of ["here", "there"] as const) {
    const other = side === "here" ? "there" : "here"

    it.effect(`${side}, without a cause: messages end normally and closed succeeds at both ends`, () =>
      Effect.gen(function* () {
        const made = yield* pair()
        const ends = [made[side], made[other]]
        const read = yield* Effect.forEach(ends, ({ messages }) => reading(messages))
        const closed = yield* Effect.forEach(ends, ({ closed }) => start(closed))
        yield* settle
        for (const fiber of closed) assert.isTrue(isRunning(fiber))
        yield* made[side].close()
        yield* settle
        for (const { fiber } of read) assert.isTrue(Exit.isSuccess(exitOf(fiber)))
        for (const fiber of closed) assert.isTrue(Exit.isSuccess(exitOf(fiber)))
        const close = (yield* streamTraffic).at(-1)!
        assert.deepInclude(close, { kind: "close", code: "canceled", error: "stream closed" })
      }).pipe(onBus)
    )

    it.effect(`${side}, with a cause: messages and closed fail with it at both ends`, () =>
      Effect.gen(function* () {
        const made = yield* pair()
        const ends = [made[side], made[other]]
        const read = yield* Effect.forEach(ends, ({ messages }) => reading(messages))
        const closed = yield* Effect.forEach(ends, ({ closed }) => start(closed))
        yield* made[side].close(aborted)
        yield* settle
        for (const { fiber } of read) assert.deepInclude(errorOf(fiber), { _tag: "Aborted", message: "enough" })
        for (const fiber of closed) assert.deepInclude(errorOf(fiber), { _tag: "Aborted", message: "enough" })
        for (const end of ends) assert.strictEqual((yield* Effect.flip(end.send("late")))._tag, "Aborted")
      }).pipe(onBus)
    )
  }

  it.effect("with any code: it arrives; details do not travel, an empty text is the code's", () =>
    Effect.gen(function* () {
      const closeWith = Effect.fnUntraced(function* (code: PsrpcError.Code, message: string) {
        const { here, there } = yield* pair()
        const details = [PsrpcError.detail(StringValueSchema, { value: "more" })]
        yield* there.close(PsrpcError.fromCode(code, { message, details }))
        yield* settle
        const error = yield* Effect.flip(here.closed)
        return [error.code, error.message, error.details]
      }, Effect.scoped)
      for (const code of codes) {
        assert.deepStrictEqual(yield* closeWith(code, `it is ${code}`), [code, `it is ${code}`, []])
        assert.deepStrictEqual(yield* closeWith(code, ""), [code, code, []])
      }
    }).pipe(onBus)
  )

  it.effect("with a code that this library does not know: kept as text, and sent on as it came", () =>
    Effect.gen(function* () {
      const { here, server } = yield* withFakeServer()
      server.close("out_of_cheese", "redo from start")
      yield* settle
      const error = yield* Effect.flip(here.closed)
      assert.strictEqual(error._tag, "Unknown")
      assert.strictEqual(error.message, "redo from start")
      assert.strictEqual(error._tag === "Unknown" ? error.peerCode : undefined, "out_of_cheese")
      const next = yield* withFakeClient({ server: { serverId: "SRV_next" } })
      yield* next.there.close(error)
      yield* settle
      assert.deepStrictEqual(next.client.closes(), [["out_of_cheese", "redo from start"]])
    }).pipe(onBus)
  )

  it.effect("canceled with another text, or another code with that text, is a cause", () =>
    Effect.gen(function* () {
      for (const [code, text] of [
        ["canceled", "request canceled"],
        ["unavailable", "stream closed"],
        ["", "something"]
      ] as const) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { here, server } = yield* withFakeServer()
            server.close(code, text)
            yield* settle
            const error = yield* Effect.flip(here.closed)
            assert.deepStrictEqual([error.code, error.message], [code || "unknown", text])
          })
        )
      }
    }).pipe(onBus)
  )

  it.effect("twice: the first counts", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* here.close(aborted)
      yield* here.close()
      yield* settle
      yield* there.close(PsrpcError.fromCode("internal"))
      yield* settle
      for (const end of [here, there]) assert.strictEqual((yield* Effect.flip(end.closed))._tag, "Aborted")
      assert.deepStrictEqual(yield* kinds, ["open", "ack", "close"])
    }).pipe(onBus)
  )

  it.effect("at both ends at once: each has its own cause, and nothing hangs", () =>
    Effect.gen(function* () {
      const { here, there } = yield* pair()
      yield* Effect.all([here.close(aborted), there.close()], { concurrency: "unbounded" })
      yield* settle
      assert.strictEqual((yield* Effect.flip(here.closed))._tag, "Aborted")
      yield* there.closed
      assert.deepStrictEqual(yield* kinds, ["open", "ack", "close", "close"])
    }).pipe(onBus)
  )

  it.effect("with what is no PsrpcError is a defect, and leaves it open", () =>
    Effect.gen(function* () {
      const { here } = yield* pair()
      const exit = yield* Effect.exit(here.close(new Error("oh") as never))
      assert.isTrue(Exit.hasDies(exit))
      yield* here.send("still open")
    }).pipe(onBus)
  )

  it.effect("waits until the broker has it, but not for a broker that does not say", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus
      const pending: Array<() => void> = []
      let isSlow = false
      const slow = MessageBus.of({
        ...bus,
        publishUnsafe(target, message, expiry, delivery) {
          if (!isSlow) return bus.publishUnsafe(target, message, expiry, delivery)
          pending.push(() => bus.publishUnsafe(target, message, expiry, delivery))
        }
      })
      const { handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Effect.provideService(Client.make(Chat), MessageBus, slow)
      const [first, second] = [yield* client.talk(), yield* client.talk()]
      isSlow = true
      const closing = yield* start(first.close())
      yield* settle
      assert.isTrue(isRunning(closing))
      pending.shift()!()
      assert.isFalse(isRunning(closing))
      const stuck = yield* start(second.close())
      yield* TestClock.adjust(2999)
      assert.isTrue(isRunning(stuck))
      yield* TestClock.adjust(1)
      assert.isFalse(isRunning(stuck))
    }).pipe(onBus)
  )
})

describe("the scope of a stream", () => {
  for (const [name, exit, expected] of [
    ["succeeds: closed without a cause", Exit.void, undefined],
    ["fails with a PsrpcError: that is the cause", Exit.fail(aborted), ["aborted", "enough"]],
    ["fails with something else: internal, and no word of it", Exit.fail("secret"), ["internal", "internal error"]],
    ["dies: internal, and no word of it", Exit.die(new Error("secret")), ["internal", "internal error"]],
    ["is interrupted: canceled", Exit.interrupt(), ["canceled", "request canceled"]]
  ] as const) {
    it.effect(`${name}`, () =>
      Effect.gen(function* () {
        const { ends, handle } = keeping()
        yield* serve({ talk: handle })
        const client = yield* Client.make(Chat)
        const scope = yield* Scope.make()
        const here = yield* Scope.provide(client.talk(), scope)
        yield* Scope.close(scope, exit as Exit.Exit<void, unknown>)
        yield* settle
        for (const end of [here, ends[0]!]) {
          const closed = yield* Effect.exit(end.closed)
          if (expected === undefined) assert.isTrue(Exit.isSuccess(closed))
          else {
            const error = yield* Effect.flip(end.closed)
            assert.deepStrictEqual([error.code, error.message], [...expected])
          }
        }
      }).pipe(onBus)
    )
  }

  it.effect("leaves a stream that was closed by hand as it is", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle })
      const client = yield* Client.make(Chat)
      yield* Effect.exit(
        Effect.scoped(
          Effect.gen(function* () {
            const here = yield* client.talk()
            yield* here.close()
            return yield* Effect.fail("afterwards")
          })
        )
      )
      yield* settle
      yield* ends[0]!.closed
    }).pipe(onBus)
  )
})

describe("closing a client with open streams", () => {
  it.effect("canceled, client is closed, at both ends; sends fail with it", () =>
    Effect.gen(function* () {
      const { ends, handle } = keeping()
      yield* serve({ talk: handle }, { streamBufferSize: 1 })
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(Client.make(Chat), scope)
      const here = yield* client.talk()
      yield* here.send("read later")
      const send = yield* start(here.send("waits"))
      const { fiber } = yield* reading(here.messages)
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      for (const failed of [send, fiber]) assert.strictEqual(errorOf(failed).reason, "client_closed")
      const error = yield* Effect.flip(ends[0]!.closed)
      assert.deepStrictEqual([error.code, error.message], ["canceled", "client is closed (Chat)"])
      assert.strictEqual((yield* Effect.flip(here.send("late"))).reason, "client_closed")
      // its scope has nothing left to close
      yield* here.close()
    }).pipe(onBus)
  )
})

describe("what is tried on a closed stream", () => {
  for (const [how, cause] of [
    ["without a cause", undefined],
    [
      "with a cause and its details",
      PsrpcError.fromCode("aborted", { message: "enough", details: [{ typeUrl: "x", value: new Uint8Array([1]) }] })
    ],
    ["with a code of its own", PsrpcError.fromCode("later", { message: "not yet" })]
  ] as const) {
    it.effect(`certainly did not run: it fails as the stream ended, and says so, closed ${how}`, () =>
      Effect.gen(function* () {
        const { here, there } = yield* pair({ server: { streamBufferSize: 1 } })
        yield* here.send("in the buffer")
        const waiting = yield* start(here.send("held"))
        yield* settle
        yield* here.close(cause)
        const ended = cause ?? PsrpcError.fromCode("canceled", { message: "stream closed (Chat.Talk)" })
        const asEnded = (error: PsrpcError.PsrpcError): void => {
          const inShort = ({ _tag, code, details, message }: PsrpcError.PsrpcError) => ({
            _tag,
            code,
            details,
            message
          })
          assert.deepStrictEqual(inShort(error), inShort(ended))
          assert.strictEqual(error.reason, cause === undefined ? "stream_closed" : undefined)
          if (error._tag === "Unknown") assert.strictEqual(error.peerCode, "later")
        }
        // what was under way may have been read
        asEnded(errorOf(waiting))
        assert.isTrue(errorOf(waiting).mayHaveRun)
        for (const tried of [here.send("late"), Effect.asVoid(here.closeSend)]) {
          const error = yield* Effect.flip(tried)
          asEnded(error)
          assert.isFalse(error.mayHaveRun)
        }
        yield* settle
        assert.isFalse((yield* Effect.flip(there.send("late"))).mayHaveRun)
      }).pipe(onBus)
    )
  }
})
