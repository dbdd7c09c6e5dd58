import {
  bytes,
  channel,
  closable,
  collect,
  type Outcome,
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

/** Returns the connections of a server, and their subscriptions, from its monitoring. */
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
  describe(`a connection of the user, of ${client}`, () => {
    live("stays open after the bus, without subscriptions of it", () =>
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
            // the user's, the inbox, the listener, the queue, and its route
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

    live("keeps nothing of a closed bus", () =>
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

    live("is refused if it is closed, drained, or does not echo", () =>
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

    live("may carry several buses, and the user's own messages", () =>
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
        const outcomes: Array<Outcome> = []
        const replies: Array<Promise<string>> = []
        const flushes: Array<Promise<void>> = []
        for (let turn = 0; turn < 20; turn++) {
          for (let i = 0; i < 20; i++) {
            replies.push(connection.request("echo", bytes(`${replies.length}`)).then(({ data }) => text(data)))
            outcomes.push(post(a, news, bytes("x")), post(b, channel(), bytes("nobody")))
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
        yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
        assert.isTrue(outcomes.every((outcome, i) => outcome.receivers === (i % 2 === 0 ? -1 : 0)))
        yield* until(() => got.every((messages) => messages.length === 400), "all arrive")
      })
    )

    live("that the user closes is reported as closed, also to buffered messages", () =>
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
        // a connection that stops to reconnect
        yield* server.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "the bus notices it")
        const held = post(bus, channel(), bytes("held"), 30_000)
        yield* until(() => held.reports === 1, "its outcome is reported")
        assert.include(held.error?.message, "the connection is closed")
        assert.isFalse(held.error?.mayHaveRun)
      })
    )

    live("that is down when the bus is made gets connectTimeout to come back", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.make()
        const connection = yield* connect(server.url)
        yield* server.stop({ kill: true })
        yield* until(() => connection.info === undefined, "the client notices it")
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

    live("of a user without permission for the inbox works, without reports of 'no listeners'", () =>
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
        // nor forwarding by routes: messages go from member to member
        const before = (yield* Metric.value(NatsMessageBus.forwardedMessages)).count
        const got: Array<string> = []
        yield* bus.subscribe(routed(subject, "One.REQ"), () => {}, { queue: true })
        yield* other.subscribe(routed(subject, "Two.REQ"), (message) => got.push(contentOf(message)), { queue: true })
        for (let i = 0; i < 50; i++) yield* publish(other, routed(subject, "Two.REQ"), msg("Two.REQ", String(i)))
        yield* until(() => got.length === 50, "all arrive")
        assert.isAbove((yield* Metric.value(NatsMessageBus.forwardedMessages)).count, before)
        // another prefix, with permission
        const allowed = yield* NatsMessageBus.makeConnection({ connection, inboxPrefix: "my.inbox" })
        assert.strictEqual(yield* publish(allowed, routed(`open.${unique()}`, ""), bytes("x")), 0)
        const denied = yield* Effect.flip(publish(allowed, routed("closed", ""), bytes("x")))
        assert.strictEqual(denied._tag, "PermissionDenied")
        // no permission for the subjects of routes
        const shared = `open.${unique()}`
        const round: Array<string> = []
        yield* allowed.subscribe(routed(shared, "One.REQ"), () => {}, { queue: true })
        yield* allowed.subscribe(routed(shared, "Two.REQ"), (message) => round.push(contentOf(message)), {
          queue: true
        })
        for (let i = 0; i < 50; i++) yield* publish(allowed, routed(shared, "Two.REQ"), msg("Two.REQ", String(i)))
        yield* until(() => round.length === 50, "all arrive")
      })
    )
  })
}

describe("a subscription that the server revokes", () => {
  live("is requested again after a reconnect while it has listeners", () =>
    Effect.gen(function* () {
      const users = (allowed: string) =>
        `authorization { users: [{ user: app, password: pw, permissions: { subscribe: { allow: ["_INBOX.>", ${allowed}] } } }] }`
      const { port, ...open } = yield* NatsServer.make({ config: users('"closed", "open"') })
      const connection = yield* connect2(`127.0.0.1:${port}`, { user: "app", pass: "pw" })
      const bus = yield* NatsMessageBus.makeConnection({ connection })
      const got = yield* collect(bus, { name: "", subject: "closed", route: "" })
      yield* open.stop({ kill: true })
      yield* until(() => bus.failure() !== undefined, "the bus notices it")
      const closed = yield* NatsServer.make({ port, config: users('"open"') })
      yield* until(() => bus.failure() === undefined, "it is back")
      const other = yield* NatsMessageBus.make({ servers: `nats://app:pw@127.0.0.1:${port}` })
      const to = { name: "", subject: "closed", route: "" }
      yield* Effect.eventually(Effect.filterOrFail(publish(other, to, bytes("x")), (receivers) => receivers === 0))
      yield* closed.stop({ kill: true })
      yield* until(() => bus.failure() !== undefined, "the bus notices it")
      yield* open.restart
      yield* until(() => bus.failure() === undefined && other.failure() === undefined, "it is back")
      yield* Effect.eventually(Effect.filterOrFail(publish(other, to, bytes("y")), (receivers) => receivers === -1))
      yield* until(() => got.length === 1 && text(got[0]!) === "y", "it arrives")
    })
  )
})

describe("the bus as a Layer on a connection", () => {
  live("is one bus for all its users", () =>
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
