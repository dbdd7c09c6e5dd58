import { Deferred, Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import type { ServerStream } from "../../../BidiStream.ts"
import * as Client from "../../../Client.ts"
import * as Rpc from "../../../Rpc.ts"
import * as Selection from "../../../Selection.ts"
import * as Server from "../../../Server.ts"
import * as Service from "../../../Service.ts"
import { check, equal } from "../suite/failure.ts"
import type { Case, Run } from "../suite/run.ts"
import { failsWith, isError, Ledger, on, patient, three } from "./stage.ts"

const text = { request: Schema.String, response: Schema.String } as const

/** Calls one after the other, from so many fibers, until told to stop; succeeds with what was called. */
const load = Effect.fnUntraced(function* (
  run: Run,
  fibers: number,
  prefix: string,
  call: (text: string) => Effect.Effect<string, unknown>
) {
  const called: Array<string> = []
  let stopped = false
  let answered = 0
  const one = Effect.suspend(() => {
    const text = `${prefix} ${called.length}`
    called.push(text)
    return Effect.flatMap(call(text), (answer) => {
      answered++
      return equal("the answer", answer, text)
    })
  })
  const fiber = yield* Effect.forkScoped(
    Effect.forEach(
      Array.from({ length: fibers }, (_, i) => i),
      () => Effect.whileLoop({ while: () => !stopped, body: () => one, step() {} }),
      { concurrency: "unbounded", discard: true }
    )
  )
  return {
    /** Waits until more calls were answered; fails as soon as a call has. */
    more: (count: number) =>
      Effect.suspend(() => {
        const end = answered + count
        return Effect.raceFirst(
          run.until(
            `${count} more calls to be answered`,
            () => answered >= end,
            () => `${answered} of ${end} were`
          ),
          Effect.andThen(Fiber.join(fiber), Effect.never)
        )
      }),
    stop: Effect.suspend(() => {
      stopped = true
      return Effect.as(run.step("the last calls to be answered", Fiber.join(fiber)), called)
    })
  }
})

const drain: Case = {
  name: "servers that drain while calls run lose none: the others take over",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary(text),
      affinity: Rpc.unary({ ...text, routing: "affinity" })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    /** Some calls are in hand at any time. */
    const work = (who: string) => (text: string) =>
      Effect.as(
        Effect.andThen(
          Effect.sync(() => ledger.handled(text, who)),
          run.turn
        ),
        text
      )
    const serve = (i: number, affinity: number) =>
      on(buses[i]!)(
        Server.make(
          Work,
          { queue: work(`${i}`), affinity: { affinity, handle: work(`${i}`) } },
          { drainTimeout: "20 seconds" }
        )
      )
    const first = yield* serve(0, 0.9)
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Work, patient))))
    const selection = Selection.best({ within: "20 seconds", afterFirst: "20 millis" })
    const queue = yield* load(run, 12, "queue", (text) => clients[0]!.queue(text))
    const affinity = yield* load(run, 6, "affinity", (text) => clients[1]!.affinity(text, { selection }))
    const more = Effect.all([queue.more(100), affinity.more(20)], { concurrency: 2 })
    yield* more
    const second = yield* serve(1, 0.5)
    yield* more
    yield* run.step("the first server to drain", first.drain)
    const third = yield* serve(2, 0.7)
    yield* more
    yield* run.step("the second server to drain", second.drain)
    yield* more
    yield* serve(0, 0.9)
    yield* run.step("the third server to drain", third.drain)
    yield* more
    const called = yield* Effect.all([queue.stop, affinity.stop], { concurrency: 2 })
    yield* ledger.once(called.flat())
  })
}

