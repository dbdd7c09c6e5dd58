import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { Effect, type Scope } from "effect"
import type { Closing } from "./closing.ts"
import type { Connection } from "./connection.ts"
import { HandOn } from "./handOn.ts"
import { Inbox } from "./inbox.ts"
import { Interests } from "./interests.ts"
import { Link, type LinkListener } from "./link.ts"
import type { Peer } from "./peer.ts"
import { Publisher } from "./publisher.ts"
import { Receiver } from "./receiver.ts"
import { BusMetrics, type BusRuntime, type Limits } from "@effect-psrpc/core/broker"
import { NatsTarget, refusalOf } from "./subjects.ts"

export interface BusOptions extends Limits.Limits {
  /** Milliseconds, see `Limits.gracePeriodFor`. */
  readonly grace: number
  /** What the subjects begin with where the server tells that nobody listens. */
  readonly inboxPrefix: string
  /** Who else hears of the connection. */
  readonly listener?: LinkListener
}

/** Puts a bus together on a connection. */
export const makeBus = Effect.fnUntraced(function* (
  connection: Connection,
  options: BusOptions,
  peer: Peer,
  runtime: BusRuntime.BusRuntime,
  closing: Closing
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const { closeTimeout, connectTimeout } = options
  const metrics = yield* BusMetrics.make(peer.kind)
  const link = new Link(connection, peer, runtime, metrics)
  if (options.listener !== undefined) link.listen(options.listener)
  const inbox = new Inbox(link, options.inboxPrefix, peer, runtime)
  const publisher = new Publisher(link, inbox, peer, runtime, options)
  const interests = new Interests(link, peer, runtime)
  const handOn = new HandOn(link, publisher, inbox, interests, peer, runtime)
  const receiver = new Receiver(interests, handOn, peer, runtime, metrics)

  yield* link.watch
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      link.end("the bus is closed")
      interests.close()
      inbox.close()
      return closing.within(Effect.andThen(link.answered, publisher.idle))
    }).pipe(Effect.andThen(Effect.sync(() => publisher.down())))
  )
  inbox.open()

  /** Waits for the server to have all that was asked for by then. */
  const inTime = (acknowledged: Effect.Effect<void, PsrpcError.PsrpcError>) =>
    acknowledged.pipe(
      Effect.timeoutOrElse({
        duration: connectTimeout,
        orElse: () =>
          Effect.suspend(() =>
            Effect.fail(publisher.failure() ?? peer.unreachable(`no answer to SUB within ${connectTimeout} ms`, false))
          )
      })
    )
  yield* inTime(link.confirmed)

  return MessageBus.MessageBus.of({
    target: (channel) => new NatsTarget(channel.subject, channel.route),
    publishUnsafe: (target, message, expiry, delivery) => {
      metrics.published(message.length)
      publisher.publish(target, message, expiry, delivery)
    },
    failure: () => publisher.failure(),
    subscribe: (channel, listener, subscribe) => {
      const subscribing = Effect.suspend(() => {
        const refusal =
          refusalOf(channel.subject) ?? (link.ended === undefined ? undefined : peer.unreachable(link.trouble, false))
        if (refusal !== undefined) return Effect.fail(refusal)
        let leave: Effect.Effect<void> = Effect.void
        return Effect.acquireRelease(
          Effect.suspend(() => {
            const listening = receiver.listen(channel, listener, subscribe?.queue === true)
            leave = Effect.suspend(() => {
              listening.leave()
              return Effect.timeoutOption(link.answered, closeTimeout)
            }).pipe(Effect.andThen(Effect.sync(listening.forget)))
            return Effect.onError(inTime(listening.acknowledged), () => leave)
          }),
          () => leave,
          { interruptible: true }
        )
      })
      return metrics.subscription(subscribing)
    }
  })
})
