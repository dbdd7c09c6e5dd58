/** The commands of the peer, described in `../peer/README.md`: parameters, and content of `ok`. Times in ms. */

export type UnaryMethod = "Echo" | "Raw" | "Work" | "Regional" | "Reload"
export type MultiMethod = "StatsAll" | "Stats"
export type StreamMethod = "Chat" | "Room" | "Match" | "Terminal"
export type SubscriptionMethod = "JobDone" | "JobDoneIn" | "RegionChanged"
export type ServedMethod = UnaryMethod | MultiMethod | StreamMethod

export type TopicParts = string | ReadonlyArray<string>

/** A complete set: an omitted option is zero. */
export interface SelectionParams {
  readonly minimumAffinity?: number
  readonly maximumAffinity?: number
  readonly acceptFirstAvailable?: boolean
  readonly affinityTimeoutMs?: number
  readonly shortCircuitTimeoutMs?: number
}

/** Options of all commands that send a request. */
export interface RequestParams {
  readonly topic?: TopicParts
  readonly metadata?: Readonly<Record<string, string>>
  /** The trace context of the caller: `traceparent`, `tracestate`. */
  readonly trace?: Readonly<Record<string, string>>
  /** psrpc's request timeout. */
  readonly timeoutMs?: number
  /** The deadline of the caller's context. */
  readonly deadlineMs?: number
  readonly selection?: SelectionParams
  /** psrpc's own retries of `call`: number of attempts, timeout of the first, and its growth. */
  readonly retry?: { readonly maxAttempts: number; readonly timeoutMs: number; readonly backoffMs?: number }
}

export interface AffinityParams {
  /** The affinity of `Work` and `Match`. Default: 1. */
  readonly affinity?: number
  /** Duration of the affinity function. */
  readonly affinityDelayMs?: number
}

export interface ServeParams extends AffinityParams {
  readonly serverId?: string
  /** Default: all methods without a topic. */
  readonly methods?: ReadonlyArray<ServedMethod>
  readonly timeoutMs?: number
  readonly channelSize?: number
  /** Answers a panic instead of ending the process. Default: true. */
  readonly recover?: boolean
  /** Sends `handling` events. */
  readonly events?: boolean
}

/** Counts of handled requests, by method. */
export interface Handled {
  readonly counts: Readonly<Record<string, number>>
  readonly running: Readonly<Record<string, number>>
  /** Handlers whose context ended before they did. */
  readonly ended: Readonly<Record<string, number>>
  readonly texts?: Readonly<Record<string, ReadonlyArray<string>>>
}

/** A detail of an error, its bytes in base64. */
export interface WireDetail {
  readonly typeUrl: string
  readonly value: string
}

export interface WireError {
  readonly code: string
  readonly message: string
  readonly details: ReadonlyArray<WireDetail>
}

/** A span of otelpsrpc. */
export interface GoSpan {
  readonly name: string
  readonly kind: string
  readonly traceId: string
  readonly spanId: string
  readonly parentId?: string
  readonly traceState?: string
  readonly failed: boolean
  readonly attributes: Readonly<Record<string, unknown>>
}

interface Command<Params, Ok> {
  readonly params: Params
  readonly ok: Ok
}

type Nothing = Readonly<Record<never, never>>

interface InServer {
  readonly server: number
  readonly method: ServedMethod
  readonly topic?: TopicParts
}

export interface Commands {
  readonly info: Command<
    Nothing,
    { readonly service: string; readonly clientId: string; readonly methods: ReadonlyArray<string> }
  >
  readonly cancel: Command<{ readonly call: number } | { readonly stream: number }, Nothing>
  readonly exit: Command<Nothing, Nothing>

  readonly serve: Command<ServeParams, { readonly server: number; readonly serverId: string }>
  readonly register: Command<InServer, Nothing>
  readonly deregister: Command<InServer, Nothing>
  readonly setAffinity: Command<AffinityParams & { readonly server: number }, Nothing>
  readonly shutdown: Command<{ readonly server: number }, { readonly ms: number }>
  readonly kill: Command<{ readonly server: number }, { readonly ms: number }>
  readonly handled: Command<{ readonly server?: number; readonly texts?: boolean }, Handled>
  readonly reset: Command<{ readonly server?: number }, Nothing>

  readonly call: Command<
    RequestParams & { readonly method: UnaryMethod; readonly request: string },
    { readonly text: string; readonly ms: number }
  >
  readonly callRaw: Command<
    RequestParams & { readonly method: UnaryMethod; readonly base64: string },
    { readonly base64: string; readonly text?: string; readonly ms: number }
  >
  readonly multi: Command<
    RequestParams & { readonly method: MultiMethod; readonly request: string },
    ReadonlyArray<{ readonly text: string; readonly ms: number } | { readonly error: WireError; readonly ms: number }>
  >
  readonly closeClient: Command<Nothing, Nothing>
  /** The sampled spans that have ended. */
  readonly spans: Command<Nothing, ReadonlyArray<GoSpan>>

  readonly publish: Command<
    {
      readonly method: SubscriptionMethod
      readonly topic?: TopicParts
      readonly message?: string
      readonly base64?: string
      readonly times?: number
    },
    Nothing
  >
  readonly subscribe: Command<
    { readonly method: SubscriptionMethod; readonly topic?: TopicParts },
    { readonly sub: number }
  >
  readonly unsubscribe: Command<{ readonly sub: number }, Nothing>

  readonly open: Command<
    RequestParams & { readonly method: StreamMethod; readonly paused?: boolean },
    { readonly stream: number; readonly ms: number }
  >
  readonly send: Command<
    { readonly stream: number; readonly text?: string; readonly base64?: string; readonly timeoutMs?: number },
    { readonly ms: number }
  >
  readonly resume: Command<{ readonly stream: number }, Nothing>
  readonly closeStream: Command<
    { readonly stream: number; readonly error?: { readonly code: string; readonly message: string } },
    Nothing
  >
}

/** The events of the peer. */
export interface Events {
  readonly handling: { readonly server: number; readonly method: ServedMethod; readonly text: string }
  readonly streamOpened: {
    readonly server: number
    readonly stream: number
    readonly method: StreamMethod
    readonly remoteId: string
    readonly metadata: Readonly<Record<string, string>>
  }
  readonly streamClosed: {
    readonly server: number
    readonly stream: number
    readonly method: StreamMethod
    readonly error: WireError | null
  }
  readonly flooded: { readonly server: number; readonly stream: number; readonly failed: number }
  readonly update: {
    readonly sub: number
    readonly text?: string
    readonly typeUrl?: string
    readonly value?: string
    readonly error?: WireError
  }
  readonly message: { readonly stream: number; readonly text: string }
  readonly closed: { readonly stream: number; readonly error: WireError | null }
}
