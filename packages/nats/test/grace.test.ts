import { NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import {
  bytes,
  channel,
  closable,
  collect,
  contentOf,
  type Fate,
  live,
  msg,
  post,
  publish,
  routed,
  sleep,
  text,
  unique,
  until
} from "./support.ts"

const maxDelay = 300

/** A bus whose connection has just been broken and is back, and one that stayed connected. */
const again = Effect.fnUntraced(function* (options: NatsMessageBus.LimitOptions = {}) {
  const server = yield* NatsServer.make()
  const other = yield* NatsMessageBus.make({ servers: server.url })
  const proxy = yield* TcpProxy.make(server)
  const reconnect = { minDelay: 10, maxDelay }
  const bus = yield* NatsMessageBus.make({ servers: `127.0.0.1:${proxy.port}`, reconnect, ...options })
  proxy.cut()
  yield* until(() => bus.failure() !== undefined, "it is noticed")
  yield* until(() => bus.failure() === undefined, "it is back")
  return { bus, other, proxy, server }
})

describe("just after the connection came back", () => {
  live("what nobody hears is sent again until somebody does: once, and with what came behind it in order", () =>
    Effect.gen(function* () {
      const { bus, other } = yield* again()
      const [late, busy] = [channel(), channel()]
      const fates = [post(bus, late, bytes("0"))]
      // the answer has come, and the message is kept
      assert.strictEqual(yield* collect(other, busy).pipe(Effect.andThen(publish(bus, busy, bytes("x")))), -1)
      for (let i = 1; i < 200; i++) fates.push(post(bus, late, bytes(String(i))))
      fates[100]!.isWanted = false
      const got = yield* collect(other, late)
      yield* until(() => fates.every((fate, i) => i === 100 || fate.told === 1), "all are told")
      assert.isTrue(fates.every((fate, i) => (i === 100 ? fate.told === 0 : fate.receivers === -1)))
      assert.strictEqual(yield* publish(bus, late, bytes("last")), -1)
      yield* until(() => got.length >= 200, "all arrive")
      const expected = fates.map((_, i) => String(i)).filter((name) => name !== "100")
      assert.deepStrictEqual(got.map(text), [...expected, "last"])
    })
  )

  live("messages sent together, that nobody heard, stay in order as well", () =>
    Effect.gen(function* () {
      const { bus, other } = yield* again()
      const news = channel()
      const fates: Array<Fate> = []
      for (let i = 0; i < 100; i++) fates.push(post(bus, news, bytes(String(i))))
      yield* sleep(120)
      const got = yield* collect(other, news)
      yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
      yield* until(() => got.length === 100, "all arrive")
      assert.deepStrictEqual(
        got.map(text),
        fates.map((_, i) => String(i))
      )
    })
  )

  live("nobody comes: told so when it expires, or when the time is over, and at once from then on", () =>
    Effect.gen(function* () {
      const { bus } = yield* again()
      const begin = performance.now()
      const news = channel()
      const brief = post(bus, news, bytes("brief"), 200)
      const patient = post(bus, news, bytes("patient"), 30_000)
      yield* until(() => brief.told === 1, "the brief one is told")
      assert.isBelow(performance.now() - begin, 250)
      yield* until(() => patient.told === 1, "the other is told")
      assert.isAtLeast(performance.now() - begin, maxDelay)
      assert.isBelow(performance.now() - begin, 2 * maxDelay + 500)
      assert.deepStrictEqual([brief.receivers, patient.receivers], [0, 0])
      const later = performance.now()
      assert.strictEqual(yield* publish(bus, news, bytes("later")), 0)
      assert.isBelow(performance.now() - later, 45)
    })
  )

  live("a connection that breaks again, over and over: nothing is told twice or lost", () =>
    Effect.gen(function* () {
      const { bus, other, proxy } = yield* again()
      const news = channel()
      const fates: Array<Fate> = []
      for (let round = 0; round < 15; round++) {
        for (let i = 0; i < 10; i++) fates.push(post(bus, news, bytes(String(fates.length)), 30_000))
        yield* sleep(7 * round)
        proxy.cut()
      }
      const got = yield* collect(other, news)
      yield* until(() => fates.every((fate) => fate.told > 0), "all are told")
      const sent = fates.flatMap((fate, i) => (fate.receivers === -1 ? [String(i)] : []))
      yield* until(() => sent.every((name) => got.some((message) => text(message) === name)), "what was taken arrives")
      assert.isTrue(fates.every((fate) => fate.told === 1 && (fate.error?.mayHaveRun ?? true)))
      assert.strictEqual(new Set(got.map(text)).size, got.length)
    })
  )

  live("what waits is bounded as what is held, and told when the bus is closed", () =>
    Effect.gen(function* () {
      const { close, scope } = yield* closable
      const { bus } = yield* again({ maxHeldMessages: 20 }).pipe(Scope.provide(scope))
      const news = channel()
      const first = Array.from({ length: 25 }, (_, i) => post(bus, news, bytes(String(i)), 30_000))
      yield* until(() => first.filter((fate) => fate.told === 1).length === 5, "five find no room")
      assert.isTrue(first.every((fate) => fate.told === 0 || fate.receivers === 0))
      const behind = post(bus, news, bytes("behind"), 30_000)
      assert.strictEqual(behind.error?.reason, "overflow")
      assert.isFalse(behind.error?.mayHaveRun)
      yield* close
      assert.isTrue(first.every((fate) => fate.told === 1))
    })
  )

  live("a queue's message is handed on at once, and not when the time is over", () =>
    Effect.gen(function* () {
      const { bus, other } = yield* again()
      const subject = unique()
      yield* collect(bus, routed(subject, "One.REQ"), { queue: true })
      const begin = performance.now()
      const raw: Array<Uint8Array> = []
      yield* other.subscribe({ name: "", subject, route: "" }, (message) => raw.push(message), { queue: true })
      for (let i = 0; i < 20; i++) yield* publish(other, routed(subject, "Two.REQ"), msg("Two.REQ", String(i)))
      yield* until(() => raw.length === 20, "all arrive")
      assert.isBelow(performance.now() - begin, 2 * maxDelay)
    })
  )
})

describe("in a cluster", () => {
  live("nobody is told that nobody listens before every server can know, and what is sent again arrives once", () =>
    Effect.gen(function* () {
      const nodes = yield* NatsServer.makeCluster(3)
      const buses = yield* Effect.forEach(nodes, (node) => NatsMessageBus.make({ servers: node.url }))
      const got = new Map<string, number>()
      let sent = 0
      for (let round = 0; round < 30; round++) {
        const [from, to] = [buses[round % 3]!, buses[(round + 1) % 3]!]
        const news = channel()
        yield* to.subscribe(news, (message) => got.set(text(message), (got.get(text(message)) ?? 0) + 1))
        // the server of the subscriber has it, others may not
        assert.strictEqual(yield* publish(from, news, bytes(String(sent++))), -1)
      }
      yield* until(() => got.size === sent, "all arrive")
      assert.deepStrictEqual([...new Set(got.values())], [1])
      const begin = performance.now()
      assert.strictEqual(yield* publish(buses[0]!, channel(), bytes("x")), 0)
      assert.isBelow(performance.now() - begin, 1000)
    })
  )

  live("a member that shares the publisher's server hands on to one of another server", () =>
    Effect.gen(function* () {
      const [near, far] = yield* NatsServer.makeCluster(2)
      const [client, a, b] = yield* Effect.all([
        NatsMessageBus.make({ servers: near!.url }),
        NatsMessageBus.make({ servers: near!.url }),
        NatsMessageBus.make({ servers: far!.url })
      ])
      const subject = unique()
      const got: Array<string> = []
      yield* a.subscribe(routed(subject, "One.REQ"), () => {}, { queue: true })
      yield* b.subscribe(routed(subject, "Two.REQ"), (message) => got.push(contentOf(message)), { queue: true })
      // a server gives a queue's messages to its own members first, once it knows of the others or not
      const heard = Effect.suspend(() => {
        got.length = 0
        return publish(client, routed(subject, "Two.REQ"), msg("Two.REQ", "first"))
      }).pipe(Effect.andThen(until(() => got.length > 0, "it arrives", 500)), Effect.exit)
      yield* Effect.eventually(Effect.filterOrFail(heard, Exit.isSuccess))
      got.length = 0
      for (let i = 0; i < 300; i++) post(client, routed(subject, "Two.REQ"), msg("Two.REQ", String(i)))
      yield* until(() => got.length === 300, "all arrive")
      assert.strictEqual(new Set(got).size, 300)
    })
  )

  live("a queue spans the servers, and a client moves to another one without losing its subscriptions", () =>
    Effect.gen(function* () {
      const nodes = yield* NatsServer.makeCluster(2)
      const servers = nodes.map(({ url }) => url)
      const reconnect = { minDelay: 10, maxDelay: 100 }
      const [a, b] = yield* Effect.all([
        NatsMessageBus.make({ servers: [servers[0]!], reconnect }),
        NatsMessageBus.make({ servers, reconnect })
      ])
      const subject = unique()
      const received: Array<string> = []
      const listener = (message: Uint8Array): void => void received.push(text(message))
      const jobs = { name: "", subject, route: "" }
      yield* a.subscribe(jobs, listener, { queue: true })
      yield* b.subscribe(jobs, listener, { queue: true })
      for (let i = 0; i < 100; i++) yield* publish(a, jobs, bytes(String(i)))
      yield* until(() => received.length === 100, "all arrive")
      assert.strictEqual(new Set(received).size, 100)
      yield* nodes[1]!.stop({ kill: true })
      yield* until(() => b.failure() === undefined, "it is on the other")
      for (let i = 100; i < 200; i++) yield* publish(a, jobs, bytes(String(i)))
      yield* until(() => received.length === 200, "all arrive")
    })
  )
})
