import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { BusMetrics, type BusRuntime, type Limits } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import type { CloseDeadline } from "./connection/closeDeadline.ts"
import { type ConnectionListener, ConnectionMonitor } from "./connection/connectionMonitor.ts"
import type { Connection } from "./connection/natsConnection.ts"
import type { NatsIdentity } from "./connection/natsIdentity.ts"
import { Subscriptions } from "./connection/subscriptions.ts"
import { Forwarder } from "./forwarding/forwarder.ts"
import { NoRespondersInbox } from "./publishing/noRespondersInbox.ts"
import { Publisher } from "./publishing/publisher.ts"
import { Receiver } from "./receiving/receiver.ts"
import { NatsTarget } from "./subjects/natsTarget.ts"
import { checkSubject } from "./subjects/subjectNames.ts"

export interface BusOptions extends Limits.Limits {
  /** Milliseconds after a reconnect in which a message without listeners is sent again. */
  readonly gracePeriod: number
  /** Prefix of the subjects on which the server reports that a message has no listeners. */
  readonly inboxPrefix: string
  /** A further listener of the connection. */
  readonly listener?: ConnectionListener
}

/** Makes a bus on a connection. */
export const makeBus = Effect.fnUntraced(function* (
  connection: Connection,
  options: BusOptions,
  broker: NatsIdentity,
  runtime: BusRuntime.BusRuntime,
  closeDeadline: CloseDeadline
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const { closeTimeout, connectTimeout } = options
  const metrics = yield* BusMetrics.make(broker.kind)
  const monitor = new ConnectionMonitor(connection, broker, runtime, metrics)
  if (options.listener !== undefined) monitor.listen(options.listener)
  const inbox = new NoRespondersInbox(monitor, options.inboxPrefix, broker, runtime)
  const publisher = new Publisher(monitor, inbox, broker, runtime, options)
  const subscriptions = new Subscriptions(monitor, broker, runtime)
  const forwarder = new Forwarder(monitor, publisher, inbox, subscriptions, broker, runtime)
  const receiver = new Receiver(subscriptions, forwarder, broker, runtime, metrics)

  yield* monitor.watch
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      monitor.end("the bus is closed")
      subscriptions.close()
      inbox.close()
      return closeDeadline.within(Effect.andThen(monitor.answered, publisher.idle))
    }).pipe(Effect.andThen(Effect.sync(() => publisher.down())))
  )
  inbox.open()

  /** Limits the wait for the server's reply to `operation`. */
  const withinTimeout = (operation: string, reply: Effect.Effect<void, PsrpcError.PsrpcError>) =>
    reply.pipe(
      Effect.timeoutOrElse({
        duration: connectTimeout,
        orElse: () =>
          Effect.suspend(() => {
            const text = `${operation}: no reply within ${connectTimeout} ms (connectTimeout)`
            return Effect.fail(publisher.failure() ?? broker.unreachable(text, false))
          })
      })
    )
  yield* withinTimeout("start", monitor.confirmed)

  return MessageBus.MessageBus.of({
    target: (channel) => new NatsTarget(channel.subject, channel.route),
    publishUnsafe: (target, message, expiry, delivery) => {
      metrics.published(message.length)
      publisher.publish(target, message, expiry, delivery)
    },
    failure: () => publisher.failure(),
    subscribe: (channel, listener, subscribe) => {
      const { subject } = channel
      const subscribing = Effect.suspend(() => {
        const refusal =
          checkSubject(subject) ??
          (monitor.ended === undefined ? undefined : broker.unreachable(monitor.problem, false))
        if (refusal !== undefined) return Effect.fail(refusal)
        let leave: Effect.Effect<void> = Effect.void
        return Effect.acquireRelease(
          Effect.suspend(() => {
            const listening = receiver.listen(channel, listener, subscribe?.queue === true)
            leave = Effect.suspend(() => {
              listening.leave()
              return Effect.timeoutOption(monitor.answered, closeTimeout)
            }).pipe(Effect.andThen(Effect.sync(listening.remove)))
            return Effect.onError(withinTimeout(`subscribe to ${subject}`, listening.acknowledged), () => leave)
          }),
          () => leave,
          { interruptible: true }
        )
      })
      return metrics.subscription(subscribing)
    }
  })
})
