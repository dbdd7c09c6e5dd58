/** What the tests of streams share: the Go peer's streams as our service, handlers as the Go peer's, and its ends as ours. */
import { type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { type BidiStream, PsrpcError, Rpc, type Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Option, Queue, Stream } from "effect"
import type { GoPeer, RequestParams, StreamMethod, WireError } from "../src/index.ts"
import { newServiceName } from "./support.ts"

const text = { send: StringValueSchema, receive: StringValueSchema }

/** The streams of the Go peer. */
export const streamMethods = {
  chat: Rpc.stream(text),
  room: Rpc.stream({ ...text, topic: ["room"] }),
  match: Rpc.stream({ ...text, routing: "affinity" }),
  terminal: Rpc.stream({ ...text, topic: ["node"], singleServer: true })
}

/** The streams of the Go peer under a name of the test's own. */
export const newStreamService = () => Service.make(newServiceName(), streamMethods)

/** An end of ours of a stream of texts. */
export type TextStream = BidiStream.BidiStream<{ readonly value: string }, StringValue>

/** The next message; fails the test where there is none. */
export const next = (stream: TextStream): Effect.Effect<string, PsrpcError.PsrpcError> =>
  Effect.map(Stream.runHead(stream.messages), (message) => Option.getOrThrow(message).value)

/** The next messages. */
export const nextOf = (
  stream: TextStream,
  count: number
): Effect.Effect<ReadonlyArray<string>, PsrpcError.PsrpcError> =>
  Effect.map(Stream.runCollect(Stream.take(stream.messages, count)), (messages) => messages.map(({ value }) => value))

/** All messages to the end. */
export const rest = (stream: TextStream): Effect.Effect<ReadonlyArray<string>, PsrpcError.PsrpcError> =>
  Effect.map(Stream.runCollect(stream.messages), (messages) => messages.map(({ value }) => value))

/** Answers each message with `ours:` and itself, until one says `close` or `close:CODE:TEXT`, as the Go peer does. */
export const converse = (stream: TextStream): Effect.Effect<void, PsrpcError.PsrpcError> =>
  stream.messages.pipe(
    Stream.takeUntil(({ value }) => value === "close"),
    Stream.runForEach(({ value }) => {
      if (value === "close") return Effect.void
      if (!value.startsWith("close:")) return stream.send({ value: `ours:${value}` })
      const [, code, message] = value.split(":")
      return Effect.fail(PsrpcError.fromCode(code!, { message: message! }))
    })
  )

/** Handlers of all streams that answer as the Go peer's do. */
export const conversing = {
  chat: converse,
  room: converse,
  match: { affinity: 1, handle: converse },
  terminal: converse
}

/** What a handler of ours was given. */
interface Given {
  readonly stream: BidiStream.ServerStream<{ readonly value: string }, StringValue>
  readonly call: Server.Call<object>
}

/** A handler that hands its streams to the test, and returns once they are closed. */
export const holding = Effect.gen(function* () {
  const streams = yield* Queue.unbounded<Given>()
  const handle = (stream: Given["stream"], call: Given["call"]): Effect.Effect<void> =>
    Effect.andThen(Queue.offer(streams, { stream, call }), Effect.asVoid(Effect.exit(stream.closed)))
  return { handle, opened: Queue.take(streams) }
})

/** Without the details, which a close does not have. */
export const plainError = (error: WireError | null): Pick<WireError, "code" | "message"> => {
  assert.isNotNull(error)
  return { code: error.code, message: error.message }
}

/** How a stream ends to Go where nobody has given a cause. */
export const streamClosed = { code: "canceled", message: "stream closed" }

/** How a stream of a server that leaves ends. */
export const eof = { code: "unavailable", message: "EOF" }

/** Opens a stream with the Go peer's client. */
export const openGo = (
  go: GoPeer.GoPeer,
  method: StreamMethod,
  params: RequestParams & { readonly paused?: boolean } = {}
) =>
  Effect.map(go.command("open", { ...params, method }), ({ stream }) => {
    const mine = (event: { readonly stream: number }): boolean => event.stream === stream
    return {
      handle: stream,
      /** Completes with the ack. */
      send: (text: string, timeoutMs?: number) =>
        go.command("send", { stream, text, ...(timeoutMs !== undefined && { timeoutMs }) }),
      sendRaw: (bytes: Uint8Array) => go.command("send", { stream, base64: Buffer.from(bytes).toString("base64") }),
      next: Effect.map(go.event("message", mine), ({ text }) => text),
      /** What it ended with; Go has an error also where there is no cause. */
      closed: Effect.map(go.event("closed", mine), ({ error }) => plainError(error)),
      close: (code?: string, message?: string) =>
        go.command("closeStream", {
          stream,
          ...(code !== undefined && { error: { code, message: message ?? "" } })
        }),
      cancel: go.command("cancel", { stream }),
      resume: go.command("resume", { stream })
    }
  })

/** How an end of ours has ended: `normally`, or the error. */
export const ending = (stream: TextStream) =>
  Effect.gen(function* () {
    const messages = yield* Effect.match(rest(stream), { onSuccess: () => "normally", onFailure: (error) => error })
    const closed = yield* Effect.match(stream.closed, { onSuccess: () => "normally", onFailure: (error) => error })
    assert.strictEqual(messages, closed)
    return messages
  })

export const unavailable = (error: unknown): PsrpcError.Unavailable => {
  assert.instanceOf(error, PsrpcError.Unavailable)
  return error
}

export const plain = (error: unknown): { readonly code: string; readonly message: string } => {
  assert.isTrue(PsrpcError.is(error), String(error))
  const { code, message } = error as PsrpcError.PsrpcError
  return { code, message }
}
