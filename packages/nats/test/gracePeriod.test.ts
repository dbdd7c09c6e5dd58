import {
  again,
  bytes,
  channel,
  collect,
  grace,
  live,
  post,
  publish,
  text,
  unique,
  until
} from "@effect-psrpc/bus-tests"
import { NatsServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { broker, contentOf, msg, routed } from "./support.ts"

grace(broker)

describe("in the grace period after a reconnect", () => {
  live("a misrouted message is forwarded at once, and not after the grace period", () =>
    Effect.gen(function* () {
      const { bus, other } = yield* again(broker, { maxDelay: "1 minute" })
      const subject = unique()
      yield* collect(bus, routed(subject, "One.REQ"), { queue: true })
      const kept = post(bus, channel(), bytes("x"), 3_600_000)
      const raw: Array<Uint8Array> = []
      yield* other.subscribe({ name: "", subject, route: "" }, (message) => raw.push(message), { queue: true })
      for (let i = 0; i < 20; i++) yield* publish(other, routed(subject, "Two.REQ"), msg("Two.REQ", String(i)))
      yield* until(() => raw.length === 20, "all arrive")
      // still in the grace period: a message without listeners is kept
      assert.strictEqual(kept.reports, 0)
    })
  )
})

describe.concurrent("in a cluster", () => {
  live("'no listeners' is not reported before every server can know, and a retried message arrives once", () =>
    Effect.gen(function* () {
      const nodes = yield* NatsServer.makeCluster(3)
      const buses = yield* Effect.forEach(nodes, (node) => NatsMessageBus.make({ servers: node.url }))
      const got = new Map<string, number>()
      let sent = 0
      for (let round = 0; round < 30; round++) {
        const [from, to] = [buses[round % 3]!, buses[(round + 1) % 3]!]
        const news = channel()
        yield* to.subscribe(news, (message) => got.set(text(message), (got.get(text(message)) ?? 0) + 1))
        // the subscriber's server has the subscription, others may not
        assert.strictEqual(yield* publish(from, news, bytes(String(sent++))), -1)
      }
      yield* until(() => got.size === sent, "all arrive")
      assert.deepStrictEqual([...new Set(got.values())], [1])
      const outcome = post(buses[0]!, channel(), bytes("x"), 3_600_000)
      yield* until(() => outcome.reports === 1, "its outcome is reported")
      assert.strictEqual(outcome.receivers, 0)
    })
  )

  live("a member at the publisher's server forwards to one at another server", () =>
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
      // a server prefers its own members of a queue
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

  live("a queue spans the servers, and a client that moves to another one keeps its subscriptions", () =>
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
