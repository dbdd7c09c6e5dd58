import { MessageBus, type PsrpcError } from "@effect-psrpc/core"
import { BusMetrics, type BusRuntime, ConnectionLog, type Limits } from "@effect-psrpc/core/broker"
import { Effect, type Scope } from "effect"
import type { Redis } from "ioredis"
import { supportsWriteBatches } from "./commands/clientProbe.ts"
import type { LockCommand } from "./commands/lockCommand.ts"
import { RedisTarget } from "./commands/publishCommand.ts"
import { heartbeat, ready, watch } from "./connection/clientEvents.ts"
import { type AnyClient, isCluster } from "./connection/clients.ts"
import type { RedisIdentity } from "./connection/redisIdentity.ts"
import { ClusterNodes } from "./publishing/clusterNodes.ts"
import { PublishConnection } from "./publishing/publishConnection.ts"
import { Publisher } from "./publishing/publisher.ts"
import { Receiver } from "./receiving/receiver.ts"
import { Subscriptions } from "./receiving/subscriptions.ts"

export interface BusOptions extends Limits.Limits {
  readonly publisher: AnyClient
  readonly subscriber: AnyClient
  /** Whether only the bus sends commands on the publisher. */
  readonly exclusive: boolean
  /** Whether the bus has opened the clients itself, so that they always reconnect. */
  readonly own: boolean
  /** Interval of the PINGs that check the connections, in milliseconds; `undefined` for none. */
  readonly heartbeat: number | undefined
  /** Milliseconds after a reconnect in which a message without receivers is sent again. */
  readonly gracePeriod: number
}

const clientClosed = "the client is closed"
const subscriberClosed = "the subscribing client is closed"

/** Checks whether commands can be written in batches. If they cannot, the connection is opened again after the check. */
const isBatched = Effect.fnUntraced(function* (
  client: Redis,
  options: BusOptions,
  broker: RedisIdentity,
  runtime: BusRuntime.BusRuntime
): Effect.fn.Return<boolean, PsrpcError.PsrpcError> {
  if (!options.exclusive) return false
  if (yield* supportsWriteBatches(client)) return true
  const text =
    "this version of ioredis does not support write batches: the bus publishes more slowly, with one promise per message"
  runtime.log("warning", broker.message(text))
  const reconnecting = Effect.callback<void>((resume) => {
    client.once("close", () => resume(Effect.void))
    client.disconnect(true)
  })
  yield* reconnecting.pipe(Effect.timeoutOption(options.connectTimeout))
  yield* ready(client, broker, options.connectTimeout)
  return false
})

/** Makes a bus on two clients that are ready. */
export const makeBus = Effect.fnUntraced(function* (
  options: BusOptions,
  broker: RedisIdentity,
  runtime: BusRuntime.BusRuntime
): Effect.fn.Return<MessageBus.MessageBus["Service"], PsrpcError.PsrpcError, Scope.Scope> {
  const { closeTimeout, connectTimeout, publisher: publishing, subscriber } = options
  const metrics = yield* BusMetrics.make(broker.kind)
  const subscriptions = new Subscriptions(subscriber, broker, runtime)
  const publishingLog = new ConnectionLog.ConnectionLog("the connection", broker, runtime, metrics)
  const publisher = new Publisher(broker, runtime, options, subscriptions, publishingLog)
  subscriptions.onRestored = () => {
    publisher.startGracePeriod()
    publisher.resume()
  }

  let requestLock: (lock: LockCommand) => boolean
  let closed: () => void
  let connected: () => void
  if (isCluster(publishing)) {
    const nodes = new ClusterNodes(publishing, broker, publisher)
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
    requestLock = nodes.lock
    closed = () => {}
    connected = nodes.choose
  } else {
    const batched = yield* isBatched(publishing, options, broker, runtime)
    const connection = new PublishConnection(publishing, broker, { batched, countsReceivers: true })
    publisher.attach(connection)
    if (options.heartbeat !== undefined) yield* heartbeat(publishing, options.heartbeat, () => connection.flush())
    requestLock = (lock) => publisher.lock(lock)
    closed = () => publisher.connectionLost(connection)
    connected = () => publisher.resume()
  }
  yield* watch(publishing, broker, publishingLog, {
    ready: () => {
      publisher.revive(clientClosed)
      publisher.startGracePeriod()
      connected()
    },
    closed,
    ended: () => publisher.end(clientClosed)
  })
  yield* Effect.addFinalizer(() => publisher.close(closeTimeout))

  if (options.heartbeat !== undefined) yield* heartbeat(subscriber, options.heartbeat, () => {})
  const receiver = new Receiver(broker, runtime, requestLock)
  const replaced = (): void => subscriptions.replaced()
  const subscribingLog = new ConnectionLog.ConnectionLog("the subscribing connection", broker, runtime, metrics)
  yield* watch(subscriber, broker, subscribingLog, {
    ready: () => {
      publisher.revive(subscriberClosed)
      subscriptions.restore()
    },
    closed: () => subscriptions.connectionLost(),
    // without this client, responses to published requests would be lost
    ended: () => options.own || publisher.end(subscriberClosed)
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const onMessage = (name: Buffer, message: Buffer): void => {
        metrics.received(message.length)
        receiver.receive(name.toString(), message)
      }
      subscriber.on("messageBuffer", onMessage)
      // a Cluster has no event for a subscribing connection that moves to another node
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
          Effect.suspend(() => {
            const text = `subscribe to ${name}: no reply within ${connectTimeout} ms (connectTimeout)`
            return Effect.fail(publisher.failure() ?? broker.unreachable(text, false))
          })
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
      const leave = Effect.suspend(() => {
        const left = Effect.andThen(subscriptions.release(name), queue ? receiver.locksSettled(name) : Effect.void)
        return Effect.timeoutOption(left, closeTimeout)
      }).pipe(Effect.andThen(Effect.sync(() => receiver.delete(name, listener, queue))))
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
