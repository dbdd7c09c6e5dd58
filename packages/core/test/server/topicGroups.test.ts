import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Client, MessageBus, PsrpcError, Rpc, Server, Service } from "../../src/index.ts"
import { errorOf, onBus, settle, start } from "../helpers/harness.ts"

class Rooms extends Service.make("Rooms", {
  mute: Rpc.unary({ response: Schema.String, topic: ["room"], group: "room", singleServer: true }),
  who: Rpc.multi({ response: Schema.String, topic: ["room"], group: "room" }),
  events: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["room"], group: "room" }),
  reload: Rpc.unary({ response: Schema.String, topic: ["room"], singleServer: true })
}) {}

const handlers = Rooms.of({
  mute: (_, call) => Effect.succeed(`muted ${call.topic.room}`),
  who: (_, call) => Effect.succeed(call.topic.room),
  events: (stream, call) => Stream.runForEach(stream.messages, (text) => stream.send(`${call.topic.room}: ${text}`)),
  reload: () => Effect.succeed("reloaded")
})

const lobby = { topic: { room: "lobby" } }
type RoomsClient = Client.From<typeof Rooms>

/** Which of the group's methods are served for the lobby. */
const served = (client: RoomsClient) =>
  Effect.gen(function* () {
    const mute = yield* Effect.exit(client.mute(lobby))
    const who = yield* Effect.exit(client.who({ ...lobby, expect: 1 }).pipe(Client.successes, Stream.runCollect))
    const events = yield* Effect.exit(client.events.through(Stream.make("hi"), lobby).pipe(Stream.runCollect))
    const all: ReadonlyArray<Exit.Exit<unknown, unknown>> = [mute, who, events]
    return all.map((exit) => (Exit.isSuccess(exit) ? exit.value : "not served"))
  })

const everything = ["muted lobby", ["lobby"], ["lobby: hi"]]
const nothing = ["not served", "not served", "not served"]

describe("a topic group", () => {
  it.effect("is registered as a whole, for as long as its scope is open", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Rooms, handlers)
      const client = yield* Client.make(Rooms)
      assert.deepStrictEqual(yield* served(client), nothing)
      const scope = yield* Scope.make()
      yield* Scope.provide(server.registerGroup("room", { room: "lobby" }), scope)
      assert.deepStrictEqual(yield* served(client), everything)
      assert.strictEqual((yield* Effect.flip(client.mute({ topic: { room: "hall" } })))._tag, "Unavailable")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* served(client), nothing)
      // and again
      yield* server.registerGroup("room", { room: "lobby" })
      assert.deepStrictEqual(yield* served(client), everything)
    }).pipe(onBus)
  )

  it.effect("is deregistered as a whole, before its scope closes", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Rooms, handlers, { groups: { room: [{ room: "lobby" }, { room: "hall" }] } })
      const client = yield* Client.make(Rooms)
      assert.deepStrictEqual(yield* served(client), everything)
      yield* server.deregisterGroup("room", { room: "lobby" })
      assert.deepStrictEqual(yield* served(client), nothing)
      assert.strictEqual(yield* client.mute({ topic: { room: "hall" } }), "muted hall")
      yield* server.deregisterGroup("room", { room: "lobby" })
    }).pipe(onBus)
  )

  it.effect("closes its streams with it", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Rooms, handlers, { groups: { room: [{ room: "lobby" }] } })
      const client = yield* Client.make(Rooms)
      const events = yield* client.events(lobby)
      yield* server.deregisterGroup("room", { room: "lobby" })
      const error = yield* Effect.flip(events.closed)
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.message, "EOF")
    }).pipe(onBus)
  )

  it.effect("that is registered already is refused, and stays as it is", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Rooms, handlers, { groups: { room: [{ room: "lobby" }] } })
      const client = yield* Client.make(Rooms)
      const error = yield* Effect.flip(Effect.scoped(server.registerGroup("room", { room: "lobby" })))
      assert.strictEqual(error._tag, "AlreadyExists")
      assert.deepStrictEqual(yield* served(client), everything)
    }).pipe(onBus)
  )

  it.effect("is not registered in part where one of its subscriptions fails", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus.MessageBus
      let failing = true
      const open: Array<string> = []
      const flaky = MessageBus.MessageBus.of({
        ...bus,
        subscribe: (channel, listener, options) =>
          failing && channel.name === "Rooms|Events|lobby|STR"
            ? Effect.fail(PsrpcError.fromCode("unavailable", { message: "the broker is down", reason: "connection" }))
            : Effect.andThen(
                Effect.acquireRelease(
                  Effect.sync(() => open.push(channel.name)),
                  () => Effect.sync(() => open.splice(open.indexOf(channel.name), 1))
                ),
                bus.subscribe(channel, listener, options)
              )
      })
      const server = yield* Effect.provideService(Server.make(Rooms, handlers), MessageBus.MessageBus, flaky)
      const client = yield* Client.make(Rooms)
      assert.deepStrictEqual(open, [])
      const error = yield* Effect.flip(server.registerGroup("room", { room: "lobby" }))
      assert.strictEqual(error.message, "the broker is down")
      yield* settle
      assert.deepStrictEqual(open, [])
      assert.deepStrictEqual(yield* served(client), nothing)
      failing = false
      yield* server.registerGroup("room", { room: "lobby" })
      assert.deepStrictEqual(yield* served(client), everything)
    }).pipe(onBus)
  )

  it.effect("is not registered in part where registering is interrupted", () =>
    Effect.gen(function* () {
      const bus = yield* MessageBus.MessageBus
      const stuck = MessageBus.MessageBus.of({
        ...bus,
        subscribe: (channel, listener, options) =>
          channel.name === "Rooms|Who|lobby|REQ" ? Effect.never : bus.subscribe(channel, listener, options)
      })
      const server = yield* Effect.provideService(Server.make(Rooms, handlers), MessageBus.MessageBus, stuck)
      const client = yield* Client.make(Rooms)
      const registering = yield* start(server.registerGroup("room", { room: "lobby" }))
      yield* settle
      registering.interruptUnsafe()
      yield* settle
      assert.deepStrictEqual(yield* served(client), nothing)
    }).pipe(onBus)
  )

  it.effect("and its methods are told apart", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Rooms, handlers)
      const untyped = server as unknown as {
        readonly register: (method: string, topic: object) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
        readonly registerGroup: (
          group: string,
          topic: object
        ) => Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>
      }
      const mute = yield* Effect.flip(untyped.register("mute", { room: "lobby" }))
      assert.include(mute.message, `method mute is in the topic group "room": use registerGroup`)
      const none = yield* Effect.flip(untyped.registerGroup("rooms", { room: "lobby" }))
      assert.include(none.message, `no method is in the topic group "rooms"`)
      const topic = yield* Effect.flip(untyped.registerGroup("room", { node: "n1" }))
      assert.include(topic.message, `topic parameter "room": expected a string, got undefined`)
      yield* untyped.register("reload", { room: "lobby" })
    }).pipe(onBus)
  )

  it.effect("ends with its server", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Rooms, handlers, { groups: { room: [{ room: "lobby" }] } })
      yield* server.drain
      const error = yield* Effect.flip(server.registerGroup("room", { room: "hall" }))
      assert.strictEqual(error._tag, "Canceled")
    }).pipe(onBus)
  )
})

