import { bytes, channel, type Outcome, live, lostConnection, post, sleep, text, until } from "@effect-psrpc/bus-tests"
import { NatsServer, TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { broker, connect2, connect3 } from "./support.ts"

const fast = { reconnect: { minDelay: 10, maxDelay: 50 } } as const

const ways = {
  "a connection that the bus opens": (url: string, options: NatsMessageBus.Options = {}) =>
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
      "again and again, at any moment, under load: each message arrives at most once, and outcomes are true",
      () =>
        Effect.gen(function* () {
          const server = yield* NatsServer.make()
          const proxy = yield* TcpProxy.make(server)
          // messages are counted without a bus
          const raw = yield* connect2(server.url)
          const bus = yield* make(`127.0.0.1:${proxy.port}`)
          const news = channel()
          const seen = new Map<string, number>()
          raw.subscribe(news.subject, {
            callback: (_, { data }) => void seen.set(text(data), (seen.get(text(data)) ?? 0) + 1)
          })
          yield* Effect.promise(() => raw.flush())
          const outcomes: Array<Outcome> = []
          let stop = false
          const load = yield* Effect.forkChild(
            Effect.gen(function* () {
              while (!stop) {
                for (let i = 0; i < 20; i++) outcomes.push(post(bus, news, bytes(String(outcomes.length)), 20_000))
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
          yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
          const taken = outcomes.flatMap((outcome, i) => (outcome.receivers === -1 ? [String(i)] : []))
          yield* until(() => taken.every((name) => seen.has(name)), "every accepted message arrives")
          assert.deepStrictEqual(
            [...seen].filter(([, times]) => times > 1),
            []
          )
          assert.isAbove(taken.length, 1000)
          // messages that failed without mayHaveRun were not sent
          assert.isTrue(outcomes.every((outcome, i) => outcome.error?.mayHaveRun !== false || !seen.has(String(i))))
          assert.isTrue(outcomes.every((outcome) => outcome.receivers !== 0))
          const tags = new Set(outcomes.map((outcome) => outcome.error?._tag ?? "none"))
          assert.deepStrictEqual(
            [...tags].filter((tag) => !["none", "Unavailable", "ResourceExhausted"].includes(tag)),
            []
          )
        }),
      60_000
    )
  })
}
