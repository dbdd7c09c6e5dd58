/**
 * Streams of messages both ways, between a client and one server.
 *
 * Both ends are alike: each sends, and reads what the other sends. A send completes when the other end has the message in
 * its buffer, so that who sends learns that it has arrived; a reader that takes its time slows the sender down.
 *
 * **Example** (A stream that a client opens and a server answers)
 *
 * ```ts
 * import { Client, Rpc, Server, Service } from "@effect-psrpc/core"
 * import { Effect, Schema, Stream } from "effect"
 *
 * class Chat extends Service.make("Chat", { talk: Rpc.stream({ send: Schema.String, receive: Schema.String }) }) {}
 *
 * class ChatClient extends Client.Service<ChatClient>()("app/ChatClient", Chat) {}
 *
 * const ChatLive = Server.layer(Chat, {
 *   talk: (stream) => Stream.runForEach(stream.messages, (message) => stream.send(`${message}!`))
 * })
 *
 * const program = Effect.gen(function*() {
 *   const chat = yield* ChatClient
 *   const stream = yield* chat.talk()
 *   yield* stream.send("hello")
 *   const answer = yield* Stream.runHead(stream.messages)
 *   yield* stream.close()
 *   return answer
 * }).pipe(Effect.scoped)
 * ```
 *
 * @since 0.1.0
 */
import type { Duration, Effect, Stream } from "effect"
import type { PsrpcError } from "./PsrpcError.ts"

/**
 * Options of a send.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendOptions {
  /**
   * How long the other end may take to have the message in its buffer. Default: the timeout that the stream was opened
   * with on the client, the server's `timeout` on the server.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * One end of an open stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface BidiStream<in Send, out Receive> {
  /** The stream's id, the same at both ends. */
  readonly streamId: string
  /**
   * Sends a message, and completes when the other end has it in its buffer. Several sends may be under way; they arrive
   * in the order in which they were started.
   *
   * Fails with `deadline_exceeded` where the other end does not take it in time, with `malformed_request` for what
   * cannot be encoded, and with the stream's own end, `canceled` "stream closed" where that has no cause.
   */
  readonly send: (message: Send, options?: SendOptions) => Effect.Effect<void, PsrpcError>
  /**
   * What the other end sends. It ends when the other end has closed the stream, or this one: normally, or with the cause.
   * It ends normally, too, where the other end says that no more follows; a close after that changes nothing of it.
   * What has arrived by then comes first. Each message is read once: a second run goes on where the first stopped, and of
   * two at a time each message reaches one.
   */
  readonly messages: Stream.Stream<Receive, PsrpcError>
  /**
   * Says that no more messages follow, while messages of the other end still do: its `messages` end normally, its sends go
   * on. Succeeds with `false` where the other end cannot be told, which is so for Go.
   */
  readonly end: Effect.Effect<boolean, PsrpcError>
  /**
   * Closes the stream at both ends. The cause is the failure of the other end's `messages`; without one they end
   * normally. A stream that is closed already stays as it is.
   */
  readonly close: (cause?: PsrpcError) => Effect.Effect<void>
  /** Waits for the stream's end: succeeds where it has no cause, fails with the cause where it has one. */
  readonly closed: Effect.Effect<void, PsrpcError>
}

/**
 * The server's end of a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerStream<in Send, out Receive> extends BidiStream<Send, Receive> {
  /**
   * Has the stream outlive its handler: it stays open when the handler returns, until either end closes it or its server
   * closes. (Go's `Hijack`.)
   */
  readonly hijack: Effect.Effect<void>
}
