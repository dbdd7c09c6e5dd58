/**
 * Bidirectional streams of messages between a client and one server.
 *
 * Both endpoints have the same interface: each sends messages and reads the messages of its peer. A send completes when
 * the message is in the peer's receive buffer. A slow reader delays that, and so slows the sender.
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
   * Maximum time until the peer has the message in its receive buffer. Default: the stream's `sendTimeout`, which is an
   * option of the opening on the client, and an option of the server on the server.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * One endpoint of an open stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface BidiStream<in Send, out Receive> {
  /** Id of the stream, the same at both endpoints. */
  readonly streamId: string
  /**
   * Sends a message. Succeeds when the peer has it in its receive buffer. Several sends may be pending at a time: they
   * arrive in the order in which they started.
   *
   * Fails with `deadline_exceeded` if the peer does not acknowledge the message in time, with `malformed_request` if the
   * message cannot be encoded, with `failed_precondition` after `closeSend`, and on a closed stream with the cause of its
   * close, or `canceled` "stream closed" if it has none.
   */
  readonly send: (message: Send, options?: SendOptions) => Effect.Effect<void, PsrpcError>
  /**
   * The messages of the peer. The Stream ends when either endpoint closes the stream: normally, or with the cause of the
   * close. It also ends normally when the peer calls `closeSend`; a later close does not change that. Messages that had
   * arrived by then come first.
   *
   * Each message is read once: a second run continues where the first one stopped, and of two concurrent runs one gets
   * each message.
   */
  readonly messages: Stream.Stream<Receive, PsrpcError>
  /**
   * Closes the sending direction (a half-close): the peer's `messages` end normally, and its sends still arrive here.
   * Later sends of this endpoint fail with `failed_precondition`.
   *
   * Succeeds with `true` when the peer has acknowledged it, and with `false` if the peer does not support half-close, as
   * Go's endpoints do not.
   */
  readonly closeSend: Effect.Effect<boolean, PsrpcError>
  /**
   * Closes the stream in both directions. The peer's `messages` fail with `cause`, or end normally without one. Does
   * nothing to a closed stream.
   */
  readonly close: (cause?: PsrpcError) => Effect.Effect<void>
  /** Waits until the stream is closed. Fails with the cause of the close, or succeeds if it has none. */
  readonly closed: Effect.Effect<void, PsrpcError>
}

/**
 * The server's endpoint of a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerStream<in Send, out Receive> extends BidiStream<Send, Receive> {
  /**
   * Keeps the stream open after its handler returns, until either endpoint closes it or the server closes. (Go's
   * `Hijack`.)
   */
  readonly hijack: Effect.Effect<void>
}
