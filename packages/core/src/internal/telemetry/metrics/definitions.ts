/** The metrics of methods: names, units, attributes, and the field of `Series` that each reads. */
import { Metric } from "effect"
import { boundaries, type Histogram, type LabeledCounter, type Owner, type Series } from "./series.ts"

/** The definition of a metric. */
export interface Definition {
  /** The name in Effect's metric registry. */
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  /** `s` for seconds, `By` for bytes; also the value of the attribute `unit`, which exporters know. Default: a plain number. */
  readonly unit?: "s" | "By" | undefined
  /** The attributes of its series, in addition to those of `Metric.CurrentMetricAttributes` and `unit`. */
  readonly attributes: ReadonlyArray<string>
  readonly description: string
}

/** A metric with a series for each method that it applies to. */
interface OfMethod extends Definition {
  readonly applies: (owner: Owner) => boolean
  readonly read:
    | { readonly number: (series: Series) => number }
    | { readonly times: (series: Series) => Histogram }
    /** `key` is the attribute of the labels; the labels in `always` exist from the start. */
    | {
        readonly labels: (series: Series) => LabeledCounter
        readonly key: string
        readonly always: ReadonlyArray<string>
      }
}

const method = ["side", "service", "method", "kind"]

const isCall = ({ kind, side }: Owner): boolean => side !== "publisher" && kind !== undefined && kind !== "subscription"
const isPublisher = ({ side }: Owner): boolean => side === "publisher"
const isClaimed = (owner: Owner): boolean => isCall(owner) && owner.requireClaim
const sends = (owner: Owner): boolean => isCall(owner) || isPublisher(owner)
const receives = ({ kind, side }: Owner): boolean => side !== "publisher" && kind !== undefined

/** The counter of dropped messages. Buses count in it, too, under reasons of their own. */
export const messagesDropped = { name: "psrpc_messages_dropped", description: "Messages dropped, by reason" } as const

/** The metrics by method. */
export const ofMethods: ReadonlyArray<OfMethod> = [
  {
    name: "psrpc_calls_started",
    type: "counter",
    attributes: method,
    description: "Calls started: requests that a client sent, requests that a server began to run",
    applies: isCall,
    read: { number: ({ started }) => started }
  },
  {
    name: "psrpc_calls_finished",
    type: "counter",
    attributes: [...method, "code"],
    description: "Calls finished, by code",
    applies: isCall,
    read: { labels: ({ codes }) => codes, key: "code", always: ["ok"] }
  },
  {
    name: "psrpc_calls_in_flight",
    type: "gauge",
    attributes: method,
    description: "Calls started and not finished",
    applies: isCall,
    read: { number: ({ inFlight }) => inFlight }
  },
  {
    name: "psrpc_call_duration_seconds",
    type: "histogram",
    unit: "s",
    attributes: method,
    description: "Duration of calls, successful or not",
    applies: isCall,
    read: { times: ({ duration }) => duration }
  },
  {
    name: "psrpc_claims",
    type: "counter",
    attributes: method,
    description: "Claims: received by a client, sent by a server",
    applies: isClaimed,
    read: { number: ({ claims }) => claims }
  },
  {
    name: "psrpc_claims_settled",
    type: "counter",
    attributes: [...method, "outcome"],
    description: "A server's claims, by outcome",
    applies: (owner) => isClaimed(owner) && owner.side === "server",
    read: { labels: ({ claimOutcomes }) => claimOutcomes, key: "outcome", always: ["chosen"] }
  },
  {
    name: "psrpc_claim_wait_seconds",
    type: "histogram",
    unit: "s",
    attributes: method,
    description: "Time from a client's request to the selection of a server",
    applies: (owner) => isClaimed(owner) && owner.side === "client",
    read: { times: ({ claimWait }) => claimWait }
  },
  {
    name: "psrpc_messages_sent",
    type: "counter",
    attributes: method,
    description: "Messages with a payload passed to the bus: requests, responses, stream messages, updates",
    applies: sends,
    read: { number: ({ sent }) => sent }
  },
  {
    name: "psrpc_messages_received",
    type: "counter",
    attributes: method,
    description: "Messages with a payload received and decoded: requests, responses, stream messages, updates",
    applies: receives,
    read: { number: ({ received }) => received }
  },
  {
    name: "psrpc_sent_bytes",
    type: "counter",
    unit: "By",
    attributes: method,
    description: "Payload bytes of the messages sent",
    applies: sends,
    read: { number: ({ bytesSent }) => bytesSent }
  },
  {
    name: "psrpc_received_bytes",
    type: "counter",
    unit: "By",
    attributes: method,
    description: "Payload bytes of the messages received",
    applies: receives,
    read: { number: ({ bytesReceived }) => bytesReceived }
  },
  {
    name: "psrpc_streams_open",
    type: "gauge",
    attributes: method,
    description: "Open streams of this endpoint",
    applies: ({ kind }) => kind === "stream",
    read: { number: ({ openStreams }) => openStreams }
  },
  {
    name: "psrpc_publishes_finished",
    type: "counter",
    attributes: [...method, "code"],
    description: "Updates that a publisher published or failed to publish, by code",
    applies: isPublisher,
    read: { labels: ({ codes }) => codes, key: "code", always: ["ok"] }
  },
  {
    name: "psrpc_publishes_in_flight",
    type: "gauge",
    attributes: method,
    description: "Updates that the broker has not accepted yet",
    applies: isPublisher,
    read: { number: ({ inFlight }) => inFlight }
  },
  {
    name: "psrpc_subscriptions",
    type: "gauge",
    attributes: method,
    description: "Subscriptions of a client that the broker has acknowledged",
    applies: ({ kind, side }) => side === "client" && kind === "subscription",
    read: { number: ({ subscriptions }) => subscriptions }
  },
  {
    ...messagesDropped,
    type: "counter",
    attributes: [...method, "reason"],
    applies: () => true,
    read: { labels: ({ drops }) => drops, key: "reason", always: [] }
  },
  {
    name: "psrpc_retries",
    type: "counter",
    attributes: method,
    description: "Attempts after the first made by `Retry`: calls, openings of streams, and sends",
    applies: ({ kind, side }) => side === "client" && (kind === "unary" || kind === "stream"),
    read: { number: ({ retries }) => retries }
  }
]

/** Makes a metric with one set of attributes. */
export const metricOf = (
  { description, name, type, unit }: Definition,
  given: Readonly<Record<string, string>>
): Metric.Metric<never, unknown> => {
  const attributes = unit === undefined ? given : { ...given, unit }
  switch (type) {
    case "counter":
      return Metric.counter(name, { description, attributes, incremental: true })
    case "gauge":
      return Metric.gauge(name, { description, attributes })
    case "histogram":
      return Metric.histogram(name, {
        description,
        attributes,
        boundaries: Metric.boundariesFromIterable(boundaries.map((millis) => millis / 1000))
      })
  }
}

/** Returns the state of a counter or a gauge in the form of Effect's metrics. */
export const stateOf = ({ type }: Definition, value: number): unknown =>
  type === "counter" ? { count: value, incremental: true } : { value }