const drainStreams: Case = {
  name: "a server that drains closes its streams with unavailable, its handlers read what they have, and others take over",
  body: Effect.fnUntraced(function* (run) {
    const Chat = Service.make(run.service, { talk: Rpc.stream({ send: Schema.String, receive: Schema.String }) })
    const buses = yield* three(run)
    const read = new Ledger()
    const open = [0, 0, 0]
    const servers = yield* Effect.all(
      buses.map((bus, i) => {
        const talk = (stream: ServerStream<string, string>) => {
          open[i]!++
          return Stream.runForEach(stream.messages, (text) =>
            Effect.andThen(
              run.turn,
              Effect.sync(() => read.handled(text))
            )
          ).pipe(Effect.ensuring(Effect.sync(() => open[i]!--)))
        }
        return on(bus)(Server.make(Chat, { talk }, { drainTimeout: "20 seconds" }))
      })
    )
    /** Drains whoever has the most streams. */
    const drainBusiest = Effect.suspend(() => {
      const busiest = open.indexOf(Math.max(...open))
      open[busiest] = -Infinity
      return run.step("a server to drain", servers[busiest]!.drain)
    })
    const client = yield* on(buses[0])(Client.make(Chat, patient))
    const acknowledged: Array<string> = []
    let stopped = false
    let broken = 0
    /** Sends until the stream breaks, and what had no ack once more on another. */
    const session = Effect.fnUntraced(function* (n: number) {
      for (let i = 0; !stopped;) {
        const exit = yield* Effect.exit(
          Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* client.talk()
              while (!stopped) {
                const text = `${n} ${i}`
                // a number that was under way is never used again: it may have arrived
                i++
                yield* stream.send(text)
                acknowledged.push(text)
              }
              yield* stream.end
              yield* stream.closed
            })
          )
        )
        if (Exit.isSuccess(exit)) continue
        broken++
        for (const reason of exit.cause.reasons) {
          yield* isError("what a stream ends with", reason._tag === "Fail" ? reason.error : reason, {
            code: "unavailable"
          })
        }
      }
    })
    const talking = yield* Effect.forkScoped(
      Effect.forEach([0, 1, 2, 3, 4, 5, 6, 7, 8], session, { concurrency: "unbounded", discard: true })
    )
    const more = (count: number) =>
      Effect.suspend(() => {
        const end = acknowledged.length + count
        return Effect.raceFirst(
          run.until("more messages to be acknowledged", () => acknowledged.length >= end),
          Effect.andThen(Fiber.join(talking), Effect.never)
        )
      })
    yield* more(200)
    yield* drainBusiest
    yield* more(200)
    yield* drainBusiest
    yield* more(200)
    stopped = true
    yield* run.step("the streams to end", Fiber.join(talking))
    yield* drainBusiest
    yield* check(broken > 0, "two of three servers drained, and no stream broke")
    const got = new Set(read.all)
    yield* equal(
      "acknowledged messages that no handler read",
      acknowledged.filter((text) => !got.has(text)),
      []
    )
    yield* equal("messages that were read twice", read.count - got.size, 0)
  })
}

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
    const calls = yield* load(run, 16, "call", (text) => client.call(text, { topic }))
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
    const member = server.register as (method: string, topic: object) => ReturnType<typeof server.register>
    yield* failsWith("a member by itself", member("join", { room: "third" }), { code: "invalid_argument" })
  })
}

const killed: Case = {
  name: "a server that is killed, or has no time to drain, answers unavailable and interrupts its handlers",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, { call: Rpc.unary(text) })
    const [a, b] = yield* three(run)
    const client = yield* on(b)(Client.make(Work, patient))
    for (const how of ["kill", "drain"] as const) {
      const started = new Ledger()
      let interrupted = 0
      const call = (text: string) =>
        Effect.andThen(
          Effect.sync(() => started.handled(text)),
          Effect.never
        ).pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted++)))
      const server = yield* on(a)(Server.make(Work, { call }, { drainTimeout: "100 millis" }))
      const calls = yield* Effect.forkScoped(
        Effect.all(
          ["one", "two"].map((text) => Effect.exit(client.call(text))),
          { concurrency: 2 }
        )
      )
      yield* started.reached(run, 2)
      yield* run.step(`the server to ${how}`, server[how])
      yield* equal("handlers that were interrupted", interrupted, 2)
      for (const exit of yield* run.step("the callers to be told", Fiber.join(calls))) {
        yield* failsWith("a call", exit, { code: "unavailable", mayHaveRun: true })
      }
    }
  })
}

export const leaving: ReadonlyArray<Case> = [drain, drainStreams, comeAndGo, inHand, groups, killed]
