/** What the tests of streams share: a service of streams, both ends of one, and peers that are played by hand. */
import { Effect, Exit, Schema, type Scope, Stream } from "effect"
import type { BidiStream, ServerStream } from "../../src/BidiStream.ts"
import * as Client from "../../src/Client.ts"
import * as Channels from "../../src/internal/wire/channel.ts"
import * as Envelope from "../../src/internal/wire/callEnvelope.ts"
import * as Streams from "../../src/internal/wire/streamEnvelope.ts"
import { type Delivery, MessageBus } from "../../src/MessageBus.ts"
import type { PsrpcError } from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { json, settle, start, Traffic } from "../helpers/harness.ts"

const texts = { send: Schema.String, receive: Schema.String }

export class Chat extends Service.make("Chat", {
  talk: Rpc.stream(texts),
  alone: Rpc.stream({ ...texts, singleServer: true }),
  best: Rpc.stream({ ...texts, routing: "affinity" }),
  room: Rpc.stream({ ...texts, topic: ["room"] }),
  hello: Rpc.unary({ request: Schema.String, response: Schema.String })
}) {}

export type ClientEnd = BidiStream<string, string>
export type ServerEnd = ServerStream<string, string>
export type Handlers = Partial<Server.Handlers<typeof Chat.methods>>

/** A server of some of the methods; the others are not implemented. */
export const serve = (
  handlers: Handlers,
  options?: Server.Options<typeof Chat.methods>
): Effect.Effect<Server.Server<typeof Chat.methods>, PsrpcError, MessageBus | Scope.Scope> =>
  Server.make(Chat, { ...Server.unimplemented(Chat), ...handlers } as Server.Handlers<typeof Chat.methods>, options)

/** A handler that keeps the ends it gets, and stays until they are closed. */
export const keeping = () => {
  const ends: Array<ServerEnd> = []
  const calls: Array<Server.Call<unknown>> = []
  const handle = (stream: ServerEnd, call: Server.Call<unknown>) => {
    ends.push(stream)
    calls.push(call)
    return Effect.exit(stream.closed)
  }
  return { calls, ends, handle }
}

export interface PairOptions {
  readonly server?: Server.Options<typeof Chat.methods>
  readonly client?: Client.Options
  readonly stream?: Client.QueueStreamOptions
}

/** Both ends of an open stream. */
export const pair = Effect.fnUntraced(function* (options: PairOptions = {}) {
  const { ends, handle } = keeping()
  const server = yield* serve({ talk: handle }, options.server)
  const client = yield* Client.make(Chat, options.client)
  const here = yield* client.talk(options.stream)
  return { here, there: ends[0]!, server, client }
})

/** Reads all that comes, in the background. */
export const reading = Effect.fnUntraced(function* <A>(messages: Stream.Stream<A, PsrpcError>) {
  const seen: Array<A> = []
  const fiber = yield* start(
    Stream.runForEach(messages, (message) =>
      Effect.sync(() => {
        seen.push(message)
      })
    )
  )
  return { seen, fiber }
})

/** Sends several messages at once, each in a fiber of its own. */
export const sending = (stream: BidiStream<string, string>, messages: ReadonlyArray<string>) =>
  Effect.forEach(messages, (message) => start(stream.send(message)))

/** Numbered messages. */
export const numbered = (count: number, from = 0): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `m${i + from}`)

/** What went over the bus for streams so far, decoded. */
export const streamTraffic = Effect.map(Traffic, (traffic) =>
  traffic
    .filter(({ type }) => type === "Stream")
    .map(({ channel, message }) => Object.assign({ channel }, Streams.decodeStream(message) as Streams.Stream))
)

/** The kinds of what went over the bus for streams so far. */
export const kinds = Effect.map(streamTraffic, (all) => all.map(({ kind }) => kind))

/** A bus that swallows, of what is published through it for streams, what `swallows` says. */
export const swallowing = (bus: MessageBus["Service"], swallows: (message: Streams.Stream) => boolean) =>
  MessageBus.of({
    ...bus,
    publishUnsafe(target, message, expiry, delivery) {
      const stream = Streams.decodeStream(message)
      if (typeof stream !== "string" && swallows(stream)) return delivery.delivered(1)
      bus.publishUnsafe(target, message, expiry, delivery)
    }
  })

export const heedless: Delivery = { wanted: () => true, delivered() {}, undelivered() {} }

const none: Streams.StreamCapabilities = { features: 0, keepalive: 0, buffer: 0 }

const textOf = (message: Streams.Stream): string =>
  message.kind === "message" ? (JSON.parse(new TextDecoder().decode(message.raw)) as string) : message.kind

