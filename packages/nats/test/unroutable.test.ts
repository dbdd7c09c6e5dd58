import { type Bus, bytes, live, post, publish, text, unique, until } from "@effect-psrpc/bus-tests"
import { Client, MessageBus, Publisher, Server } from "@effect-psrpc/core"
import { Msg } from "@effect-psrpc/core/broker"
import { freePort, NatsServer } from "@effect-psrpc/test-servers"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Metric, References, Stream } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { connect2, contentOf, msg, routed } from "./support.ts"
import { parts, Works } from "./processService.ts"

const unroutable = Effect.map(Metric.value(NatsMessageBus.unroutableMessages), ({ count }) => count)
const dropped = (count: number) => Effect.eventually(Effect.filterOrFail(unroutable, (now) => now >= count))

/** A server that counts the messages that it has received. */
const counting = Effect.gen(function* () {
  const port = yield* freePort
  const { url } = yield* NatsServer.make({ config: `http: "127.0.0.1:${port}"` })
  const sent = Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/varz`)
    return ((await response.json()) as { readonly in_msgs: number }).in_msgs
  })
  return { url, sent }
})

const busOf = (url: string) => NatsMessageBus.make({ servers: url })
const on = (bus: Bus) => Effect.provideService(MessageBus.MessageBus, bus)

const join = Effect.fnUntraced(function* (bus: Bus, subject: string, route: string) {
  const got: Array<string> = []
  yield* bus.subscribe(routed(subject, route), (message) => void got.push(contentOf(message)), { queue: true })
  return got
})

/** A member that does not forward, like one of Go. */
const joinOther = Effect.fnUntraced(function* (url: string, subject: string) {
  const connection = yield* connect2(url)
  const got: Array<Msg.Msg> = []
  connection.subscribe(subject, {
    queue: "bus",
    callback: (_, { data }) => void got.push(Msg.decode(data) as Msg.Msg)
  })
  yield* Effect.promise(() => connection.flush())
  return { got, contents: (route: string) => got.filter((m) => m.channel === route).map((m) => text(m.value)) }
})

/** Collects the log lines, also those at debug level. */
const logged = (lines: Array<string>) =>
  Effect.provide([
    Logger.layer([Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))])
  ])

const handle = (request: string) => Effect.succeed(request)

describe("updates to a queue without subscribers", () => {
  it.live(
    "cost about two messages each, and no warning",
    () => {
      const lines: Array<string> = []
      return Effect.gen(function* () {
        const { sent, url } = yield* counting
        const [a, b, c] = yield* Effect.all([busOf(url), busOf(url), busOf(url)])
        yield* Server.make(parts.one, { one: handle }).pipe(on(a))
        yield* Server.make(parts.one, { one: handle }).pipe(on(b))
        const client = yield* Client.make(Works, { timeout: "10 seconds" }).pipe(on(c))
        const publisher = yield* Publisher.make(Works).pipe(on(c))
        assert.strictEqual(yield* client.one("before"), "before")
        const [messages, lost] = yield* Effect.all([sent, unroutable])
        const updates = 5000
        yield* Effect.forEach(Array.from({ length: updates }), (_, i) => publisher.done(String(i)), {
          concurrency: 64,
          discard: true
        })
        yield* dropped(lost + updates)
        const cost = (yield* sent) - messages
        assert.isAtLeast(cost, 2 * updates)
        assert.isAtMost(cost, 3 * updates)
        assert.strictEqual(yield* unroutable, lost + updates)
        assert.strictEqual(yield* client.one("after"), "after")
        assert.deepStrictEqual(
          lines.filter((line) => !line.startsWith("Debug")),
          []
        )
        assert.isTrue(lines.some((line) => line.includes("it has no subscribers")))
      }).pipe(logged(lines), Effect.provideService(References.MinimumLogLevel, "Debug"))
    },
    60_000
  )

  live("cost 18 messages each if they are few", () =>
    Effect.gen(function* () {
      const { sent, url } = yield* counting
      const [a, b] = yield* Effect.all([busOf(url), busOf(url)])
      const subject = unique()
      yield* join(a, subject, "Here.REQ")
      yield* join(b, subject, "Here.REQ")
      const [messages, lost] = yield* Effect.all([sent, unroutable])
      for (let i = 1; i <= 3; i++) {
        yield* publish(a, routed(subject, "Nowhere.REQ"), msg("Nowhere.REQ", String(i)))
        yield* dropped(lost + i)
      }
      assert.strictEqual((yield* sent) - messages, 3 * 18)
    })
  )

  live(
    "are received by a new subscriber at once, and none is lost",
    () =>
      Effect.gen(function* () {
        const { url } = yield* counting
        const [a, b, c] = yield* Effect.all([busOf(url), busOf(url), busOf(url)])
        yield* Server.make(parts.one, { one: handle }).pipe(on(a))
        yield* Server.make(parts.two, { two: handle }).pipe(on(b))
        const publisher = yield* Publisher.make(Works).pipe(on(c))
        const client = yield* Client.make(Works).pipe(on(c))
        const publishAll = (count: number) =>
          Effect.forEach(Array.from({ length: count }), (_, i) => publisher.done(String(i)), {
            concurrency: 64,
            discard: true
          })
        const lost = yield* unroutable
        yield* publishAll(500)
        yield* dropped(lost + 500)
        const done = yield* client.done({ subscriptionBufferSize: 1000 })
        yield* publishAll(1000)
        const got = yield* Stream.runCollect(Stream.take(done, 1000))
        assert.deepStrictEqual(
          got.map(Number).toSorted((x, y) => x - y),
          Array.from({ length: 1000 }, (_, i) => i)
        )
        assert.strictEqual(yield* unroutable, lost + 500)
      }),
    60_000
  )
})

describe("a queue with a member that does not forward", () => {
  live("receives every update of its routes, also many at once", () =>
    Effect.gen(function* () {
      const { url } = yield* counting
      const [a, client] = yield* Effect.all([busOf(url), busOf(url)])
      const subject = unique()
      yield* join(a, subject, "Ours.REQ")
      const other = yield* joinOther(url, subject)
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 500; i++) {
          post(client, routed(subject, "Theirs.REQ"), msg("Theirs.REQ", String(round * 500 + i)))
        }
        yield* until(() => other.contents("Theirs.REQ").length === (round + 1) * 500, "all arrive")
      }
      assert.strictEqual(new Set(other.contents("Theirs.REQ")).size, 1500)
    })
  )

  live("that joins later is detected", () =>
    Effect.gen(function* () {
      const { url } = yield* counting
      const [a, client] = yield* Effect.all([busOf(url), busOf(url)])
      const subject = unique()
      yield* join(a, subject, "Ours.REQ")
      const lost = yield* unroutable
      for (let i = 0; i < 1000; i++) post(client, routed(subject, "Theirs.REQ"), msg("Theirs.REQ", "early"))
      yield* dropped(lost + 1000)
      const other = yield* joinOther(url, subject)
      const request = Msg.encode({
        typeUrl: "type.googleapis.com/internal.Request",
        value: bytes("call"),
        channel: "Theirs.REQ"
      }).slice()
      // a request is always forwarded
      for (let i = 0; i < 100; i++) post(client, routed(subject, "Theirs.REQ"), request)
      yield* until(() => other.contents("Theirs.REQ").length === 100, "all calls arrive")
      // updates are forwarded again when a probe was lost
      const forwarded = () => other.got.some(({ hops, value }) => hops > 64 && text(value) === "late")
      const some = Effect.gen(function* () {
        for (let i = 0; i < 100; i++) yield* publish(client, routed(subject, "Theirs.REQ"), msg("Theirs.REQ", "late"))
        return forwarded()
      })
      yield* Effect.repeat(Effect.delay(some, "50 millis"), { until: (isFound) => isFound })
      for (let i = 0; i < 100; i++) post(client, routed(subject, "Theirs.REQ"), msg("Theirs.REQ", "found"))
      const found = () => other.contents("Theirs.REQ").filter((content) => content === "found").length
      yield* until(() => found() === 100, "all updates arrive")
    })
  )
})

describe("a request without a route", () => {
  it.live("is logged as a warning, the first time and the tenth", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      const { sent, url } = yield* counting
      const bus = yield* busOf(url)
      const subject = unique()
      yield* join(bus, subject, "Here.REQ")
      const [messages, lost] = yield* Effect.all([sent, unroutable])
      const request = Msg.encode({
        typeUrl: "type.googleapis.com/internal.Request",
        value: bytes("call"),
        channel: "Nowhere.REQ"
      }).slice()
      for (let i = 1; i <= 12; i++) {
        yield* publish(bus, routed(subject, "Nowhere.REQ"), request)
        yield* dropped(lost + i)
      }
      assert.strictEqual((yield* sent) - messages, 12 * 18)
      const warnings = lines.filter((line) => line.startsWith("Warn"))
      assert.deepStrictEqual(
        warnings.map((line) => /(\d+) message\(s\).*Nowhere\.REQ.*16 hops/.exec(line)?.[1]),
        ["1", "10"]
      )
    }).pipe(logged(lines))
  })
})

describe("a member without reports of 'no listeners'", () => {
  live("leaves the route's subject to the next member", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.make({
        config: `authorization { users: [
          { user: all, password: all }
          { user: few, password: few, permissions: { publish: ">", subscribe: { deny: "_INBOX.>" } } }
        ] }`
      })
      const few = yield* NatsMessageBus.make({ servers: url, user: "few", password: "few" })
      const [asks, has, client] = yield* Effect.all(
        [1, 2, 3].map(() => NatsMessageBus.make({ servers: url, user: "all", password: "all" }))
      )
      const subject = unique()
      yield* join(few, subject, "Few.REQ")
      yield* join(asks!, subject, "Asks.REQ")
      const got = yield* join(has!, subject, "Has.REQ")
      const tap = yield* connect2(url, { user: "all", pass: "all" })
      const hops = new Set<number>()
      tap.subscribe(subject, {
        callback: (_, { data }) => void hops.add((Msg.decode(data) as Msg.Msg).hops)
      })
      yield* Effect.promise(() => tap.flush())
      for (let i = 0; i < 1000; i++) post(client!, routed(subject, "Has.REQ"), msg("Has.REQ", String(i)))
      yield* until(() => got.length === 1000, "all arrive")
      assert.isTrue(hops.has(1))
      assert.isTrue([...hops].every((count) => count < 64))
    })
  )
})
