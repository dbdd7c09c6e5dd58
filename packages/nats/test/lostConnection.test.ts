import { bytes, channel, type Fate, live, lostConnection, post, sleep, text, until } from "@effect-psrpc/bus-tests"
import { NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { broker, connect2, connect3 } from "./support.ts"

const fast = { reconnect: { minDelay: 10, maxDelay: 50 } } as const

const ways = {
  "a connection of its own": (url: string, options: NatsMessageBus.Options = {}) =>
    NatsMessageBus.make({ servers: url, ...fast, ...options }),
  "a connection of nats 2": (url: string, options: NatsMessageBus.LimitOptions = {}) =>
    Effect.flatMap(connect2(url, { reconnectTimeWait: 20, reconnectJitter: 0 }), (connection) =>
      NatsMessageBus.makeConnection({ connection, ...options })
    ),
  "a connection of nats 3": (url: string, options: NatsMessageBus.LimitOptions = {}) =>
    Effect.flatMap(connect3(url, { reconnectTimeWait: 20, reconnectJitter: 0 }), (connection) =>
      NatsMessageBus.makeConnection({ connection, ...options })
    )
}

lostConnection(broker, ways)

for (const [way, make] of Object.entries(ways)) {
  describe(`${way} that is lost`, () => {
    live(
      "again and again, at any moment, under load: each message arrives at most once, and what is told is true",
      () =>
        Effect.gen(function* () {
          const server = yield* NatsServer.make()
          const proxy = yield* TcpProxy.make(server)
          // what arrives is counted without a bus
          const raw = yield* connect2(server.url)
          const bus = yield* make(`127.0.0.1:${proxy.port}`)
          const news = channel()
          const seen = new Map<string, number>()
          raw.subscribe(news.subject, {
            callback: (_, { data }) => void seen.set(text(data), (seen.get(text(data)) ?? 0) + 1)
          })
          yield* Effect.promise(() => raw.flush())
          const fates: Array<Fate> = []
          let stop = false
          const load = yield* Effect.forkChild(
            Effect.gen(function* () {
              while (!stop) {
                for (let i = 0; i < 20; i++) fates.push(post(bus, news, bytes(String(fates.length)), 20_000))
                yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
              }
            })
          )
          for (let i = 0; i < 25; i++) {
            yield* sleep(10 + ((i * 7) % 23))
            if (i % 3 === 0) proxy.hold("replies")
            if (i % 3 === 1) proxy.hold("requests")
            yield* sleep(i % 4)
            proxy.cut()
            proxy.hold("none")
            yield* until(() => bus.failure() === undefined, "it is back")
          }
          stop = true
          yield* Fiber.join(load)
          yield* until(() => fates.every((fate) => fate.told === 1), "all are told")
          const taken = fates.flatMap((fate, i) => (fate.receivers === -1 ? [String(i)] : []))
          yield* until(() => taken.every((name) => seen.has(name)), "what was taken arrives")
          assert.deepStrictEqual(
            [...seen].filter(([, times]) => times > 1),
            []
          )
          assert.isAbove(taken.length, 1000)
          // what was told not to have been sent was not
          assert.isTrue(fates.every((fate, i) => fate.error?.mayHaveRun !== false || !seen.has(String(i))))
          assert.isTrue(fates.every((fate) => fate.receivers !== 0))
          const tags = new Set(fates.map((fate) => fate.error?._tag ?? "none"))
          assert.deepStrictEqual(
            [...tags].filter((tag) => !["none", "Unavailable", "ResourceExhausted"].includes(tag)),
            []
          )
        }),
      60_000
    )
  })
}
