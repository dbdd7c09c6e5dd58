import { bytes, channel, collect, type Outcome, live, post, publish, sleep, text, until } from "@effect-psrpc/bus-tests"
import { RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Cluster, Redis } from "ioredis"
import { RedisMessageBus } from "../src/index.ts"

const replicated = Effect.gen(function* () {
  const master = yield* RedisServer.make()
  const replica = yield* RedisServer.make({ args: ["--replicaof", "127.0.0.1", String(master.port)] })
  const sentinel = yield* RedisServer.make({ sentinel: { name: "main", master } })
  yield* sentinel.command("SENTINEL", "REPLICAS", "main").pipe(
    Effect.filterOrFail(
      (found) => Array.isArray(found) && found.length === 1 && String(found[0]).includes("master-link-status,ok")
    ),
    Effect.eventually
  )
  return { master, replica, sentinel }
})

describe.concurrent("Sentinel", () => {
  live(
    "the master is found, and the new one after a failover; subscriptions are restored",
    () =>
      Effect.gen(function* () {
        const { master, replica, sentinel } = yield* replicated
        const sentinels = [{ host: "127.0.0.1", port: sentinel.port }]
        const own = yield* RedisMessageBus.make({
          redis: { sentinels, name: "main" },
          reconnect: { maxDelay: "100 millis" }
        })
        const options = { sentinels, name: "main", autoResendUnfulfilledCommands: false, retryStrategy: () => 50 }
        const clients = [new Redis(options), new Redis(options)] as const
        yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((redis) => redis.disconnect())))
        const given = yield* RedisMessageBus.makeClients({ publisher: clients[0], subscriber: clients[1] })
        const jobs = channel()
        const buses = [own, given]
        const got = yield* Effect.forEach(buses, (bus) => collect(bus, jobs, { queue: true }))
        const count = () => got[0]!.length + got[1]!.length
        for (const [i, bus] of buses.entries())
          assert.strictEqual(yield* publish(bus, jobs, bytes(`${jobs.name} ${i}`)), 2)
        yield* until(() => count() === 2, "each is handled once")
        yield* master.stop({ kill: true })
        yield* until(() => buses.every((bus) => bus.failure() !== undefined), "the bus notices it")
        assert.include(own.failure()?.message, "Sentinel's main")
        const held = post(own, jobs, bytes(`${jobs.name} held`), 30_000)
        yield* until(() => buses.every((bus) => bus.failure() === undefined), "the replica has taken over", 25_000)
        yield* until(() => held.reports === 1, "what was held is delivered")
        assert.match(String(yield* replica.command("ROLE")), /^master/)
        const all = Effect.filterOrFail(publish(given, jobs, bytes(`${jobs.name} ${Math.random()}`)), (n) => n === 2)
        yield* Effect.eventually(Effect.andThen(Effect.sleep("20 millis"), all))
      }),
    60_000
  )

  live("without a Sentinel that replies: fails within connectTimeout, with the reason", () =>
    Effect.gen(function* () {
      const redis = { sentinels: [{ host: "127.0.0.1", port: 1 }], name: "main", sentinelPassword: "s3cret" }
      const error = yield* Effect.flip(Effect.scoped(RedisMessageBus.make({ redis, connectTimeout: "500 millis" })))
      assert.strictEqual(error._tag, "Unavailable")
      assert.match(error.message, /Sentinel's main.*sentinels are unreachable/)
    })
  )
})

const clusterOf = Effect.fnUntraced(function* (nodes: ReadonlyArray<RedisServer.RedisServer>, options: object = {}) {
  const cluster = new Cluster(
    nodes.map(({ port }) => ({ host: "127.0.0.1", port })),
    options
  )
  cluster.on("error", () => {})
  yield* Effect.addFinalizer(() => Effect.sync(() => cluster.disconnect()))
  return cluster
})

