import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { ServerStream } from "../../src/BidiStream.ts"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Server from "../../src/Server.ts"
import { isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { echo, echoes, Kinds, note } from "./everyKind.ts"

/** Notes what is sent, received and closed by who has the stream. */
const noting = (side: string, events: Array<string>) =>
  Interceptor.stream((stream) => ({
    ...stream,
    send: (message, options) => Effect.andThen(note(events, `${side} sends`), stream.send(message, options)),
    messages: Stream.tap(stream.messages, () => note(events, `${side} receives`)),
    close: (cause) => Effect.andThen(note(events, `${side} closes`), stream.close(cause))
  }))

describe("an open stream's interceptors", () => {
  it.effect("wrap sending, receiving and closing, at either end", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          talk: (stream) =>
            Effect.andThen(
              Stream.runForEach(Stream.take(stream.messages, 1), (message) => stream.send(message)),
              stream.close(new PsrpcError.Aborted({ message: "enough" }))
            )
        },
        { interceptors: [noting("server", events)] }
      )
      const client = yield* Client.make(Kinds, { interceptors: [noting("client", events)] })
      const stream = yield* client.talk()
      yield* stream.send("a")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream.messages, 1)), ["a"])
      assert.strictEqual((yield* Effect.flip(stream.closed))._tag, "Aborted")
      yield* stream.close()
      assert.deepStrictEqual([...events].sort(), [
        "client closes",
        "client receives",
        "client sends",
        "server closes",
        "server receives",
        "server sends"
      ])
    }).pipe(onBus)
  )

  it.effect("change the messages of one method, at either end", () =>
    Effect.gen(function* () {
      yield* echo(
        Interceptor.method(Kinds, "talk", {
          server: (call, next) => {
            assert.strictEqual(call.method, "Talk")
            return next({
              stream: {
                ...call.stream,
                messages: Stream.map(call.stream.messages, (message) => `${message}<`),
                send: (message, options) => call.stream.send(`${message}>`, options)
              }
            })
          }
        })
      )
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.method(Kinds, "talk", {
            client: (_, next) =>
              Effect.map(next(), (stream) => ({
                ...stream,
                messages: Stream.map(stream.messages, (message) => `${message}]`),
                send: (message, options) => stream.send(`[${message}`, options)
              }))
          })
        ]
      })
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a", "b"))), ["[a<>]", "[b<>]"])
      const stream = yield* client.talk()
      yield* stream.send("c")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream.messages, 1)), ["[c<>]"])
    }).pipe(onBus)
  )

  it.effect("may take their time to make it, and fail", () =>
    Effect.gen(function* () {
      let isOpen = true
      const admitting = Interceptor.stream((stream) =>
        Effect.andThen(
          Effect.yieldNow,
          isOpen ? Effect.succeed(stream) : Effect.fail(new PsrpcError.PermissionDenied({ message: "closed" }))
        )
      )
      yield* echo()
      const client = yield* Client.make(Kinds, { interceptors: [admitting] })
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"))), ["a"])
      isOpen = false
      assert.strictEqual((yield* Effect.flip(client.talk())).code, "permission_denied")
      const through = yield* Effect.flip(Stream.runDrain(client.talk.through(Stream.make("a"))))
      assert.strictEqual(through.code, "permission_denied")
    }).pipe(onBus)
  )

  it.effect("leave a server's stream its hijack", () =>
    Effect.gen(function* () {
      const kept: Array<ServerStream<string, string>> = []
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          talk: (stream) => {
            kept.push(stream)
            return stream.hijack
          }
        },
        {
          interceptors: [
            // one that gives no more than both ends have
            Interceptor.stream(({ close, closed, closeSend, messages, send, streamId }) => ({
              close,
              closed,
              closeSend,
              messages,
              send,
              streamId
            })),
            noting("server", [])
          ]
        }
      )
      const client = yield* Client.make(Kinds)
      const stream = yield* client.talk()
      yield* settle
      yield* kept[0]!.send("later")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream.messages, 1)), ["later"])
    }).pipe(onBus)
  )

  it.effect("send by themselves once the handler has returned", () =>
    Effect.gen(function* () {
      yield* echo(
        Interceptor.method(Kinds, "talk", {
          server: (call, next) => Effect.andThen(next(), call.stream.send("that was all"))
        })
      )
      const client = yield* Client.make(Kinds)
      assert.deepStrictEqual(yield* Stream.runCollect(client.talk.through(Stream.make("a"))), ["a", "that was all"])
    }).pipe(onBus)
  )

  it.effect("open the stream that is used, of several", () =>
    Effect.gen(function* () {
      yield* echo()
      const client = yield* Client.make(Kinds, {
        // the first is kept, and the second is one too many
        interceptors: [Interceptor.clientStream((_, next) => Effect.tap(next(), () => next()))]
      })
      const answers = yield* Stream.runCollect(client.talk.through(Stream.make("a", "b"), { concurrency: 1 }))
      assert.deepStrictEqual(answers, ["a", "b"])
    }).pipe(onBus)
  )
})

