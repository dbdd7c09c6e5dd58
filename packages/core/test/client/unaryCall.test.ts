import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import type { MessageBus } from "../../src/MessageBus.ts"
import type * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { dropped, errorOf, fakeClient, fakeServers, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String }),
  alone: Rpc.unary({ request: Schema.String, response: Schema.String, singleServer: true })
}) {}

const handlers = Greeter.of({
  hello: (name) => Effect.succeed(`Hello ${name}`),
  alone: (name) => Effect.succeed(`Just ${name}`)
})

describe("a unary call", () => {
  it.effect("is answered", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter)
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
      assert.strictEqual(yield* client.alone("Ada"), "Just Ada")
    }).pipe(onBus)
  )

  it.effect("of the example in the documentation works with Layers alone", () =>
    Effect.gen(function* () {
      class GreeterClient extends Client.Service<GreeterClient>()("test/GreeterClient", Greeter) {}
      const live = Layer.mergeAll(Server.layer(Greeter, Effect.succeed(handlers)), GreeterClient.layer)
      const answer = Effect.gen(function* () {
        const greeter = yield* GreeterClient
        return yield* greeter.hello("Ada")
      })
      assert.strictEqual(
        yield* answer.pipe(Effect.provide(live.pipe(Layer.provide(LocalMessageBus.layer)))),
        "Hello Ada"
      )
    })
  )

  it.effect("goes over the wire in four messages, and in two where a single server listens", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter, { clientId: "CLI_1" })
      yield* client.hello("Ada")
      assert.deepStrictEqual(
        traffic.map(({ channel, type }) => `${type} ${channel}`),
        [
          "Request Greeter|Hello|REQ",
          "ClaimRequest Greeter|CLI_1|CLAIM",
          "ClaimResponse Greeter|Hello|RCLAIM",
          "Response Greeter|CLI_1|RES"
        ]
      )
      traffic.length = 0
      yield* client.alone("Ada")
      assert.deepStrictEqual(
        traffic.map(({ channel, type }) => `${type} ${channel}`),
        ["Request Greeter|Alone|REQ", "Response Greeter|CLI_1|RES"]
      )
    }).pipe(onBus)
  )

  it.effect("goes to the servers of a queue in turn, and to one only", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      const ran: Array<string> = []
      for (const serverId of ["a", "b", "c"]) {
        const hello = (name: string) => Effect.sync(() => (ran.push(serverId), name))
        yield* Server.make(Service.pick(Greeter, "hello"), { hello }, { serverId })
      }
      const client = yield* Client.make(Greeter)
      for (let i = 0; i < 9; i++) yield* client.hello("Ada")
      assert.deepStrictEqual(ran, ["a", "b", "c", "a", "b", "c", "a", "b", "c"])
      assert.strictEqual(traffic.filter(({ type }) => type === "ClaimRequest").length, 9)
    }).pipe(onBus)
  )

  it.effect("is a value: running it twice sends two requests", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter)
      const call = client.hello("Ada")
      assert.strictEqual(traffic.length, 0)
      assert.deepStrictEqual(yield* Effect.all([call, call], { concurrency: 2 }), ["Hello Ada", "Hello Ada"])
      const ids = traffic
        .filter(({ type }) => type === "Request")
        .map(({ message }) => {
          const request = Envelope.decodeRequest(message)
          return typeof request === "string" ? request : request.id
        })
      assert.strictEqual(new Set(ids).size, 2)
      for (const id of ids) assert.match(id, /^REQ_[0-9A-Za-z]{12}$/)
    }).pipe(onBus)
  )

  it.effect("answers find their own calls, whatever their order", () =>
    Effect.gen(function* () {
      const echo = (name: string) => Effect.delay(Effect.succeed(name), 1000 - Number(name))
      yield* Server.make(Greeter, { hello: echo, alone: echo })
      const client = yield* Client.make(Greeter)
      const names = Array.from({ length: 100 }, (_, i) => String(i * 7))
      const calls = yield* start(Effect.forEach(names, (name) => client.hello(name), { concurrency: "unbounded" }))
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(yield* Fiber.join(calls), names)
    }).pipe(onBus)
  )

  it.live("10,000 calls, 64 at a time, on the system's clock and scheduler", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers)
      const client = yield* Client.make(Greeter)
      const names = Array.from({ length: 10_000 }, (_, i) => String(i))
      const call = (name: string) => (Number(name) % 2 === 0 ? client.hello(name) : client.alone(name))
      const answers = yield* Effect.forEach(names, call, { concurrency: 64 })
      assert.deepStrictEqual(
        answers,
        names.map((name) => (Number(name) % 2 === 0 ? `Hello ${name}` : `Just ${name}`))
      )
    }).pipe(onBus)
  )

  it.effect("services of different names do not meet, and those of one name do, whoever defined them", () =>
    Effect.gen(function* () {
      class Other extends Service.make("Other", Greeter.methods) {}
      class Same extends Service.make("Greeter", { anyKey: Rpc.unary({ ...Greeter.methods.hello, name: "Hello" }) }) {}
      yield* Server.make(Greeter, handlers)
      const other = yield* Client.make(Other)
      assert.strictEqual((yield* Effect.flip(other.hello("Ada")))._tag, "Unavailable")
      const same = yield* Client.make(Same)
      assert.strictEqual(yield* same.anyKey("Ada"), "Hello Ada")
    }).pipe(onBus)
  )

  it.effect("nobody listens: fails at once where the bus can tell", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Greeter)
      for (const call of [client.hello("Ada"), client.alone("Ada")]) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error._tag, "Unavailable")
        assert.strictEqual(error.reason, "no_listeners")
        assert.isFalse(error.mayHaveRun)
      }
    }).pipe(onBus)
  )

  it.effect("a server that goes between its claim and the choice: nobody listens any more", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Greeter)
      const scope = yield* Scope.make()
      const servers = yield* Scope.provide(fakeServers("Greeter", "Hello", { queue: true }), scope)
      const call = yield* start(client.hello("Ada"))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      servers.claim("a")
      yield* settle
      assert.strictEqual(errorOf(call)._tag, "Unavailable")
      assert.isFalse(errorOf(call).mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("the same request twice runs once", () =>
    Effect.gen(function* () {
      let ran = 0
      const count = (name: string) =>
        Effect.delay(
          Effect.sync(() => (ran++, name)),
          10
        )
      yield* Server.make(Greeter, { hello: count, alone: count }, { serverId: "SRV_1" })
      const client = yield* fakeClient("Greeter")
      const raw = new TextEncoder().encode(`"Ada"`)
      client.request("Hello", { id: "r1", expiry: 1000, raw })
      client.request("Hello", { id: "r1", expiry: 1000, raw })
      yield* settle
      assert.strictEqual(client.claims.length, 1)
      client.choose("Hello", "r1", "SRV_1")
      client.choose("Hello", "r1", "SRV_1")
      yield* settle
      client.request("Hello", { id: "r1", expiry: 1000, raw })
      client.request("Alone", { id: "r1", expiry: 1000, raw })
      client.request("Alone", { id: "r1", expiry: 1000, raw })
      yield* TestClock.adjust(10)
      yield* settle
      // one of each method
      assert.strictEqual(ran, 2)
      assert.strictEqual(client.responses.length, 2)
      assert.strictEqual(yield* dropped("repeated", "server"), 3)
    }).pipe(onBus)
  )

  it.effect("a server that the client did not choose does not run the request", () =>
    Effect.gen(function* () {
      let ran = 0
      const count = (name: string) => Effect.sync(() => (ran++, name))
      const server = yield* Server.make(Greeter, { hello: count, alone: count }, { serverId: "SRV_1" })
      const client = yield* fakeClient("Greeter")
      const raw = new TextEncoder().encode(`"Ada"`)
      client.request("Hello", { id: "r1", expiry: 1000, raw })
      yield* settle
      assert.deepStrictEqual(client.claims, [{ id: "r1", serverId: "SRV_1", affinity: 1 }])
      client.choose("Hello", "r1", "SRV_2")
      // too late: it has forgotten the request, and does not hold up its closing
      client.choose("Hello", "r1", "SRV_1")
      yield* settle
      yield* server.drain
      assert.strictEqual(ran, 0)
    }).pipe(onBus)
  )

  it.effect("a server is ready when make returns, and gone when its scope has closed", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Greeter)
      const scope = yield* Scope.make()
      yield* Scope.provide(Server.make(Greeter, handlers), scope)
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(client.hello("Ada"))).reason, "no_listeners")
    }).pipe(onBus)
  )
})