/** One end of a stream, played by hand: it does what it is told to, and nothing by itself, as Go's without features. */
const handPlayed = (say: (message: Uint8Array) => void, streamId: () => string) => {
  const heard: Array<Streams.Stream> = []
  let count = 0
  const head = (expiry = Infinity): Streams.StreamHead => ({
    streamId: streamId(),
    requestId: `REQ_hand${count++}`,
    sentAt: 0,
    expiry
  })
  const { noFrame } = Envelope
  return {
    heard,
    /** The texts of the messages that have come. */
    texts: (): Array<string> => heard.filter(({ kind }) => kind === "message").map(textOf),
    closes: (): Array<readonly [string, string]> =>
      heard.flatMap((message) => (message.kind === "close" ? [[message.code, message.error] as const] : [])),
    /** How many of a kind have come. */
    count: (kind: Streams.Stream["kind"]): number => heard.filter((message) => message.kind === kind).length,
    ack: (message: Streams.StreamHead, capabilities?: Streams.StreamCapabilities): void =>
      say(Streams.encodeStreamAck(noFrame, message, capabilities)),
    /** Acknowledges all messages that have come. */
    ackAll: (): void => {
      for (const message of heard) if (message.kind === "message") say(Streams.encodeStreamAck(noFrame, message))
    },
    /** Sends a message; the request id by which its ack is known. */
    send: (text: string, expiry?: number): string => {
      const at = head(expiry)
      say(Streams.encodeStreamMessage(noFrame, at, json(text)))
      return at.requestId
    },
    sendRaw: (raw: Uint8Array): void => say(Streams.encodeStreamMessage(noFrame, head(), raw)),
    /** Whether a message was acknowledged. */
    acked: (requestId: string): boolean =>
      heard.some((message) => message.kind === "ack" && message.requestId === requestId),
    close: (code = "canceled", error = "stream closed"): void =>
      say(Streams.encodeStreamClose(noFrame, head(), error, code)),
    /** Gives a sign of life; `probe` asks for one. */
    keepalive: (probe = false): void => say(Streams.encodeStreamKeepalive(noFrame, head(), probe)),
    end: (): void => say(Streams.encodeStreamEnd(noFrame, head()))
  }
}

/** Servers of a stream method, played by hand. */
export const fakeStreamServer = Effect.fnUntraced(function* (method: string, topic: ReadonlyArray<string> = []) {
  const bus = yield* MessageBus
  const chosen: Array<Envelope.Claim> = []
  const say = (channel: Channels.Channel, message: Uint8Array): void =>
    bus.publishUnsafe(bus.target(channel), message, Infinity, heedless)
  const opening = (): Streams.StreamOpen => {
    const message = end.heard.findLast(({ kind }) => kind === "open")
    if (message?.kind !== "open") throw new Error("no opening has come")
    return message
  }
  const end = handPlayed(
    (message) => say(Channels.clientStream("Chat", opening().clientId), message),
    () => opening().streamId
  )
  yield* bus.subscribe(Channels.stream("Chat", method, topic), (message) => {
    end.heard.push(Streams.decodeStream(message) as Streams.Stream)
  })
  yield* bus.subscribe(Channels.claimResponse("Chat", method, topic), (message) => {
    chosen.push(Envelope.decodeClaimResponse(message) as Envelope.Claim)
  })
  return {
    ...end,
    /** Every claim response, with an empty server id where the opening was withdrawn. */
    chosen,
    opening,
    claim: (serverId: string, affinity = 1): void =>
      say(
        Channels.claimRequest("Chat", opening().clientId),
        Envelope.encodeClaimRequest(Envelope.noFrame, opening().requestId, serverId, affinity)
      ),
    /** Acknowledges the opening. */
    accept: (capabilities: Streams.StreamCapabilities = none): void => end.ack(opening(), capabilities)
  }
})

/** A client of a stream method, played by hand. */
export const fakeStreamClient = Effect.fnUntraced(function* (method: string, clientId = "CLI_fake") {
  const bus = yield* MessageBus
  const claims: Array<Envelope.Claim> = []
  const say = (channel: Channels.Channel, message: Uint8Array): void =>
    bus.publishUnsafe(bus.target(channel), message, Infinity, heedless)
  const toServers = (message: Uint8Array): void => say(Channels.stream("Chat", method, []), message)
  const end = handPlayed(toServers, () => "STR_hand")
  yield* bus.subscribe(Channels.claimRequest("Chat", clientId), (message) => {
    claims.push(Envelope.decodeClaimRequest(message) as Envelope.Claim)
  })
  yield* bus.subscribe(Channels.clientStream("Chat", clientId), (message) => {
    end.heard.push(Streams.decodeStream(message) as Streams.Stream)
  })
  return {
    ...end,
    claims,
    /** Asks for a stream. */
    open: (options: Partial<Streams.StreamOpen> = {}): void => {
      const head = { streamId: "STR_hand", requestId: "REQ_open", sentAt: 0, expiry: 1e9, ...options }
      toServers(Streams.encodeStreamOpen(Envelope.noFrame, head, { clientId, metadata: {}, ...none, ...options }))
    },
    choose: (serverId: string, requestId = "REQ_open"): void =>
      say(
        Channels.claimResponse("Chat", method, []),
        Envelope.encodeClaimResponse(Envelope.noFrame, requestId, serverId)
      )
  }
})

/** A stream between a client of ours and a server that is played by hand, open; the server has no features. */
export const withFakeServer = Effect.fnUntraced(function* (
  options: PairOptions & { readonly capabilities?: Streams.StreamCapabilities } = {}
) {
  const server = yield* fakeStreamServer("Talk")
  const client = yield* Client.make(Chat, options.client)
  const opening = yield* start(client.talk(options.stream))
  yield* settle
  server.claim("SRV_hand")
  yield* settle
  server.accept(options.capabilities)
  yield* settle
  const exit = opening.pollUnsafe()
  if (exit === undefined || !Exit.isSuccess(exit)) throw new Error("the stream is not open")
  return { server, client, here: exit.value }
})

/** A stream between a server of ours and a client that is played by hand, open; the client has no features. */
export const withFakeClient = Effect.fnUntraced(function* (
  options: PairOptions & { readonly capabilities?: Streams.StreamCapabilities } = {}
) {
  const { ends, handle } = keeping()
  const server = yield* serve({ talk: handle }, options.server)
  const client = yield* fakeStreamClient("Talk")
  client.open(options.capabilities)
  yield* settle
  client.choose(server.serverId)
  yield* settle
  return { client, server, there: ends[0]! }
})