describe.concurrent("Cluster", () => {
  for (const nodes of [1, 3]) {
    live(
      `of ${nodes}: buses exchange messages in order, a queue handles each once, and receivers are not counted`,
      () =>
        Effect.gen(function* () {
          const servers = yield* RedisServer.makeCluster({ nodes })
          const client = yield* clusterOf(servers)
          const a = yield* RedisMessageBus.makeClients({ publisher: client, subscriber: client })
          const b = yield* RedisMessageBus.makeClients({
            publisher: yield* clusterOf(servers),
            subscriber: yield* clusterOf(servers)
          })
          const jobs = channel()
          const fan = yield* collect(b, jobs)
          const got = [yield* collect(a, jobs, { queue: true }), yield* collect(b, jobs, { queue: true })]
          const outcomes: Array<Outcome> = []
          for (let i = 0; i < 300; i++) {
            outcomes.push(post(a, jobs, bytes(`${jobs.name} ${i}`)))
            if (i % 10 === 0) yield* Effect.yieldNow
          }
          yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all are sent")
          assert.isTrue(outcomes.every((outcome) => outcome.receivers === -1))
          yield* until(() => fan.length === 300 && got[0]!.length + got[1]!.length === 300, "all arrive")
          assert.deepStrictEqual(
            fan.map(text),
            outcomes.map((_, i) => `${jobs.name} ${i}`)
          )
          assert.strictEqual(new Set(got.flat().map(text)).size, 300)
          assert.strictEqual(a.failure(), undefined)
        }),
      60_000
    )
  }

  live(
    "a node that stops: publishing and subscriptions move to another one, and nothing is sent twice",
    () =>
      Effect.gen(function* () {
        const servers = yield* RedisServer.makeCluster({ nodes: 3 })
        for (const server of servers) yield* server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
        const publisher = yield* clusterOf(servers)
        const subscriber = yield* clusterOf(servers)
        const a = yield* RedisMessageBus.makeClients({ publisher, subscriber: publisher })
        const b = yield* RedisMessageBus.makeClients({ publisher: subscriber, subscriber })
        const news = channel()
        const seen = new Map<string, number>()
        yield* b.subscribe(news, (message) => seen.set(text(message), (seen.get(text(message)) ?? 0) + 1))
        let stop = false
        const outcomes: Array<Outcome> = []
        const load = yield* Effect.forkChild(
          Effect.gen(function* () {
            while (!stop) {
              for (let i = 0; i < 5; i++) outcomes.push(post(a, news, bytes(String(outcomes.length)), 20_000))
              yield* sleep(2)
            }
          })
        )
        yield* until(() => seen.size > 50, "it flows")
        // two of three nodes stop one after the other, so one of them is in use
        for (const server of servers.slice(0, 2)) {
          yield* server.stop({ kill: true })
          const before = seen.size
          yield* until(() => seen.size > before + 100, "it flows again", 20_000)
        }
        stop = true
        yield* Fiber.join(load)
        yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
        assert.deepStrictEqual(
          [...seen.values()].filter((times) => times > 1),
          []
        )
      }),
    90_000
  )

  live(
    "a single node that restarts: buffered messages are sent, and subscriptions are restored",
    () =>
      Effect.gen(function* () {
        const [server] = yield* RedisServer.makeCluster({ nodes: 1 })
        const client = yield* clusterOf([server!])
        const bus = yield* RedisMessageBus.makeClients({ publisher: client, subscriber: client })
        const news = channel()
        const got = yield* collect(bus, news)
        yield* publish(bus, news, bytes("before"))
        yield* until(() => got.length === 1, "it arrives")
        yield* server!.stop({ kill: true })
        yield* until(() => bus.failure() !== undefined, "the bus notices it")
        assert.include(bus.failure()?.message, `127.0.0.1:${server!.port}`)
        const held = post(bus, news, bytes("held"), 30_000)
        const expired = post(bus, news, bytes("expired"), 100)
        yield* until(() => expired.reports === 1, "it expires")
        yield* server!.restart
        yield* until(() => held.reports === 1, "what was held is sent", 20_000)
        yield* until(() => bus.failure() === undefined, "it is back")
        yield* Effect.eventually(
          Effect.gen(function* () {
            yield* publish(bus, news, bytes("after"))
            yield* sleep(20)
            if (!got.some((message) => text(message) === "after")) return yield* Effect.fail("not yet")
          })
        )
        assert.isFalse(got.some((message) => text(message) === "expired"))
      }),
    60_000
  )
})
