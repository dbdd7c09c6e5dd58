import {
  bytes,
  channel,
  closable,
  collect,
  type Fate,
  live,
  post,
  publish,
  text,
  unique,
  until
} from "@effect-psrpc/bus-tests"
import { MessageBus } from "@effect-psrpc/core"
import { freePort, NatsServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Metric, Scope } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { connect2, connect3, contentOf, msg, routed } from "./support.ts"

const clients = { "nats 2": connect2, "nats 3": connect3 } as const

/** Who is connected to a server that says so, and to what each has subscribed. */
const monitored = Effect.gen(function* () {
  const monitor = yield* freePort
  const server = yield* NatsServer.make({ config: `http: "127.0.0.1:${monitor}"` })
  const subscriptions = Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${monitor}/connz?subs=true`)
    const { connections } = (await response.json()) as {
      readonly connections: ReadonlyArray<{ readonly subscriptions_list?: ReadonlyArray<string> }>
    }
    return connections.flatMap(({ subscriptions_list }) => subscriptions_list ?? [])
  })
  return { server, subscriptions }
})

const refusal = (connection: NatsMessageBus.Connection) =>
  Effect.map(Effect.flip(Effect.scoped(NatsMessageBus.makeConnection({ connection }))), (error) => {
    assert.strictEqual(error._tag, "FailedPrecondition")
    assert.isFalse(error.mayHaveRun)
    return error.message
  })

for (const [client, connect] of Object.entries(clients)) {
  describe(`a connection of the user's own, of ${client}`, () => {
    live("stays the user's: open afterwards, without a subscription of ours", () =>
      Effect.gen(function* () {
        const { server, subscriptions } = yield* monitored
        const connection = yield* connect(server.url)
        const theirs: Array<string> = []
        connection.subscribe("of.the.user", { callback: (_, { data }) => void theirs.push(text(data)) })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const bus = yield* NatsMessageBus.makeConnection({ connection })
            const news = channel()
            const got = yield* collect(bus, news)
            yield* collect(bus, routed(unique(), "Work.REQ"), { queue: true })
            assert.strictEqual(yield* publish(bus, news, bytes("x")), -1)
            yield* until(() => got.length === 1, "it arrives")
            // the user's, the inbox, the listener, the queue, and where its route is found
            assert.strictEqual((yield* subscriptions).length, 5)
          })
        )
        assert.isFalse(connection.isClosed() || connection.isDraining())
        yield* Effect.promise(() => connection.flush())
        assert.deepStrictEqual(yield* subscriptions, ["of.the.user"])
        connection.publish("of.the.user", bytes("still there"))
        yield* until(() => theirs.length === 1, "the user's subscription lives")
      })
    )

    live("is cleared of what outlives the bus", () =>
      Effect.gen(function* () {
        const { server, subscriptions } = yield* monitored
        const connection = yield* connect(server.url)
        const news = channel()
        const { close, scope } = yield* closable
        const bus = yield* NatsMessageBus.makeConnection({ connection }).pipe(Scope.provide(scope))
        yield* collect(bus, news)
        yield* close
        const error = yield* Effect.flip(Effect.scoped(bus.subscribe(news, () => {})))
        assert.strictEqual(error._tag, "Unavailable")
        assert.include(error.message, "the bus is closed")
        yield* Effect.promise(() => connection.flush())
        assert.deepStrictEqual(yield* subscriptions, [])
      })
    )

    live("is refused where it is closed, drained, or would not hear itself", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make()
        const connection = yield* connect(server.url)
        yield* Effect.promise(() => connection.drain())
        assert.include(yield* refusal(connection), "is closed")
        const draining = yield* connect(server.url)
        const drained = draining.drain()
        assert.include(yield* refusal(draining), "is being drained")
        yield* Effect.promise(() => drained)
        assert.include(yield* refusal(yield* connect(server.url, { noEcho: true })), "noEcho")
        assert.include(yield* refusal({} as never), "not one of nats.js")
      })
    )

    live("may carry several buses, and what else the user sends", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make()
        const connection = yield* connect(server.url)
        const [a, b] = yield* Effect.all([
          NatsMessageBus.makeConnection({ connection }),
          NatsMessageBus.makeConnection({ connection })
        ])
        const news = channel()
        const got = [yield* collect(a, news), yield* collect(b, news)]
        connection.subscribe("echo", { callback: (_, message) => void message.respond(message.data) })
        const fates: Array<Fate> = []
        const replies: Array<Promise<string>> = []
        const flushes: Array<Promise<void>> = []
        for (let turn = 0; turn < 20; turn++) {
          for (let i = 0; i < 20; i++) {
            replies.push(connection.request("echo", bytes(`${replies.length}`)).then(({ data }) => text(data)))
            fates.push(post(a, news, bytes("x")), post(b, channel(), bytes("nobody")))
            if (i % 5 === 0) flushes.push(connection.flush())
          }
          yield* Effect.yieldNow
        }
        const answers = yield* Effect.promise(() => Promise.all(replies))
        assert.deepStrictEqual(
          answers,
          answers.map((_, i) => String(i))
        )
        yield* Effect.promise(() => Promise.all(flushes))
        yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
        assert.isTrue(fates.every((fate, i) => fate.receivers === (i % 2 === 0 ? -1 : 0)))
        yield* until(() => got.every((messages) => messages.length === 400), "all arrive")
      })
    )

    live("that the user closes is said to be closed, to what is held as well", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make()
        const connection = yield* connect(server.url, { maxReconnectAttempts: 1, reconnectTimeWait: 10 })
        const bus = yield* NatsMessageBus.makeConnection({ connection })
        const idle = yield* connect(server.url)
        const other = yield* NatsMessageBus.makeConnection({ connection: idle })
        yield* Effect.promise(() => idle.close())
        yield* until(() => other.failure()?.message.includes("the connection is closed") === true, "it is known")
        assert.isFalse(post(other, channel(), bytes("x"), 30_000).error?.mayHaveRun)
        assert.strictEqual(
          (yield* Effect.flip(Effect.scoped(other.subscribe(channel(), () => {}))))._tag,
          "Unavailable"
        )
        // one that gives up
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "it is noticed")
        const held = post(bus, channel(), bytes("held"), 30_000)
        yield* until(() => held.told === 1, "it is told")
        assert.include(held.error?.message, "the connection is closed")
        assert.isFalse(held.error?.mayHaveRun)
      })
    )

    live("that is down when the bus is made is waited for, up to connectTimeout", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make()
        const connection = yield* connect(server.url)
        yield* server.stop({ kill: true })
        yield* until(() => connection.info === undefined, "the client knows")
        const make = NatsMessageBus.makeConnection({ connection, connectTimeout: "300 millis" })
        const error = yield* Effect.flip(Effect.scoped(make))
        assert.strictEqual(error._tag, "Unavailable")
        assert.include(error.message, "the connection is down")
        yield* server.restart
        const bus = yield* NatsMessageBus.makeConnection({ connection })
        const news = channel()
        const got = yield* collect(bus, news)
        assert.strictEqual(yield* publish(bus, news, bytes("x")), -1)
        yield* until(() => got.length === 1, "it arrives")
      })
    )

    live("of a user who may not read an inbox works, and nobody is told that nobody listens", () =>
      Effect.gen(function* () {
        const permissions = `{ publish: { allow: ["open.>"] }, subscribe: { allow: ["open.*", "my.inbox.>"] } }`
        const server = yield* NatsServer.make({
          config: `authorization { users: [{ user: app, password: pw, permissions: ${permissions} }] }`
        })
        const who = { user: "app", pass: "pw" }
        const connection = yield* connect(server.url, who)
        const subject = `open.${unique()}`
        const bus = yield* NatsMessageBus.makeConnection({ connection })
        const other = yield* NatsMessageBus.makeConnection({ connection: yield* connect(server.url, who) })
        assert.strictEqual(yield* publish(bus, routed(subject, ""), bytes("x")), -1)
        // nor to hand on by routes: it goes round as a Go server's would
        const before = (yield* Metric.value(NatsMessageBus.forwardedMessages)).count
        const got: Array<string> = []
        yield* bus.subscribe(routed(subject, "One.REQ"), () => {}, { queue: true })
        yield* other.subscribe(routed(subject, "Two.REQ"), (message) => got.push(contentOf(message)), { queue: true })
        for (let i = 0; i < 50; i++) yield* publish(other, routed(subject, "Two.REQ"), msg("Two.REQ", String(i)))
        yield* until(() => got.length === 50, "all arrive")
        assert.isAbove((yield* Metric.value(NatsMessageBus.forwardedMessages)).count, before)
        // another prefix, which is allowed
        const told = yield* NatsMessageBus.makeConnection({ connection, inboxPrefix: "my.inbox" })
        assert.strictEqual(yield* publish(told, routed(`open.${unique()}`, ""), bytes("x")), 0)
        const denied = yield* Effect.flip(publish(told, routed("closed", ""), bytes("x")))
        assert.strictEqual(denied._tag, "PermissionDenied")
        // the subjects of routes are denied, and those of queues are not
        const shared = `open.${unique()}`
        const round: Array<string> = []
        yield* bus.subscribe(routed(shared, "One.REQ"), () => {}, { queue: true })
        yield* told.subscribe(routed(shared, "Two.REQ"), (message) => round.push(contentOf(message)), { queue: true })
        for (let i = 0; i < 50; i++) yield* publish(told, routed(shared, "Two.REQ"), msg("Two.REQ", String(i)))
        yield* until(() => round.length === 50, "all arrive")
      })
    )
  })
}