describe("ids", () => {
  it.effect("are made where none is given", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const hello = (_: string, call: Server.Call<unknown>) =>
        Effect.sync(() => (heard.push(call.header.remoteId), "hi"))
      const server = yield* Server.make(Greeter, { hello, alone: hello })
      assert.match(server.serverId, /^SRV_[0-9A-Za-z]{12}$/)
      yield* (yield* Client.make(Greeter)).hello("Ada")
      yield* (yield* Client.make(Greeter, { clientId: "the-client" })).hello("Ada")
      assert.match(heard[0]!, /^CLI_[0-9A-Za-z]{12}$/)
      assert.strictEqual(heard[1], "the-client")
      const named = yield* Server.make(Greeter, handlers, { serverId: "the-server" })
      assert.strictEqual(named.serverId, "the-server")
    }).pipe(onBus)
  )

  const bad = ["", " ", "a b", ".a", "a..b", "a.", "a*", ">", "a\nb", "\0", "a\u0085", 5 as never, null as never]
  for (const clientId of bad) {
    it.effect(`a client ${JSON.stringify(clientId)} is refused`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Client.make(Greeter, { clientId }))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, "client of Greeter: clientId")
        assert.isFalse(error.mayHaveRun)
      }).pipe(onBus)
    )
  }

  it.effect("a server that is not a text, or an empty one, is refused", () =>
    Effect.gen(function* () {
      for (const serverId of ["", 5 as never, null as never]) {
        const error = yield* Effect.flip(Server.make(Greeter, handlers, { serverId }))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, "server of Greeter: serverId")
      }
    }).pipe(onBus)
  )

  it.effect("with other letters work like any", () =>
    Effect.gen(function* () {
      yield* Server.make(Greeter, handlers, { serverId: "сервер 1.*|🚀" })
      const client = yield* Client.make(Greeter, { clientId: "kunde.7|ä" })
      assert.strictEqual(yield* client.hello("Ada"), "Hello Ada")
    }).pipe(onBus)
  )
})

