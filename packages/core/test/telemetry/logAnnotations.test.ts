import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, References, Schema, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { fakeClient, settle } from "../helpers/harness.ts"

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
  best: Rpc.unary({ response: Schema.String, routing: "affinity" }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  news: Rpc.subscription({ message: Schema.String, routing: "multi" })
}) {}

interface Line {
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** Runs a test with the lines that are logged in it. */
const logging = <A, E, R>(test: (lines: ReadonlyArray<Line>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const lines: Array<Line> = []
    const logger = Logger.make<unknown, void>(({ fiber, message }) => {
      const text = Array.isArray(message) ? String(message[0]) : String(message)
      lines.push({ text, annotations: { ...fiber.getRef(References.CurrentLogAnnotations) } })
    })
    const logs = Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All"))
    return Effect.scoped(test(lines)).pipe(Effect.provide(Layer.merge(LocalMessageBus.layer, logs)))
  })

/** The only line with a text. */
const lineOf = (lines: ReadonlyArray<Line>, text: string): Line["annotations"] => {
  const found = lines.filter((line) => line.text === text)
  assert.strictEqual(found.length, 1, `lines "${text}" of ${lines.map((line) => line.text).join("; ")}`)
  return found[0]!.annotations
}

/** What every line of a call carries, whose request id is not known beforehand. */
const assertCall = (annotations: Line["annotations"], method: string, peerId: string, others = {}): void => {
  const { "rpc.psrpc.request_id": requestId, ...rest } = annotations
  assert.match(String(requestId), /^REQ_/)
  assert.deepStrictEqual(rest, {
    "rpc.service": "Greeter",
    "rpc.method": `Greeter/${method}`,
    "rpc.psrpc.peer_id": peerId,
    ...others
  })
}

const handlers = Greeter.of({
  hello: (name) => (name === "die" ? Effect.die(new Error("gone")) : Effect.as(Effect.logInfo("handler"), name)),
  best: { affinity: Effect.as(Effect.logInfo("affinity"), 1), handle: () => Effect.succeed("") },
  chat: (stream) => Effect.andThen(Effect.logInfo("stream handler"), Stream.runDrain(stream.messages))
})

const clientId = "CLI_test"

describe("log lines carry what they are about", () => {
  it.effect("those of handlers and their interceptors: service, method, request and peer", () =>
    logging((lines) =>
      Effect.gen(function* () {
        const noting = Interceptor.server((_, next) => Effect.andThen(Effect.logInfo("interceptor"), next()))
        yield* Server.make(Greeter, handlers, { interceptors: [noting] })
        const client = yield* Client.make(Greeter, { clientId })
        yield* client.hello("Ada")
        assertCall(lineOf(lines, "handler"), "Hello", clientId)
        assert.deepStrictEqual(lineOf(lines, "interceptor"), lineOf(lines, "handler"))
        yield* Effect.scoped(client.chat())
        yield* settle
        assertCall(lineOf(lines, "stream handler"), "Chat", clientId)
      })
    )
  )

  it.effect("those of an affinity", () =>
    logging((lines) =>
      Effect.gen(function* () {
        yield* Server.make(Greeter, handlers)
        const client = yield* Client.make(Greeter, { clientId })
        yield* client.best({ selection: Selection.first })
        assertCall(lineOf(lines, "affinity"), "Best", clientId)
      })
    )
  )

  it.effect("those that the library writes about a call", () =>
    logging((lines) =>
      Effect.gen(function* () {
        yield* Server.make(Greeter, handlers)
        const client = yield* Client.make(Greeter, { clientId })
        assert.strictEqual((yield* Effect.flip(client.hello("die"))).code, "internal")
        assertCall(lineOf(lines, "psrpc: the handler of Greeter.Hello died"), "Hello", clientId)
      })
    )
  )

  it.effect("beside what the server's own lines carry, and not what the caller's do", () =>
    logging((lines) =>
      Effect.gen(function* () {
        yield* Effect.annotateLogs(Server.make(Greeter, handlers), { region: "eu" })
        const client = yield* Client.make(Greeter, { clientId })
        yield* Effect.annotateLogs(client.hello("Ada"), { user: "u1" })
        assertCall(lineOf(lines, "handler"), "Hello", clientId, { region: "eu" })
      })
    )
  )

  it.effect("each call its own", () =>
    logging((lines) =>
      Effect.gen(function* () {
        yield* Server.make(Greeter, handlers)
        const client = yield* Client.make(Greeter, { clientId })
        yield* client.hello("Ada")
        yield* client.hello("Bob")
        const ids = lines
          .filter(({ text }) => text === "handler")
          .map(({ annotations }) => annotations["rpc.psrpc.request_id"])
        assert.strictEqual(new Set(ids).size, 2)
      })
    )
  )

  it.effect("what is dropped: service and method", () =>
    logging((lines) =>
      Effect.gen(function* () {
        const client = yield* Client.make(Greeter)
        yield* client.news({ subscriptionBufferSize: 1 })
        const publisher = yield* Publisher.make(Greeter)
        yield* publisher.news("a")
        yield* publisher.news("b")
        yield* settle
        const expected = { "rpc.service": "Greeter", "rpc.method": "Greeter/News" }
        assert.deepStrictEqual(lineOf(lines, "psrpc: message dropped (overflow) at Greeter.News"), expected)
        const warning = lines.find(({ text }) => text.includes("arrive faster than they are read"))
        assert.deepStrictEqual(warning?.annotations, expected)
      })
    )
  )

  it.effect("what is dropped of a request: whose it was, too", () =>
    logging((lines) =>
      Effect.gen(function* () {
        yield* Server.make(Greeter, handlers)
        const peer = yield* fakeClient("Greeter", clientId)
        peer.request("Hello", { id: "REQ_late", expiry: -1 })
        peer.request("Hello", { id: "REQ_bad", expiry: Infinity, raw: new Uint8Array([1]) })
        yield* settle
        for (const [reason, id] of [
          ["expired", "REQ_late"],
          ["malformed", "REQ_bad"]
        ]) {
          const annotations = lineOf(lines, `psrpc: message dropped (${reason}) at Greeter.Hello`)
          assertCall(annotations, "Hello", clientId)
          assert.strictEqual(annotations["rpc.psrpc.request_id"], id)
        }
      })
    )
  )

  it.effect("what is dropped of a stream at its server: whose it was, too", () =>
    logging((lines) =>
      Effect.gen(function* () {
        yield* Server.make(Greeter, handlers)
        // sends numbers where texts are expected
        const other = Service.make("Greeter", { chat: Rpc.stream({ send: Schema.Int, receive: Schema.String }) })
        const client = yield* Client.make(other, { clientId })
        yield* Effect.scoped(
          Effect.flatMap(client.chat(), ({ closed, send }) => Effect.andThen(Effect.exit(send(1)), Effect.exit(closed)))
        )
        yield* settle
        const dropped = lineOf(lines, "psrpc: message dropped (malformed) at Greeter.Chat")
        assertCall(dropped, "Chat", clientId)
        assert.deepStrictEqual(dropped, lineOf(lines, "stream handler"))
      })
    )
  )

  it.effect("what is made in a handler: not the call that is answered there", () =>
    logging((lines) =>
      Effect.gen(function* () {
        const subscribed = yield* Deferred.make<void>()
        const heard = yield* Deferred.make<void>()
        const front = Service.pick(Greeter, "hello")
        yield* Server.make(front, {
          hello: (name) =>
            Effect.gen(function* () {
              const client = yield* Client.make(Greeter)
              yield* client.news({ subscriptionBufferSize: 1 })
              yield* Deferred.succeed(subscribed, undefined)
              yield* Deferred.await(heard)
              return name
            }).pipe(Effect.annotateLogs("user", "u1"), Effect.orDie)
        })
        const client = yield* Client.make(Greeter, { clientId })
        const call = yield* Effect.forkChild(client.hello("Ada"))
        yield* Deferred.await(subscribed)
        const publisher = yield* Publisher.make(Greeter)
        yield* publisher.news("a")
        yield* publisher.news("b")
        yield* settle
        yield* Deferred.succeed(heard, undefined)
        yield* Fiber.join(call)
        const expected = { "rpc.service": "Greeter", "rpc.method": "Greeter/News", user: "u1" }
        assert.deepStrictEqual(lineOf(lines, "psrpc: message dropped (overflow) at Greeter.News"), expected)
        const warning = lines.find(({ text }) => text.includes("arrive faster than they are read"))
        assert.deepStrictEqual(warning?.annotations, expected)
      })
    )
  )

  it.effect("a hook that dies in a handler: the call that is answered there", () =>
    logging((lines) =>
      Effect.gen(function* () {
        const interceptors = [Interceptor.hooks({ request: () => Effect.die("gone") })]
        yield* Server.make(Greeter, handlers, { interceptors })
        const client = yield* Client.make(Greeter, { clientId })
        yield* client.hello("Ada")
        assertCall(lineOf(lines, "psrpc: defect in a hook"), "Hello", clientId)
      })
    )
  )
})
