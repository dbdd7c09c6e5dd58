/**
 * The message bus of one process: no broker, no connection, nothing to lose.
 *
 * A message is delivered after its publisher's turn, never inside of it, and in the order of publishing. Who listens is
 * known, so a call that nobody serves fails at once.
 *
 * **Example** (A server and a client in one process)
 *
 * ```ts
 * import { Client, LocalMessageBus, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Effect, Layer, Schema } from "effect"
 *
 * class Greeter extends Service.make("Greeter", {
 *   hello: Rpc.unary({ request: Schema.String, response: Schema.String })
 * }) {}
 *
 * class GreeterClient extends Client.Service<GreeterClient>()("app/GreeterClient", Greeter) {}
 *
 * const GreeterLive = Server.layer(Greeter, { hello: (name) => Effect.succeed(`Hello ${name}`) })
 *
 * const program = Effect.gen(function*() {
 *   const greeter = yield* GreeterClient
 *   return yield* greeter.hello("Ada")
 * }).pipe(Effect.provide(Layer.merge(GreeterLive, GreeterClient.layer).pipe(Layer.provide(LocalMessageBus.layer))))
 * ```
 *
 * @since 0.1.0
 */
import { Cause, Effect, Layer, Scheduler } from "effect"
import { noFrame } from "./internal/wire/frame.ts"
import { type Listener, type ListenerGroup, Listeners } from "./internal/bus/listeners.ts"
import { Fifo } from "./internal/support/fifo.ts"
import { busSeriesOf } from "./internal/telemetry/metrics/buses.ts"
import { MessageBus } from "./MessageBus.ts"

/** Messages in a row before timers and input get a turn: microtasks alone would starve them. */
const messagesPerTurn = 1024

/**
 * Makes a bus of its own. Who shares it is who is given it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<MessageBus["Service"]> = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const scheduler = yield* Scheduler.Scheduler
  const dispatcher = scheduler.makeDispatcher()
  // who brings a scheduler of its own, as TestClock does, has to see what is still to come
  const quick = scheduler instanceof Scheduler.MixedScheduler && scheduler.executionMode === "async"
  const runFork = Effect.runForkWith(context)
  const series = busSeriesOf(context, "local", false)
  const listeners = new Listeners((defect) => {
    runFork(Effect.logError("a listener of the local bus threw", Cause.die(defect)))
  })

  // published and not yet delivered. A drain inside of a drain goes on where the outer one stands.
  const names = new Fifo<string>()
  const messages = new Fifo<Uint8Array>()
  let budget = messagesPerTurn
  let scheduled = false
  const schedule = (): void => {
    scheduled = true
    if (quick && budget > 0) return queueMicrotask(drain)
    budget = messagesPerTurn
    dispatcher.scheduleTask(drain, 0)
  }
  // the message in hand, and whom it is for: a drain inside of a listener gives it to the others first, so that nobody
  // hears of a later one before it
  let message: Uint8Array
  let group: ListenerGroup | undefined
  let recipients: ReadonlyArray<Listener> = []
  let next = 0
  const deliver = (): void => {
    while (next < recipients.length) group!.call(recipients[next++]!, message)
  }
  const drain = (): void => {
    scheduled = true
    deliver()
    while (messages.size > 0 && budget > 0) {
      budget--
      // of this round alone: a listener may start a drain of its own
      const to = listeners.get(names.shift()!)
      const body = messages.shift()!
      if (to === undefined) continue
      if (to.receivers === 1) {
        if (to.hasQueue) to.one(body)
        else to.all(body)
        continue
      }
      group = to
      message = body
      recipients = to.recipients()
      next = 0
      deliver()
    }
    scheduled = false
    if (messages.size > 0) schedule()
  }
  /** Gives a listener that is about to go what was published for it. */
  const flush = (): void => {
    budget += messages.size
    drain()
  }

  return MessageBus.of({
    target: (channel) => ({ name: channel.name, ...noFrame }),
    failure: () => undefined,
    publishUnsafe: (target, message, _expiry, delivery) => {
      const receivers = listeners.get(target.name)?.receivers ?? 0
      if (receivers > 0) {
        names.push(target.name)
        messages.push(message)
        if (!scheduled) schedule()
      }
      delivery.delivered(receivers)
    },
    subscribe: (channel, listener, options) => {
      const queue = options?.queue === true
      return Effect.acquireRelease(
        Effect.sync(() => {
          series.subscriptions++
          listeners.add(channel.name, listener, queue)
        }),
        () =>
          Effect.sync(() => {
            flush()
            series.subscriptions--
            listeners.delete(channel.name, listener, queue)
          })
      )
    }
  })
})

/**
 * The local bus as a Layer. The same value provided twice is one bus.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<MessageBus> = Layer.effect(MessageBus, make)
