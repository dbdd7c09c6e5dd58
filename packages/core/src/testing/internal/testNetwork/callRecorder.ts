/** Records the calls and updates of a service from the messages on the broker. */
import { Result } from "effect"
import { decodeError, decodeResponse } from "../../../internal/client/unaryCall.ts"
import * as Envelope from "../../../internal/wire/callEnvelope.ts"
import type { CalledMethod, CallMethod, StreamMethod, SubscriptionMethod } from "../../../internal/definition/method.ts"
import { decodeStream, type Stream } from "../../../internal/wire/streamEnvelope.ts"
import { closeCause } from "../../../internal/stream/causes.ts"
import type * as PsrpcError from "../../../PsrpcError.ts"
import type { Metadata } from "../../../Metadata.ts"
import type * as Service from "../../../Service.ts"
import type { Claim, ServerResponse, StreamMessage } from "./callRecords.ts"
import { channelReader, type ServiceChannel } from "./serviceChannels.ts"

type AnyTopic = Readonly<Record<string, unknown>>

/** The record of a call of any method; see `PsrpcTest.Call`. */
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
  canceledAt: number | undefined
}

interface UnaryRecord extends CallRecord {
  readonly kind: "unary"
  readonly request: unknown
  serverId: string | undefined
  result: Result.Result<unknown, unknown> | undefined
  respondedAt: number | undefined
}

interface MultiRecord extends CallRecord {
  readonly kind: "multi"
  readonly request: unknown
  readonly responses: Array<ServerResponse<unknown, unknown>>
}

interface StreamRecord extends CallRecord {
  readonly kind: "stream"
  readonly streamId: string
  serverId: string | undefined
  openedAt: number | undefined
  readonly sent: Array<StreamMessage<unknown>>
  readonly received: Array<StreamMessage<unknown>>
  closed:
    | { readonly by: "client" | "server"; readonly cause: PsrpcError.PsrpcError | undefined; readonly at: number }
    | undefined
}

type AnyRecord = UnaryRecord | MultiRecord | StreamRecord

/** The record of an update of any method; see `PsrpcTest.Update`. */
export interface UpdateRecord {
  readonly method: string
  readonly kind: "subscription"
  readonly message: unknown
  readonly topic: AnyTopic
  readonly at: number
}

/** The method, the kind and the record of a message. */
export interface RecordedMessage {
  readonly key: string
  readonly kind: string
  readonly record: CallRecord | UpdateRecord
}

/** A call or a stream that is being recorded. */
interface OpenCall<M extends CalledMethod, R> {
  readonly method: M
  readonly record: R
  /** The request ids of the recorded messages: the broker can deliver copies. */
  readonly messageIds: Set<string>
}

export class CallRecorder {
  readonly calls: Array<AnyRecord> = []
  readonly updates: Array<UpdateRecord> = []
  readonly #now: () => number
  readonly #channelOf: (name: string) => ServiceChannel | undefined
  readonly #byRequest = new Map<string, OpenCall<CalledMethod, AnyRecord>>()
  readonly #byStream = new Map<string, OpenCall<StreamMethod, StreamRecord>>()

  constructor(service: Service.Any, now: () => number) {
    this.#now = now
    this.#channelOf = channelReader(service)
  }

  /** Records a message. Returns `undefined` for a message of another service, and for one that is malformed. */
  record(sender: string | undefined, channelName: string, bytes: Uint8Array): RecordedMessage | undefined {
    const channel = this.#channelOf(channelName)
    switch (channel?.kind) {
      case "REQ": {
        const { key, method, topic } = channel
        if (method.kind === "subscription") return this.#update(key, method, topic, bytes)
        return method.kind === "stream" ? undefined : this.#request(key, method, topic, bytes)
      }
      case "STR":
        return channel.method.kind === "stream"
          ? this.#toServers(channel.key, channel.method, channel.topic, decodeStream(bytes))
          : undefined
      case "CLIENT STR":
        return this.#toClient(sender, decodeStream(bytes))
      case "CLAIM":
        return this.#claim(Envelope.decodeClaimRequest(bytes))
      case "RCLAIM":
        return this.#claimResponse(Envelope.decodeClaimResponse(bytes))
      case "RES":
        return this.#response(Envelope.decodeResponse(bytes))
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

  #update(key: string, method: SubscriptionMethod, topic: AnyTopic, bytes: Uint8Array): RecordedMessage | undefined {
    const raw = Envelope.decodeValue(method.type, bytes)
    if (typeof raw === "string") return undefined
    const message = decoded(() => method.message.decode(raw))
    if (message === undefined) return undefined
    const record = { method: key, kind: "subscription", message: message.value, topic, at: this.#now() } as const
    this.updates.push(record)
    return { key, kind: "update", record }
  }

  #request(key: string, method: CallMethod, topic: AnyTopic, bytes: Uint8Array): RecordedMessage | undefined {
    const envelope = Envelope.decodeRequest(bytes)
    if (typeof envelope === "string") return undefined
    const known = this.#byRequest.get(envelope.id)
    if (known !== undefined) return { key, kind: "request", record: known.record }
    const request = decoded(() => method.request.decode(envelope.raw))
    if (request === undefined) return undefined
    const common = { ...this.#common(key, topic, envelope), requestId: envelope.id, request: request.value }
    const record: AnyRecord =
      method.kind === "multi"
        ? { ...common, kind: "multi", responses: [] }
        : { ...common, kind: "unary", serverId: undefined, result: undefined, respondedAt: undefined }
    this.calls.push(record)
    this.#byRequest.set(envelope.id, { method, record, messageIds: new Set() })
    return { key, kind: "request", record }
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
      canceledAt: undefined
    }
  }

