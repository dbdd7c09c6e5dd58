import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import type { Bus } from "./broker.ts"

/** Defines a test in real time, without the log lines about its faults. */
export const live = <E>(name: string, self: () => Effect.Effect<void, E, Scope.Scope>, timeout = 30_000): void =>
  it.live(name, () => self().pipe(Effect.provide(Logger.layer([]))), timeout)

let names = 0
/** A name that no other test uses, also not one of another process on the same broker. */
export const unique = (name = "test"): string => `${name}-${process.pid}-${Date.now()}-${names++}`

/** Returns a new channel for any broker. */
export const channel = (name = "test"): MessageBus.Channel => {
  const own = unique(name)
  return { name: own, subject: own, route: "" }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (message: Uint8Array): string => new TextDecoder().decode(message)

/** Waits for a condition, with real time. */
export const until = (condition: () => boolean, what: string, millis = 25_000): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const end = performance.now() + millis
    const look = (): void => {
      if (condition()) resume(Effect.void)
      else if (performance.now() > end) resume(Effect.die(new Error(`timed out before ${what}`)))
      else timer = setTimeout(look, 2)
    }
    let timer = setTimeout(look, 0)
    return Effect.sync(() => clearTimeout(timer))
  })

export const sleep = (millis: number): Effect.Effect<void> =>
  Effect.promise(() => new Promise((resolve) => setTimeout(resolve, millis)))

/** The outcome of one message. */
export class Outcome implements MessageBus.Delivery {
  receivers: number | undefined
  error: PsrpcError.PsrpcError | undefined
  reports = 0
  isWanted = true
  wanted(): boolean {
    return this.isWanted
  }
  delivered(receivers: number): void {
    this.reports++
    this.receivers = receivers
  }
  undelivered(error: PsrpcError.PsrpcError): void {
    this.reports++
    this.error = error
  }
}

/** Publishes a message that expires after `millis`. Default: 5 seconds. */
export const post = (bus: Bus, to: MessageBus.Channel, message: Uint8Array, millis = 5000): Outcome => {
  const outcome = new Outcome()
  bus.publishUnsafe(bus.target(to), message, Date.now() + millis, outcome)
  return outcome
}

export const publish = (bus: Bus, to: MessageBus.Channel, message: Uint8Array) =>
  MessageBus.publish(bus, bus.target(to), message, { timeout: "5 seconds" })

/** Subscribes, and collects the messages. */
export const collect = Effect.fnUntraced(function* (
  bus: Bus,
  from: MessageBus.Channel,
  options?: MessageBus.SubscribeOptions
) {
  const messages: Array<Uint8Array> = []
  yield* bus.subscribe(from, (message) => messages.push(message), options)
  return messages
})

/** A scope that the test can close, and that closes with the test at the latest. */
export const closable = Effect.gen(function* () {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  return { scope, close: Scope.close(scope, Exit.void) }
})
