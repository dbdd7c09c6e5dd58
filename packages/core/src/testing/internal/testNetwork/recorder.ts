/** Records what a service's methods have on the network, message by message, and says what each is a part of. */
import { Result } from "effect"
import { answerOf, errorOf } from "../../../internal/client/answer.ts"
import * as Envelope from "../../../internal/wire/callEnvelope.ts"
import type { CalledMethod, CallMethod, StreamMethod, SubscriptionMethod } from "../../../internal/definition/method.ts"
import { decodeStream, type Stream } from "../../../internal/wire/streamEnvelope.ts"
import { closeCause } from "../../../internal/stream/causes.ts"
import type * as PsrpcError from "../../../PsrpcError.ts"
import type { Metadata } from "../../../Metadata.ts"
import type * as Service from "../../../Service.ts"
import { type Place, placesOf } from "./places.ts"
import type { Answer, Claim, StreamMessage } from "./types.ts"

type AnyTopic = Readonly<Record<string, unknown>>

/** A call while it is recorded. */
export interface CallRecord {
  readonly method: string
  readonly kind: "unary" | "multi" | "stream"
  readonly requestId: string
  readonly clientId: string
  readonly topic: AnyTopic
  readonly metadata: Metadata
  readonly sentAt: number
  readonly deadline: number
  readonly claims: Array<Claim>
  cancelledAt: number | undefined
}

interface UnaryRecord extends CallRecord {
  readonly kind: "unary"
  readonly request: unknown
  server: string | undefined
  result: Result.Result<unknown, unknown> | undefined
  answeredAt: number | undefined
}

interface MultiRecord extends CallRecord {
  readonly kind: "multi"
  readonly request: unknown
  readonly answers: Array<Answer<unknown, unknown>>
}

interface StreamRecord extends CallRecord {
  readonly kind: "stream"
  readonly streamId: string
  server: string | undefined
  openedAt: number | undefined
  readonly sent: Array<StreamMessage<unknown>>
  readonly received: Array<StreamMessage<unknown>>
  closed:
    | { readonly by: "client" | "server"; readonly cause: PsrpcError.PsrpcError | undefined; readonly at: number }
    | undefined
}

type AnyRecord = UnaryRecord | MultiRecord | StreamRecord

/** An update that was published. */
export interface UpdateRecord {
  readonly method: string
  readonly kind: "subscription"
  readonly message: unknown
  readonly topic: AnyTopic
  readonly at: number
}

/** What a message is a part of. */
export interface Seen {
  readonly key: string
  readonly part: string
  readonly record: CallRecord | UpdateRecord
}

/** What is known of a call, or of a stream, by its id. */
interface Known<M extends CalledMethod, R> {
  readonly method: M
  readonly record: R
  /** The messages that have been seen: a repetition is none of the caller's. */
  readonly messages: Set<string>
}

export class Recorder {
  readonly calls: Array<AnyRecord> = []
  readonly updates: Array<UpdateRecord> = []
  readonly #now: () => number
  readonly #placeOf: (channel: string) => Place | undefined
  readonly #byRequest = new Map<string, Known<CalledMethod, AnyRecord>>()
  readonly #byStream = new Map<string, Known<StreamMethod, StreamRecord>>()

  constructor(service: Service.Any, now: () => number) {
    this.#now = now
    this.#placeOf = placesOf(service)
  }

  /** Takes notice of a message. `undefined` for what is none of the service's, or cannot be read. */
  see(sender: string | undefined, channel: string, bytes: Uint8Array): Seen | undefined {
    const place = this.#placeOf(channel)
    switch (place?.kind) {
      case "REQ": {
        const { key, method, topic } = place
        if (method.kind === "subscription") return this.#update(key, method, topic, bytes)
        return method.kind === "stream" ? undefined : this.#request(key, method, topic, bytes)
      }
      case "STR":
        return place.method.kind === "stream"
          ? this.#stream(place.key, place.method, place.topic, decodeStream(bytes))
          : undefined
      case "CLIENT STR":
        return this.#toClient(sender, decodeStream(bytes))
      case "CLAIM":
        return this.#claim(Envelope.decodeClaimRequest(bytes))
      case "RCLAIM":
        return this.#choice(Envelope.decodeClaimResponse(bytes))
      case "RES":
        return this.#answer(Envelope.decodeResponse(bytes))
      default:
        return undefined
    }
  }

  clear(): void {
    this.calls.length = 0
    this.updates.length = 0
    this.#byRequest.clear()
    this.#byStream.clear()
  }

  #update(key: string, method: SubscriptionMethod, topic: AnyTopic, bytes: Uint8Array): Seen | undefined {
    const raw = Envelope.decodeValue(method.type, bytes)
    if (typeof raw === "string") return undefined
    const message = decoded(() => method.message.decode(raw))
    if (message === undefined) return undefined
    const record = { method: key, kind: "subscription", message: message.value, topic, at: this.#now() } as const
    this.updates.push(record)
    return { key, part: "update", record }
  }

