import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import { Redis } from "ioredis"
import { RedisMessageBus } from "../src/index.ts"

export type Bus = MessageBus.MessageBus["Service"]

/** A test in real time. What the bus logs about the faults that tests make is left out. */
export const live = <E>(name: string, self: () => Effect.Effect<void, E, Scope.Scope>, timeout = 30_000): void =>
  it.live(name, () => self().pipe(Effect.provide(Logger.layer([]))), timeout)

let names = 0
/** A channel that no other test uses, also not one of another process on the same Redis. */
export const channel = (name = "test"): MessageBus.Channel => ({
  name: `${name}|${process.pid}|${Date.now()}|${names++}`,
  subject: "",
  route: ""
})

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (message: Uint8Array): string => new TextDecoder().decode(message)

/** Waits for a condition, with real time. */
export const until = (condition: () => boolean, what: string, millis = 10_000): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const end = performance.now() + millis
    const look = (): void => {
      if (condition()) resume(Effect.void)
      else if (performance.now() > end) resume(Effect.die(new Error(`waited in vain until ${what}`)))
      else timer = setTimeout(look, 2)
    }
    let timer = setTimeout(look, 0)
    return Effect.sync(() => clearTimeout(timer))
  })

export const sleep = (millis: number): Effect.Effect<void> =>
  Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis)))

/** What became of one message. */
export class Fate implements MessageBus.Delivery {
  receivers: number | undefined
  error: PsrpcError.PsrpcError | undefined
  told = 0
  isWanted = true
  wanted(): boolean {
    return this.isWanted
  }
  delivered(receivers: number): void {
    this.told++
    this.receivers = receivers
  }
  undelivered(error: PsrpcError.PsrpcError): void {
    this.told++
    this.error = error
  }
}

/** Publishes with 5 seconds to live, unless told otherwise. */
export const post = (bus: Bus, to: MessageBus.Channel, message: Uint8Array, millis = 5000): Fate => {
  const fate = new Fate()
  bus.publishUnsafe(bus.target(to), message, Date.now() + millis, fate)
  return fate
}

export const publish = (bus: Bus, to: MessageBus.Channel, message: Uint8Array) =>
  MessageBus.publish(bus, bus.target(to), message, { timeout: "5 seconds" })

/** Subscribes and keeps what comes. */
export const collect = Effect.fnUntraced(function* (
  bus: Bus,
  from: MessageBus.Channel,
  options?: MessageBus.SubscribeOptions
) {
  const messages: Array<Uint8Array> = []
  yield* bus.subscribe(from, (message) => messages.push(message), options)
  return messages
})

/** A scope to close at a moment of the test's choosing, and in any case with the test. */
export const closable = Effect.gen(function* () {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  return { scope, close: Scope.close(scope, Exit.void) }
})

/** A client of the test's own, closed with it. */
export const client = (url: string, options: object = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const redis = new Redis(url, { autoResendUnfulfilledCommands: false, lazyConnect: true, ...options })
      redis.on("error", () => {})
      return redis
    }),
    (redis) => Effect.sync(() => redis.disconnect())
  )

export const onClients = Effect.fnUntraced(function* (url: string, options: object = {}, more: object = {}) {
  const publisher = yield* client(url, options)
  const subscriber = yield* client(url, options)
  return yield* RedisMessageBus.makeClients({ publisher, subscriber, ...more })
})

/** The two ways of sending commands, which are to behave alike. */
export const ways = {
  "own connections": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    RedisMessageBus.make({ url, ...options }),
  "given clients": (url: string, options: RedisMessageBus.LimitOptions = {}) => onClients(url, {}, options),
  "given clients, exclusive": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, {}, { exclusive: true, ...options }),
  "given clients with RESP2": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { protocol: 2 }, options),
  "given clients that give numbers as text": (url: string, options: RedisMessageBus.LimitOptions = {}) =>
    onClients(url, { stringNumbers: true, replyMapping: "resp3" }, options)
}
