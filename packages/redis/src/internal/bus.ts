import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { Effect, type Scope } from "effect"
import type { Redis } from "ioredis"
import { type AnyClient, isCluster } from "./clients.ts"
import { ClusterNodes } from "./cluster.ts"
import { type Lock, RedisTarget } from "./commands.ts"
import { heartbeat, ready, watch } from "./connection.ts"
import type { Peer } from "./peer.ts"
import { probe } from "./probe.ts"
import { Publisher } from "./publisher.ts"
import { Receiver } from "./receiver.ts"
import { BusMetrics, type BusRuntime, ConnectionLog, type Limits } from "@effect-psrpc/core/broker"
import { Subscriptions } from "./subscriptions.ts"
import { Wire } from "./wire.ts"

export interface BusOptions extends Limits.Limits {
  readonly publisher: AnyClient
  readonly subscriber: AnyClient
  /** Whether nobody else sends commands on the publisher. */
  readonly exclusive: boolean
  /** Whether the clients are the bus's own, which connect again whatever happens. */
  readonly own: boolean
  /** How often the connections are asked for a sign of life, in milliseconds; `undefined` where they are not. */
  readonly heartbeat: number | undefined
  /** Milliseconds, see `Limits.gracePeriodFor`. */
  readonly grace: number
}

const clientClosed = "the client is closed"
const subscriberClosed = "the subscribing client is closed"

/** Finds out whether the lean way works, and leaves the connection in step where it does not. */
const isLean = Effect.fnUntraced(function* (
  client: Redis,
  options: BusOptions,
  peer: Peer,
  runtime: BusRuntime.BusRuntime
): Effect.fn.Return<boolean, PsrpcError.PsrpcError> {
  if (!options.exclusive) return false
  if (yield* probe(client)) return true
  runtime.log("warning", peer.message("this ioredis is not known: publishing costs a promise a message"))
  const reconnecting = Effect.callback<void>((resume) => {
    client.once("close", () => resume(Effect.void))
    client.disconnect(true)
  })
  yield* reconnecting.pipe(Effect.timeoutOption(options.connectTimeout))
  yield* ready(client, peer, options.connectTimeout)
  return false
})

/** Puts a bus together from two clients that are ready. */
export const makeBus = Effect.fnUntraced(function* (
  options: BusOptions,
  peer: Peer,
  runtime: BusRuntime.BusRuntime
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const { closeTimeout, connectTimeout, publisher: publishing, subscriber } = options
  const bounded = Effect.timeoutOption(closeTimeout)
  const metrics = yield* BusMetrics.make(peer.kind)
  const subscriptions = new Subscriptions(subscriber, peer, runtime)
  const publishingLog = new ConnectionLog.ConnectionLog("the connection", peer, runtime, metrics)
  const publisher = new Publisher(peer, runtime, options, subscriptions, publishingLog)
  subscriptions.onRestored = () => {
    publisher.cameBack()
    publisher.resume()
  }

  let ask: (lock: Lock) => boolean
  let closed: () => void
  let connected: () => void
  if (isCluster(publishing)) {
    const nodes = new ClusterNodes(publishing, peer, publisher)
    nodes.choose()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        publishing.on("+node", nodes.choose)
        publishing.on("-node", nodes.choose)
      }),
      () =>
        Effect.sync(() => {
          publishing.off("+node", nodes.choose)
          publishing.off("-node", nodes.choose)
          nodes.close()
        })
    )
    ask = nodes.lock
    closed = () => {}
    connected = nodes.choose
  } else {
    const lean = yield* isLean(publishing, options, peer, runtime)
    const wire = new Wire(publishing, peer, { lean, countsReceivers: true })
    publisher.attach(wire)
    if (options.heartbeat !== undefined) yield* heartbeat(publishing, options.heartbeat, () => wire.flush())
    ask = (lock) => publisher.lock(lock)
    closed = () => publisher.broken(wire)
    connected = () => publisher.resume()
  }
  yield* watch(publishing, peer, publishingLog, {
    ready: () => {
      publisher.revive(clientClosed)
      publisher.cameBack()
      connected()
    },
    closed,
    ended: () => publisher.end(clientClosed)
  })
  yield* Effect.addFinalizer(() => publisher.close(closeTimeout))

  if (options.heartbeat !== undefined) yield* heartbeat(subscriber, options.heartbeat, () => {})
  const receiver = new Receiver(peer, runtime, ask)
  const replaced = (): void => subscriptions.replaced()
  const subscribingLog = new ConnectionLog.ConnectionLog("the subscribing connection", peer, runtime, metrics)
  yield* watch(subscriber, peer, subscribingLog, {
    ready: () => {
      publisher.revive(subscriberClosed)
      subscriptions.restore()
    },
    closed: () => subscriptions.broken(),
    // nobody would hear the answers
    ended: () => options.own || publisher.end(subscriberClosed)
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const onMessage = (name: Buffer, message: Buffer): void => {
        metrics.received(message.length)
        receiver.receive(name.toString(), message)
      }
      subscriber.on("messageBuffer", onMessage)
      // a Cluster does not say that it subscribes through another node now
      if (isCluster(subscriber)) subscriber.on("-node", replaced)
      return onMessage
    }),
    (onMessage) =>
      Effect.sync(() => {
        subscriber.off("messageBuffer", onMessage)
        if (isCluster(subscriber)) subscriber.off("-node", replaced)
      })
  )

  const acknowledged = (name: string): Effect.Effect<void, PsrpcError.PsrpcError> =>
    subscriptions.acknowledged(name).pipe(
      Effect.timeoutOrElse({
        duration: connectTimeout,
        orElse: () =>
          Effect.suspend(() =>
            Effect.fail(
              publisher.failure() ?? peer.unreachable(`no answer to SUBSCRIBE within ${connectTimeout} ms`, false)
            )
          )
      })
    )

  return MessageBus.MessageBus.of({
    target: (channel, target) => new RedisTarget(channel.name, target?.unique === true),
    publishUnsafe: (target, message, expiry, delivery) => {
      metrics.published(message.length)
      publisher.publish(target, message, expiry, delivery)
    },
    failure: () => publisher.failure(),
    subscribe: ({ name }, listener, subscribe) => {
      const queue = subscribe?.queue === true
      const leave = Effect.suspend(() =>
        bounded(Effect.andThen(subscriptions.release(name), queue ? receiver.settled(name) : Effect.void))
      ).pipe(Effect.andThen(Effect.sync(() => receiver.delete(name, listener, queue))))
      const subscribing = Effect.acquireRelease(
        Effect.suspend(() => {
          receiver.add(name, listener, queue)
          subscriptions.retain(name)
          return Effect.onError(acknowledged(name), () => leave)
        }),
        () => leave,
        { interruptible: true }
      )
      return metrics.subscription(subscribing)
    }
  })
})
