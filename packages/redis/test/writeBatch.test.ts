import { bytes, channel, collect, type Outcome, live, post, publish, text, until } from "@effect-psrpc/bus-tests"
import { RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Redis } from "ioredis"
import { createHook } from "node:async_hooks"
import type { Socket } from "node:net"
import { supportsWriteBatches } from "../src/internal/commands/clientProbe.ts"
import { RedisMessageBus } from "../src/index.ts"
import { client } from "./support.ts"

/** Counts the writes to the operating system, which are expensive. */
const writes = (socket: Socket) => {
  const counted = { writes: 0, bytes: 0 }
  const target = socket as unknown as Record<"_write" | "_writev", (...args: Array<unknown>) => void>
  for (const method of ["_write", "_writev"] as const) {
    const original = target[method]
    target[method] = function (this: Socket, ...args) {
      counted.writes++
      original.apply(this, args)
    }
  }
  return counted
}

describe("writes", () => {
  for (const exclusive of [true, false]) {
    live(`what one turn publishes leaves in one write${exclusive ? ", made in the lean way" : ""}`, () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const publisher = yield* client(server.url)
        const subscriber = yield* client(server.url)
        const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, exclusive })
        const news = channel()
        const got = yield* collect(bus, news)
        const counted = writes(publisher.stream)
        for (let turn = 0; turn < 3; turn++) {
          const outcomes = Array.from({ length: 200 }, (_, i) => post(bus, news, bytes(`${turn} ${i}`)))
          assert.strictEqual(counted.writes, turn, "nothing leaves before the turn is over")
          yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all are delivered")
          assert.strictEqual(counted.writes, turn + 1)
        }
        yield* until(() => got.length === 600, "all arrive")
      })
    )
  }

  live("a message costs no promise, on connections that the bus opens", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      const bus = yield* RedisMessageBus.make({ url: server.url })
      const news = channel()
      const target = bus.target(news)
      yield* publish(bus, news, bytes("warm"))
      let reports = 0
      const delivery = { wanted: () => true, delivered: () => void reports++, undelivered: () => void reports++ }
      let promises = 0
      const hook = createHook({
        init: (_id, type) => {
          if (type === "PROMISE") promises++
        }
      })
      const done = yield* Effect.promise(
        () =>
          new Promise<number>((resolve) => {
            hook.enable()
            for (let i = 0; i < 5000; i++) bus.publishUnsafe(target, bytes("x"), Date.now() + 5000, delivery)
            const wait = (): void => void (reports < 5000 ? setTimeout(wait, 1) : (hook.disable(), resolve(promises)))
            wait()
          })
      )
      assert.isBelow(done, 50)
    })
  )
})

describe("write batches", () => {
  live("are supported by the installed ioredis; if this fails, look for a change in ioredis", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      for (const options of [{}, { protocol: 2 }, { stringNumbers: true }]) {
        const redis = yield* client(server.url, options)
        yield* Effect.promise(() => redis.connect())
        assert.isTrue(yield* supportsWriteBatches(redis))
      }
    })
  )

  const changed: Readonly<Record<string, (redis: Redis) => Redis["sendCommand"]>> = {
    "ignores the second argument": (redis) => {
      const send = redis.sendCommand
      return function (command, _stream) {
        return send.call(redis, command)
      }
    },
    "has no second argument": (redis) => {
      const send = redis.sendCommand
      return (command) => send.call(redis, command)
    },
    "asks for the frame twice": (redis) => {
      const send = redis.sendCommand
      return function (command, stream) {
        command.toWritable(redis.stream)
        return send.call(redis, command, stream)
      }
    },
    "asks for the frame later": (redis) => {
      const send = redis.sendCommand
      return function (command, stream) {
        setImmediate(() => send.call(redis, command, stream))
        return undefined
      }
    },
    "needs more of a command": () =>
      function (command, _stream) {
        return (command as unknown as { missing: () => void }).missing()
      },
    "writes at once": (redis) => {
      const send = redis.sendCommand
      return function (command, stream) {
        const result = send.call(redis, command, stream)
        ;(stream as unknown as { flush?: () => void } | undefined)?.flush?.()
        return result
      }
    }
  }
  for (const [what, change] of Object.entries(changed)) {
    live(`an ioredis that ${what} is noticed, and used in the ordinary way`, () =>
      Effect.gen(function* () {
        const server = yield* RedisServer.make()
        const publisher = yield* client(server.url)
        const subscriber = yield* client(server.url)
        yield* Effect.promise(() => publisher.connect())
        const original = publisher.sendCommand
        publisher.sendCommand = change(publisher)
        assert.isFalse(yield* supportsWriteBatches(publisher))
        // such a change would break unbatched commands too: here it concerns the batch alone
        const changed = publisher.sendCommand
        publisher.sendCommand = function (command, stream) {
          return stream === undefined ? original.call(publisher, command) : changed.call(publisher, command, stream)
        }
        const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, exclusive: true })
        const news = channel()
        const got = yield* collect(bus, news)
        const outcomes: Array<Outcome> = Array.from({ length: 100 }, (_, i) => post(bus, news, bytes(String(i))))
        yield* until(() => outcomes.every((outcome) => outcome.receivers === 1) && got.length === 100, "all arrive")
        assert.deepStrictEqual(
          got.map(text),
          outcomes.map((_, i) => String(i))
        )
        assert.strictEqual(yield* Effect.promise(() => publisher.echo("in step")), "in step")
      })
    )
  }

  live("a command that ioredis sends again has no effect", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer.make()
      yield* server.command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "resetchannels", "&open*")
      let again = 0
      // 2: reconnect, and send the failed command again
      const reconnectOnError = (error: Error): 2 | false =>
        error.message.startsWith("NOPERM") && again++ < 3 ? 2 : false
      const publisher = yield* client(server.url, { username: "app", password: "pw", reconnectOnError })
      const subscriber = yield* client(server.url)
      const bus = yield* RedisMessageBus.makeClients({ publisher, subscriber, exclusive: true })
      const refused = { ...channel(), name: "closed" }
      const got = yield* collect(bus, refused)
      const outcome = post(bus, refused, bytes("x"), 30_000)
      yield* until(() => outcome.reports === 1, "its outcome is reported")
      yield* until(() => bus.failure() === undefined, "it is back")
      yield* server.command("ACL", "SETUSER", "app", "allchannels")
      assert.strictEqual(yield* publish(bus, refused, bytes("y")), 1)
      yield* until(() => got.length === 1, "it arrives")
      assert.deepStrictEqual(got.map(text), ["y"])
    })
  )
})