describe("defaults", () => {
  it("stand beside the options that have them", () => {
    assert.deepStrictEqual(
      [Client.defaultTimeout, Client.defaultKeepalive, Server.defaultDrainTimeout, Server.defaultSendTimeout].map(
        (duration) => Duration.toMillis(duration)
      ),
      [3000, 10_000, 3000, 3000]
    )
    assert.deepStrictEqual([Client.defaultBufferSize, Client.defaultMaxMetadataSize], [100, 16_384])
    assert.deepStrictEqual(
      [Server.defaultBufferSize, Server.defaultMaxInFlight, Server.defaultKeepalive],
      [100, 10_000, Client.defaultKeepalive]
    )
  })
})

describe("options that cannot be", () => {
  it.effect("are refused with their owner, name, value and what is expected", () =>
    Effect.gen(function* () {
      const refused: ReadonlyArray<
        readonly [Effect.Effect<unknown, PsrpcError.PsrpcError, MessageBus | Scope.Scope>, string]
      > = [
        [Client.make(Greeter, { clientId: "a b" }), 'client of Greeter: clientId is "a b"'],
        [Client.make(Greeter, { timeout: -1 }), "client of Greeter: timeout is -1"],
        [Client.make(Greeter, { timeout: "soon" as never }), 'client of Greeter: timeout is "soon"'],
        [Client.make(Greeter, { keepalive: 99 }), "client of Greeter: keepalive is 99 milliseconds"],
        [Client.make(Greeter, { streamBufferSize: 0 }), "client of Greeter: streamBufferSize is 0"],
        [Client.make(Greeter, { subscriptionBufferSize: 1.5 }), "client of Greeter: subscriptionBufferSize is 1.5"],
        [Client.make(Greeter, { multiBufferSize: -1 }), "client of Greeter: multiBufferSize is -1"],
        [Client.make(Greeter, { claimBufferSize: NaN }), "client of Greeter: claimBufferSize is NaN"],
        [Client.make(Greeter, { maxMetadataSize: 0 }), "client of Greeter: maxMetadataSize is 0"],
        [Client.make(Greeter, { selection: {} as never }), "client of Greeter: selection is object"],
        [Server.make(Greeter, handlers, { serverId: "" }), 'server of Greeter: serverId is ""'],
        [Server.make(Greeter, handlers, { drainTimeout: -1 }), "server of Greeter: drainTimeout is -1"],
        [Server.make(Greeter, handlers, { sendTimeout: -1 }), "server of Greeter: sendTimeout is -1"],
        [Server.make(Greeter, handlers, { keepalive: 0 }), "server of Greeter: keepalive is 0 milliseconds"],
        [Server.make(Greeter, handlers, { streamBufferSize: -1 }), "server of Greeter: streamBufferSize is -1"],
        [Server.make(Greeter, handlers, { maxPendingAffinity: 0 }), "server of Greeter: maxPendingAffinity is 0"],
        [Server.make(Greeter, handlers, { maxInFlight: 0.5 }), "server of Greeter: maxInFlight is 0.5"],
        [Publisher.make(Greeter, { timeout: -1 }), "publisher of Greeter: timeout is -1"]
      ]
      for (const [made, said] of refused) {
        const error = yield* Effect.flip(made)
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.strictEqual(error.reason, "not_sent")
        assert.isTrue(error.message.startsWith(`${said}: expected `), error.message)
      }
    }).pipe(onBus)
  )

  it.effect("handlers that are missing, misspelt or of the wrong form are refused by the method's name", () =>
    Effect.gen(function* () {
      class Jobs extends Service.make("Jobs", { render: Rpc.unary({ routing: "affinity" }), resize: Rpc.unary({}) }) {}
      const render = { affinity: 1, handle: () => Effect.void }
      const resize = () => Effect.void
      const wrong: ReadonlyArray<readonly [object, string]> = [
        [{ render }, "server of Jobs: the handler of resize is none: expected a function"],
        [{ render, resize: render }, "the handler of resize is object: expected a function"],
        [{ render: resize, resize }, "the handler of render is function: expected an object { affinity, handle }"],
        [
          { render: { handle: resize }, resize },
          "the handler of render is object: expected an object { affinity, handle }"
        ],
        [{ render: null, resize }, "the handler of render is null"],
        [
          { render, resize, resise: resize },
          `server of Jobs: there is a handler for "resise": expected one of its methods`
        ]
      ]
      for (const [given, message] of wrong) {
        const error = yield* Effect.flip(Server.make(Jobs, given as never))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, message)
      }
    }).pipe(onBus)
  )
})