describe("a service", () => {
  const make = (methods: Record<string, Rpc.Any>) => () => Service.make("Rooms", methods as never)

  it("whose group has two sets of topic parameters is refused", () => {
    const methods = {
      mute: Rpc.unary({ topic: ["room"], group: "g" }),
      who: Rpc.multi({ topic: ["room", "node"], group: "g" })
    }
    assert.throws(
      make(methods),
      "service Rooms, method who: has the topic parameters room, node, and mute of the same topic group, g, has room"
    )
  })

  it("whose group has one with a comma in its name, and two, is refused", () => {
    const one = Rpc.unary({ topic: ["a,b"], group: "g" })
    const two = Rpc.multi({ topic: ["a", "b"], group: "g" })
    assert.throws(make({ one, two }), "method two: has the topic parameters a, b, and one of the same topic group")
    assert.throws(make({ two, one }), "method one: has the topic parameters a,b, and two of the same topic group")
  })

  it("whose group has the same by names and by Schemas is not, unless their order differs", () => {
    const names = Rpc.unary({ topic: ["a", "b"], group: "g" })
    const schemas = Rpc.multi({ topic: { a: Schema.String, b: Schema.String }, group: "g" })
    assert.strictEqual(Service.make("Rooms", { names, schemas }).serviceName, "Rooms")
    const turned = Rpc.multi({ topic: { b: Schema.String, a: Schema.String }, group: "g" })
    assert.throws(make({ names, turned }), "method turned: has the topic parameters b, a, and names of the same")
  })

  it("whose group has none is refused", () => {
    assert.throws(
      make({ mute: Rpc.unary({ group: "g" }) }),
      "service Rooms, method mute: is in the topic group g, and has no topic"
    )
    assert.throws(make({ mute: Rpc.unary({ topic: ["a"], group: "" }) }), "a topic group needs a name")
  })
})

describe("handlers that are not written", () => {
  class All extends Service.make("All", {
    plain: Rpc.unary({ response: Schema.String }),
    best: Rpc.unary({ response: Schema.String, routing: "affinity" }),
    many: Rpc.multi({ response: Schema.String }),
    chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
    news: Rpc.subscription()
  }) {}

  it.effect("answer that they are not, and offer nothing", () =>
    Effect.gen(function* () {
      yield* Server.make(All, { ...Server.unimplemented(All), plain: () => Effect.succeed("written") })
      yield* Server.make(Service.omit(All, "plain"), Server.unimplemented(Service.omit(All, "plain")))
      const client = yield* Client.make(All)
      assert.strictEqual(yield* client.plain(), "written")
      const [first, second] = yield* Stream.runCollect(client.many({ expect: 2 }))
      for (const answer of [first!, second!]) {
        assert.strictEqual(answer.result._tag, "Failure")
        if (answer.result._tag === "Failure") {
          assert.strictEqual(answer.result.failure._tag, "Unimplemented")
          assert.strictEqual(answer.result.failure.message, "method is not implemented (All.Many)")
        }
      }
      const chat = yield* client.chat()
      assert.strictEqual((yield* Effect.flip(chat.closed))._tag, "Unimplemented")
      const best = yield* start(client.best({ timeout: 100 }))
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(best)._tag, "Unavailable")
    }).pipe(onBus)
  )
})