  #claim(claim: Envelope.Claim | string): RecordedMessage | undefined {
    const known = typeof claim === "string" ? undefined : this.#byRequest.get(claim.id)
    if (known === undefined) return undefined
    const { affinity, serverId } = claim as Envelope.Claim
    const { record } = known
    if (!record.claims.some((known) => known.serverId === serverId)) {
      record.claims.push({ serverId, affinity, at: this.#now() })
    }
    return { key: record.method, kind: "claim", record }
  }

  #claimResponse(response: Envelope.Claim | string): RecordedMessage | undefined {
    const known = typeof response === "string" ? undefined : this.#byRequest.get(response.id)
    if (known === undefined) return undefined
    const { serverId } = response as Envelope.Claim
    const { record } = known
    if (serverId === "") record.canceledAt ??= this.#now()
    else if (record.kind !== "multi" && record.serverId !== serverId) {
      record.serverId = serverId
      // the client ignores the response of a server that it did not select
      if (record.kind === "unary") record.result = record.respondedAt = undefined
    }
    return { key: record.method, kind: "claimResponse", record }
  }

  #response(response: Envelope.Response | string): RecordedMessage | undefined {
    if (typeof response === "string") return undefined
    const known = this.#byRequest.get(response.id)
    if (known === undefined || known.method.kind === "stream") return undefined
    const { method, record } = known
    const { error, serverId } = response
    const result = error === "" ? decodeResponse(method, response) : Result.fail(decodeError(method, response, true))
    const at = this.#now()
    if (record.kind === "multi") {
      const isCopy = record.responses.some((known) => known.serverId === serverId)
      if (!isCopy) record.responses.push({ serverId, result, at })
    } else if (record.kind === "unary" && record.result === undefined && (record.serverId ?? serverId) === serverId) {
      record.serverId = serverId
      record.result = result
      record.respondedAt = at
    }
    return { key: record.method, kind: "response", record }
  }

  /** Records a stream message of a client, on the channel of a method. */
  #toServers(
    key: string,
    method: StreamMethod,
    topic: AnyTopic,
    message: Stream | string
  ): RecordedMessage | undefined {
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
        serverId: undefined,
        openedAt: undefined,
        sent: [],
        received: [],
        closed: undefined
      }
      this.calls.push(record)
      known = { method, record, messageIds: new Set() }
      this.#byStream.set(streamId, known)
      this.#byRequest.set(requestId, known)
    }
    return { key, kind: "request", record: known.record }
  }

  /** Records a stream message of a server, on the channel of a client. */
  #toClient(sender: string | undefined, message: Stream | string): RecordedMessage | undefined {
    if (typeof message === "string") return undefined
    const record = this.#byStream.get(message.streamId)?.record
    if (message.kind !== "ack" || message.requestId !== record?.requestId) return this.#message("server", message)
    record.openedAt ??= this.#now()
    record.serverId ??= sender
    return { key: record.method, kind: "response", record }
  }

  #message(by: "client" | "server", message: Stream): RecordedMessage | undefined {
    const known = this.#byStream.get(message.streamId)
    if (known === undefined) return undefined
    const { messageIds, method, record } = known
    const recorded = (kind: string): RecordedMessage => ({ key: record.method, kind, record })
    const at = this.#now()
    switch (message.kind) {
      case "message": {
        const kind = by === "client" ? "sent" : "received"
        if (messageIds.has(message.requestId)) return recorded(kind)
        messageIds.add(message.requestId)
        const codec = by === "client" ? method.send : method.receive
        const read = decoded(() => codec.decode(message.raw))
        if (read !== undefined) record[kind].push({ message: read.value, at })
        return recorded(kind)
      }
      case "ack":
        return recorded("ack")
      case "close":
        record.closed ??= { by, cause: closeCause(message), at }
        return recorded("close")
      default:
        return undefined
    }
  }
}

/** Returns the decoded value, or `undefined` if decoding fails. */
const decoded = <A>(decode: () => A): { readonly value: A } | undefined => {
  try {
    return { value: decode() }
  } catch {
    return undefined
  }
}
