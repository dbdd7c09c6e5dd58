/** The metrics of one method on one side. They are plain fields: counting is an increment, and a snapshot reads them. */
import { Cause } from "effect"
import * as PsrpcError from "../../../PsrpcError.ts"
import { isCode } from "../../errors/codes.ts"
import { Histogram } from "./histogram.ts"
import { LabeledCounter } from "./labeledCounter.ts"

/** The side that counts. */
export type Side = "client" | "server" | "publisher"

/** The kind of a method. */
export type Kind = "unary" | "multi" | "stream" | "subscription"

/** The result of a call or an update: `ok`, or a code of psrpc. */
export type Outcome = "ok" | PsrpcError.Code

/** The outcome of a server's claim. */
export type ClaimOutcome =
  /** The client selected this server. */
  | "chosen"
  /** The client selected another server. */
  | "other"
  /** The client canceled the call. */
  | "canceled"
  /** The client sent no selection before the deadline of the request. */
  | "expired"
  /** The server closed before the selection arrived. */
  | "closing"

/** The method and the side that a series belongs to. */
export interface Owner {
  readonly side: Side
  readonly service: string
  /** `undefined` for messages whose method is unknown. */
  readonly method: string | undefined
  readonly kind: Kind | undefined
  /** Whether servers claim requests of the method. */
  readonly requireClaim: boolean
}

export class Series {
  readonly owner: Owner

  /** Calls; updates of a publisher. */
  started = 0
  finished = 0
  readonly codes = new LabeledCounter()
  readonly duration = new Histogram()

  /** At a client: claims that arrived for a pending call. At a server: claims that it sent. */
  claims = 0
  readonly claimOutcomes = new LabeledCounter()
  readonly claimWait = new Histogram()

  sent = 0
  bytesSent = 0
  received = 0
  bytesReceived = 0

  /** At a client: attempts after the first. */
  retries = 0

  openStreams = 0
  subscriptions = 0

  readonly drops = new LabeledCounter()

  constructor(owner: Owner) {
    this.owner = owner
  }

  get inFlight(): number {
    return this.started - this.finished
  }

  /** Counts the end of a call or an update. `millis` is the duration of a call. */
  finish(outcome: Outcome, millis?: number): void {
    if (millis !== undefined) this.duration.record(millis)
    this.finished++
    this.codes.add(outcome)
  }

  /** Counts a message that is passed to the bus, with the bytes of its payload. */
  send(bytes: number): void {
    this.sent++
    this.bytesSent += bytes
  }

  /** Counts a message that arrived, with the bytes of its payload. */
  receive(bytes: number): void {
    this.received++
    this.bytesReceived += bytes
  }
}

/** The outcome for a code from the wire: `unknown` for a code that psrpc does not have, since a peer may send any text. */
export const outcomeOf = (code: string): Outcome => (isCode(code) ? code : "unknown")

/** The outcome for a cause: `canceled` for an interruption, `internal` for a failure that is not a `PsrpcError`. */
export const outcomeOfCause = (cause: Cause.Cause<unknown>): Outcome => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some" && PsrpcError.is(failure.value)) return failure.value.code
  return Cause.hasInterruptsOnly(cause) ? "canceled" : "internal"
}