  #request(key: string, method: CallMethod, topic: AnyTopic, bytes: Uint8Array): Seen | undefined {
    const envelope = Envelope.decodeRequest(bytes)
    if (typeof envelope === "string") return undefined
    const known = this.#byRequest.get(envelope.id)
    if (known !== undefined) return { key, part: "request", record: known.record }
    const request = decoded(() => method.request.decode(envelope.raw))
    if (request === undefined) return undefined
    const common = { ...this.#common(key, topic, envelope), requestId: envelope.id, request: request.value }
    const record: AnyRecord =
      method.kind === "multi"
        ? { ...common, kind: "multi", answers: [] }
        : { ...common, kind: "unary", server: undefined, result: undefined, answeredAt: undefined }
    this.calls.push(record)
    this.#byRequest.set(envelope.id, { method, record, messages: new Set() })
    return { key, part: "request", record }
  }

  #common(
    method: string,
    topic: AnyTopic,
    { clientId, expiry, metadata }: { readonly clientId: string; readonly expiry: number; readonly metadata: Metadata }
  ): Omit<CallRecord, "kind" | "requestId"> {
    const sentAt = this.#now()
    return {
      method,
      clientId,
      topic,
      metadata: { ...metadata },
      sentAt,
      deadline: expiry,
      claims: [],
      cancelledAt: undefined
    }
  }

  #claim(claim: Envelope.Claim | string): Seen | undefined {
    const known = typeof claim === "string" ? undefined : this.#byRequest.get(claim.id)
    if (known === undefined) return undefined
    const { affinity, serverId } = claim as Envelope.Claim
    const { record } = known
    if (!record.claims.some((known) => known.serverId === serverId)) {
      record.claims.push({ serverId, affinity, at: this.#now() })
    }
    return { key: record.method, part: "claim", record }
  }

  #choice(choice: Envelope.Claim | string): Seen | undefined {
    const known = typeof choice === "string" ? undefined : this.#byRequest.get(choice.id)
    if (known === undefined) return undefined
    const { serverId } = choice as Envelope.Claim
    const { record } = known
    if (serverId === "") record.cancelledAt ??= this.#now()
    else if (record.kind !== "multi" && record.server !== serverId) {
      record.server = serverId
      // the answer of a server that is not the one says nothing to the caller
      if (record.kind === "unary") record.result = record.answeredAt = undefined
    }
    return { key: record.method, part: "choice", record }
  }

  #answer(response: Envelope.Response | string): Seen | undefined {
    if (typeof response === "string") return undefined
    const known = this.#byRequest.get(response.id)
    if (known === undefined || known.method.kind === "stream") return undefined
    const { method, record } = known
    const { error, raw, serverId } = response
    const result = error === "" ? answerOf(method, raw) : Result.fail(errorOf(method, response, true))
    const at = this.#now()
    if (record.kind === "multi") {
      if (!record.answers.some((known) => known.serverId === serverId)) record.answers.push({ serverId, result, at })
    } else if (record.kind === "unary" && record.result === undefined && (record.server ?? serverId) === serverId) {
      record.server = serverId
      record.result = result
      record.answeredAt = at
    }
    return { key: record.method, part: "answer", record }
  }

  /** A message of a client, on the channel of a method. */
  #stream(key: string, method: StreamMethod, topic: AnyTopic, message: Stream | string): Seen | undefined {
    if (typeof message === "string") return undefined
    if (message.kind !== "open") return this.#message("client", message)
    const { requestId, streamId } = message
    let known = this.#byStream.get(streamId)
    if (known === undefined) {
      const record: StreamRecord = {
        ...this.#common(key, topic, message),
        kind: "stream",
        requestId,
        streamId,
        server: undefined,
        openedAt: undefined,
        sent: [],
        received: [],
        closed: undefined
      }
      this.calls.push(record)
      known = { method, record, messages: new Set() }
      this.#byStream.set(streamId, known)
      this.#byRequest.set(requestId, known)
    }
    return { key, part: "request", record: known.record }
  }

  /** A message of a server, on the channel of a client. */
  #toClient(sender: string | undefined, message: Stream | string): Seen | undefined {
    if (typeof message === "string") return undefined
    const record = this.#byStream.get(message.streamId)?.record
    if (message.kind !== "ack" || message.requestId !== record?.requestId) return this.#message("server", message)
    record.openedAt ??= this.#now()
    record.server ??= sender
    return { key: record.method, part: "answer", record }
  }

  #message(by: "client" | "server", message: Stream): Seen | undefined {
    const known = this.#byStream.get(message.streamId)
    if (known === undefined) return undefined
    const { messages, method, record } = known
    const seen = (part: string): Seen => ({ key: record.method, part, record })
    const at = this.#now()
    switch (message.kind) {
      case "message": {
        const part = by === "client" ? "sent" : "received"
        if (messages.has(message.requestId)) return seen(part)
        messages.add(message.requestId)
        const codec = by === "client" ? method.send : method.receive
        const read = decoded(() => codec.decode(message.raw))
        if (read !== undefined) record[part].push({ message: read.value, at })
        return seen(part)
      }
      case "ack":
        return seen("ack")
      case "close":
        record.closed ??= { by, cause: closeCause(message), at }
        return seen("close")
      default:
        return undefined
    }
  }
}

/** What is decoded; `undefined` where it cannot be. */
const decoded = <A>(decode: () => A): { readonly value: A } | undefined => {
  try {
    return { value: decode() }
  } catch {
    return undefined
  }
}