describe("a subscription that the server takes away", () => {
  live("is asked for again when the connection comes back, for as long as somebody listens", () =>
    Effect.gen(function* () {
      const users = (allowed: string) =>
        `authorization { users: [{ user: app, password: pw, permissions: { subscribe: { allow: ["_INBOX.>", ${allowed}] } } }] }`
      const { port, ...open } = yield* NatsServer.make({ config: users('"closed", "open"') })
      const connection = yield* connect2(`127.0.0.1:${port}`, { user: "app", pass: "pw" })
      const bus = yield* NatsMessageBus.makeConnection({ connection })
      const got = yield* collect(bus, { name: "", subject: "closed", route: "" })
      yield* open.stop({ kill: true })
      yield* until(() => bus.failure() !== undefined, "it is noticed")
      const closed = yield* NatsServer.make({ port, config: users('"open"') })
      yield* until(() => bus.failure() === undefined, "it is back")
      const other = yield* NatsMessageBus.make({ servers: `nats://app:pw@127.0.0.1:${port}` })
      const to = { name: "", subject: "closed", route: "" }
      yield* Effect.eventually(Effect.filterOrFail(publish(other, to, bytes("x")), (receivers) => receivers === 0))
      yield* closed.stop({ kill: true })
      yield* until(() => bus.failure() !== undefined, "it is noticed")
      yield* open.restart
      yield* until(() => bus.failure() === undefined && other.failure() === undefined, "it is back")
      yield* Effect.eventually(Effect.filterOrFail(publish(other, to, bytes("y")), (receivers) => receivers === -1))
      yield* until(() => got.length === 1 && text(got[0]!) === "y", "it arrives")
    })
  )
})

describe("the bus as a Layer on a connection", () => {
  live("is one bus for all who are given it", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.make()
      const connection = yield* connect3(server.url)
      yield* Effect.gen(function* () {
        const bus = yield* MessageBus.MessageBus
        assert.strictEqual(yield* publish(bus, channel(), bytes("x")), 0)
      }).pipe(Effect.provide(NatsMessageBus.layerConnection({ connection })))
      assert.isFalse(connection.isClosed())
    })
  )
})
