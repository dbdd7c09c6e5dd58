import { Deferred, Effect, Fiber, Schema, Scope, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { calling } from "./calling.ts"
import { failsWith, isError, Ledger, on, patient, text, three } from "./stage.ts"

const comeAndGo: Case = {
  name: "a topic that is registered and deregistered while calls run loses none, as long as another serves it",
  body: Effect.fnUntraced(function* (run) {
    const Rooms = Service.make(run.service, { call: Rpc.unary({ ...text, topic: ["room"] }) })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const call = (text: string) =>
      Effect.as(
        Effect.andThen(
          Effect.sync(() => ledger.handled(text)),
          run.turn
        ),
        text
      )
    const servers = yield* Effect.all(buses.map((bus) => on(bus)(Server.make(Rooms, { call }))))
    const client = yield* on(buses[2])(Client.make(Rooms, patient))
    const topic = { room: "one" }
    yield* servers[0]!.register("call", topic)
    const calls = yield* calling(run, 16, "call", (text) => client.call(text, { topic }))
    for (let round = 0; round < 10; round++) {
      const [comes, goes] = round % 2 === 0 ? [servers[1]!, servers[0]!] : [servers[0]!, servers[1]!]
      // by its scope, and by hand
      yield* Effect.scoped(Effect.andThen(servers[2]!.register("call", topic), calls.more(10)))
      yield* comes.register("call", topic)
      yield* calls.more(10)
      yield* goes.deregister("call", topic)
      yield* calls.more(10)
    }
    yield* ledger.once(yield* calls.stop)
    yield* Effect.all(servers.map((server) => server.deregister("call", topic)))
    const none = yield* Effect.flip(client.call("none", { topic, timeout: "1 second", selection: Selection.first }))
    yield* isError("a call that nobody serves any more", none, { code: "unavailable", mayHaveRun: false })
  })
}

const inHand: Case = {
  name: "a topic that is deregistered answers the calls in hand, and closes its streams with unavailable",
  body: Effect.fnUntraced(function* (run) {
    const Rooms = Service.make(run.service, {
      call: Rpc.unary({ ...text, topic: ["room"] }),
      single: Rpc.unary({ ...text, topic: ["room"], singleServer: true }),
      talk: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["room"] })
    })
    const [a, b] = yield* three(run)
    const go = yield* Deferred.make<void>()
    const ledger = new Ledger()
    const call = (text: string) =>
      Effect.as(
        Effect.andThen(
          Effect.sync(() => ledger.handled(text)),
          Deferred.await(go)
        ),
        text
      )
    const topics = [{ room: "one" }, { room: "two" }]
    const server = yield* on(a)(
      Server.make(
        Rooms,
        {
          call,
          single: call,
          talk: (stream) => Stream.runForEach(stream.messages, (text) => Effect.sync(() => ledger.handled(text)))
        },
        { topics: { call: topics, single: topics, talk: topics } }
      )
    )
    const client = yield* on(b)(Client.make(Rooms, patient))
    const [one, two] = topics as [{ room: string }, { room: string }]
    const answers = yield* Effect.forkScoped(
      Effect.all([client.call("call", { topic: one }), client.single("single", { topic: one })], { concurrency: 2 })
    )
    const stream = yield* client.talk({ topic: one })
    const other = yield* client.talk({ topic: two })
    yield* stream.send("stream")
    yield* ledger.reached(run, 3)
    for (const method of ["call", "single", "talk"] as const) yield* server.deregister(method, one)
    yield* failsWith("the stream", run.step("the stream to end", stream.closed), {
      code: "unavailable",
      message: "EOF"
    })
    for (const method of ["call", "single"] as const) {
      yield* failsWith(
        `${method} when nobody serves the topic`,
        client[method]("late", { topic: one, timeout: "1 second" }),
        { code: run.traits.reportsNoListeners || method === "call" ? "unavailable" : "deadline_exceeded" }
      )
    }
    yield* Deferred.succeed(go, undefined)
    yield* equal("the answers of what was in hand", yield* run.step("answers", Fiber.join(answers)), ["call", "single"])
    // the other topic is not concerned
    yield* equal("the other topic's answer", yield* client.call("other", { topic: two }), "other")
    yield* other.send("other stream")
    yield* ledger.reached(run, 5)
  })
}