describe("hooks", () => {
  it.effect("are told of a stream's opening and of its end, at both ends", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const hooked = (side: string) =>
        Interceptor.hooks({
          request: (call) => note(events, `${side}: ${call.method} begins`),
          response: (_, exit) => note(events, `${side}: ${exit._tag}`),
          closed: (_, exit) => note(events, `${side}: closed${exit._tag === "Failure" ? " with a cause" : ""}`)
        })
      yield* Server.make(
        Kinds,
        {
          ...echoes,
          talk: (stream) =>
            Effect.andThen(
              Stream.runDrain(Stream.take(stream.messages, 1)),
              Effect.fail(new PsrpcError.Aborted({ message: "" }))
            )
        },
        { interceptors: [hooked("server")] }
      )
      const client = yield* Client.make(Kinds, { interceptors: [hooked("client")] })
      const stream = yield* client.talk()
      yield* settle
      const opened = ["client: Talk begins", "client: Success", "server: Talk begins"]
      assert.deepStrictEqual([...events].sort(), [...opened].sort())
      events.length = 0
      yield* stream.send("enough")
      yield* settle
      assert.deepStrictEqual(events.sort(), [
        "client: closed with a cause",
        "server: Failure",
        "server: closed with a cause"
      ])
    }).pipe(onBus)
  )

  it.effect("are told of the end before the scope of the stream is closed, once", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* echo()
      const client = yield* Client.make(Kinds, {
        interceptors: [Interceptor.hooks({ closed: (call, exit) => note(events, `${call.method} ${exit._tag}`) })]
      })
      yield* Effect.scoped(client.talk())
      assert.deepStrictEqual(events, ["Talk Success"])
      yield* Effect.exit(Effect.scoped(Effect.andThen(client.talk(), Effect.fail("mine"))))
      assert.deepStrictEqual(events, ["Talk Success", "Talk Failure"])
      yield* Stream.runDrain(client.talk.through(Stream.make("a")))
      assert.strictEqual(events.length, 3)
    }).pipe(onBus)
  )

  it.effect("do not wait for a stream that never ends", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const never = {
        streamId: "double",
        send: () => Effect.void,
        messages: Stream.never,
        closeSend: Effect.succeed(true),
        close: () => Effect.void,
        closed: Effect.never
      }
      const client = yield* Client.make(Kinds, {
        interceptors: [
          Interceptor.hooks({ closed: () => note(events, "closed") }),
          Interceptor.clientStream(() => Effect.succeed(never))
        ]
      })
      const fiber = yield* start(Effect.scoped(client.talk()))
      yield* settle
      assert.isFalse(isRunning(fiber))
      assert.deepStrictEqual(events, [])
      yield* Fiber.join(fiber)
    }).pipe(onBus)
  )
})
