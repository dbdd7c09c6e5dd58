/** Topics and topic groups that are registered and deregistered. */
import { Deferred, Effect, Fiber, Schema, Scope, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../harness/assertions.ts"
import type { ServiceCase } from "./serviceCase.ts"
import { callLoop } from "./callLoop.ts"
import { CallLog } from "./callLog.ts"
import { failsWith, isError } from "./errorAssertions.ts"
import { clientOptions, collectWindow, on, text } from "./fixtures.ts"

const comeAndGo: ServiceCase = {
  name: "no call is lost while servers register and deregister a topic, if another server has it",
  body: Effect.fnUntraced(function* (run) {
    const Rooms = Service.make(run.service, { call: Rpc.unary({ ...text, topic: ["room"] }) })
    const buses = yield* run.connections(3)
    const log = new CallLog()
    const call = (text: string) => Effect.tap(log.echo()(text), () => run.turn)
    const servers = yield* Effect.all(buses.map((bus) => on(bus)(Server.make(Rooms, { call }))))
    const client = yield* on(buses[2])(Client.make(Rooms, clientOptions(run)))
    const topic = { room: "one" }
    yield* servers[0]!.register("call", topic)
    const calls = yield* callLoop(run, 16, "call", (text) => client.call(text, { topic }))
    for (let round = 0; round < 10; round++) {
      const [next, current] = round % 2 === 0 ? [servers[1]!, servers[0]!] : [servers[0]!, servers[1]!]
      // by the scope of a registration, and by deregister
      yield* Effect.scoped(Effect.andThen(servers[2]!.register("call", topic), calls.more(10)))
      yield* next.register("call", topic)
      yield* calls.more(10)
      yield* current.deregister("call", topic)
      yield* calls.more(10)
    }
    yield* log.expect(yield* calls.stop)
    yield* Effect.all(servers.map((server) => server.deregister("call", topic)))
    const none = yield* Effect.flip(
      client.call("none", { topic, timeout: collectWindow(run), selection: Selection.first })
    )
    yield* isError("a call of a topic without servers", none, { code: "unavailable", mayHaveRun: false })
  })
}

const inFlight: ServiceCase = {
  name: "a topic that is deregistered finishes its in-flight requests, and closes its streams with unavailable",
  body: Effect.fnUntraced(function* (run) {
    const Rooms = Service.make(run.service, {
      call: Rpc.unary({ ...text, topic: ["room"] }),
      single: Rpc.unary({ ...text, topic: ["room"], singleServer: true }),
      talk: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["room"] })
    })
    const [a, b] = yield* run.connections(3)
    const go = yield* Deferred.make<void>()
    const log = new CallLog()
    const call = (text: string) => Effect.tap(log.echo()(text), () => Deferred.await(go))
    const topics = [{ room: "one" }, { room: "two" }]
    const server = yield* on(a)(
      Server.make(
        Rooms,
        {
          call,
          single: call,
          talk: (stream) => Stream.runForEach(stream.messages, log.echo())
        },
        { topics: { call: topics, single: topics, talk: topics } }
      )
    )
    const client = yield* on(b)(Client.make(Rooms, clientOptions(run)))
    const [one, two] = topics as [{ room: string }, { room: string }]
    const responses = yield* Effect.forkScoped(
      Effect.all([client.call("call", { topic: one }), client.single("single", { topic: one })], { concurrency: 2 })
    )
    const stream = yield* client.talk({ topic: one })
    const other = yield* client.talk({ topic: two })
    yield* stream.send("stream")
    yield* log.waitForCount(run, 3)
    for (const method of ["call", "single", "talk"] as const) yield* server.deregister(method, one)
    yield* failsWith("the stream", run.step("the stream to end", stream.closed), {
      code: "unavailable",
      message: "EOF"
    })
    for (const method of ["call", "single"] as const) {
      yield* failsWith(
        `${method} of a topic without servers`,
        client[method]("late", { topic: one, timeout: collectWindow(run) }),
        { code: run.bus.reportsNoListeners || method === "call" ? "unavailable" : "deadline_exceeded" }
      )
    }
    yield* Deferred.succeed(go, undefined)
    yield* equal("responses of in-flight requests", yield* run.step("the responses", Fiber.join(responses)), [
      "call",
      "single"
    ])
    // the other topic is still registered
    yield* equal("response of the other topic", yield* client.call("other", { topic: two }), "other")
    yield* other.send("other stream")
    yield* log.waitForCount(run, 5)
  })
}

const groups: ServiceCase = {
  name: "the methods of a topic group are registered and deregistered together",
  body: Effect.fnUntraced(function* (run) {
    const Rooms = Service.make(run.service, {
      join: Rpc.unary({ ...text, topic: ["room"], group: "room" }),
      mute: Rpc.unary({ ...text, topic: ["room"], group: "room", singleServer: true }),
      talk: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["room"], group: "room" }),
      other: Rpc.unary({ ...text, topic: ["room"] })
    })
    const [a, b] = yield* run.connections(3)
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
    const client = yield* on(b)(Client.make(Rooms, clientOptions(run)))
    /** Uses the three methods of the group, and compares whether they have a server. */
    const use = (room: string, isRegistered: boolean) =>
      Effect.gen(function* () {
        const options = { topic: { room }, ...(isRegistered ? {} : { timeout: collectWindow(run) / 4 }) } as const
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
            onFailure: ({ _tag }) => (_tag === "Unavailable" || _tag === "DeadlineExceeded" ? "no server" : _tag),
            onSuccess: (response) => response
          })
          yield* equal(`${method} in room ${room}`, result, isRegistered ? "hello" : "no server")
        }
      })
    yield* use("first", true)
    yield* use("second", false)
    const { close, scope } = yield* run.closable
    yield* Scope.provide(server.registerGroup("room", { room: "second" }), scope)
    yield* use("second", true)
    yield* failsWith(
      "a second registration of a group",
      Effect.scoped(server.registerGroup("room", { room: "second" })),
      {
        code: "already_exists",
        mayHaveRun: false
      }
    )
    // the failure has not removed the first registration
    yield* use("second", true)
    yield* close
    yield* use("second", false)
    yield* Effect.scoped(Effect.andThen(server.registerGroup("room", { room: "second" }), use("second", true)))
    yield* server.deregisterGroup("room", { room: "first" })
    yield* use("first", false)
    yield* server.registerGroup("room", { room: "first" })
    yield* use("first", true)
    // a registration that is interrupted at any time leaves nothing behind
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
    yield* failsWith("a registration of one member", member("join", { room: "third" }), { code: "invalid_argument" })
  })
}

export const registration: ReadonlyArray<ServiceCase> = [comeAndGo, inFlight, groups]