const groups: Case = {
  name: "the methods of a topic group are registered together, all or none, and deregistered together",
  body: Effect.fnUntraced(function* (run) {
    const Rooms = Service.make(run.service, {
      join: Rpc.unary({ ...text, topic: ["room"], group: "room" }),
      mute: Rpc.unary({ ...text, topic: ["room"], group: "room", singleServer: true }),
      talk: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["room"], group: "room" }),
      other: Rpc.unary({ ...text, topic: ["room"] })
    })
    const [a, b] = yield* three(run)
    const echo = (text: string) => Effect.succeed(text)
    const server = yield* on(a)(
      Server.make(
        Rooms,
        {
          join: echo,
          mute: echo,
          other: echo,
          talk: (stream) => Stream.runForEach(stream.messages, (text) => stream.send(text))
        },
        { groups: { room: [{ room: "first" }] } }
      )
    )
    const client = yield* on(b)(Client.make(Rooms, patient))
    /** Uses the three methods of the group, which are to be there, or not to be. */
    const use = (room: string, are: boolean) =>
      Effect.gen(function* () {
        const options = { topic: { room }, timeout: are ? "20 seconds" : "500 millis" } as const
        const each = {
          join: client.join("hello", options),
          mute: client.mute("hello", options),
          talk: Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* client.talk(options)
              yield* stream.send("hello")
              return (yield* Stream.runCollect(Stream.take(stream.messages, 1)))[0]
            })
          )
        }
        for (const [method, call] of Object.entries(each)) {
          const result = yield* Effect.match(run.step(`${method} in ${room}`, call), {
            onFailure: ({ _tag }) => (_tag === "Unavailable" || _tag === "DeadlineExceeded" ? "nobody" : _tag),
            onSuccess: (answer) => answer
          })
          yield* equal(`${method} in room ${room}`, result, are ? "hello" : "nobody")
        }
      })
    yield* use("first", true)
    yield* use("second", false)
    const { close, scope } = yield* run.closable
    yield* Scope.provide(server.registerGroup("room", { room: "second" }), scope)
    yield* use("second", true)
    yield* failsWith("a group that is registered", Effect.scoped(server.registerGroup("room", { room: "second" })), {
      code: "already_exists",
      mayHaveRun: false
    })
    // the failure took nothing away
    yield* use("second", true)
    yield* close
    yield* use("second", false)
    yield* Effect.scoped(Effect.andThen(server.registerGroup("room", { room: "second" }), use("second", true)))
    yield* server.deregisterGroup("room", { room: "first" })
    yield* use("first", false)
    yield* server.registerGroup("room", { room: "first" })
    yield* use("first", true)
    // one that is interrupted, at any time, leaves nothing behind
    for (let i = 0; i < 20; i++) {
      const registration = Effect.scoped(Effect.andThen(server.registerGroup("room", { room: "second" }), Effect.never))
      const fiber = yield* Effect.forkChild(registration, { startImmediately: true })
      for (let yields = 0; yields < i; yields++) yield* Effect.yieldNow
      if (i % 4 === 3) yield* run.turn
      yield* run.step("an interrupted registration to end", Fiber.interrupt(fiber))
    }
    yield* use("second", false)
    yield* Effect.scoped(Effect.andThen(server.registerGroup("room", { room: "second" }), use("second", true)))
    const member = server.register as (method: string, topic: object) => ReturnType<typeof server.register>
    yield* failsWith("a member by itself", member("join", { room: "third" }), { code: "invalid_argument" })
  })
}

export const registering: ReadonlyArray<Case> = [comeAndGo, inHand, groups]
