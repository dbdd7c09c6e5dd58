/**
 * What is counted of one method on one side. Plain numbers: counting is an increment, and who reads pays for the reading.
 */
import { Cause } from "effect"
import * as PsrpcError from "../../../PsrpcError.ts"
import { isCode } from "../../errors/codes.ts"
import { Histogram } from "./histogram.ts"
import { Tally } from "./tally.ts"

/** Who counts. */
export type Side = "client" | "server" | "publisher"

/** What kind of method it is. */
export type Kind = "unary" | "multi" | "stream" | "subscription"

/** How something ended: well, or with one of psrpc's codes. */
export type Outcome = "ok" | PsrpcError.Code

/** What became of a server's claim. */
export type ClaimOutcome =
  /** The caller has chosen this server. */
  | "chosen"
  /** It has chosen another. */
  | "other"
  /** It has given up. */
  | "canceled"
  /** Nothing was heard until the request's time was over. */
  | "expired"
  /** The server was closed meanwhile. */
  | "closing"

/** Whose numbers they are. */
export interface Owner {
  readonly side: Side
  readonly service: string
  /** `undefined` for what comes to a client or a server and is of no method that can be told. */
  readonly method: string | undefined
  readonly kind: Kind | undefined
  /** Whether servers have to claim its requests. */
  readonly requireClaim: boolean
}

export class Series {
  readonly owner: Owner

  /** Calls, and what a publisher publishes. */
  started = 0
  finished = 0
  readonly codes = new Tally()
  readonly duration = new Histogram()

  /** Of the client, those that came for a call that waits for them; of the server, those made. */
  claims = 0
  readonly claimOutcomes = new Tally()
  readonly claimWait = new Histogram()

  sent = 0
  bytesSent = 0
  received = 0
  bytesReceived = 0

  /** Of the client: attempts after the first. */
  retries = 0

  openStreams = 0
  subscriptions = 0

  readonly drops = new Tally()

  constructor(owner: Owner) {
    this.owner = owner
  }

  get inFlight(): number {
    return this.started - this.finished
  }

  /** A call, or a publishing, is over; a call after so many milliseconds. */
  finish(outcome: Outcome, millis?: number): void {
    if (millis !== undefined) this.duration.record(millis)
    this.finished++
    this.codes.add(outcome)
  }

  /** A message with that many bytes of payload is given to the bus. */
  send(bytes: number): void {
    this.sent++
    this.bytesSent += bytes
  }

  /** A message with that many bytes of payload has come. */
  receive(bytes: number): void {
    this.received++
    this.bytesReceived += bytes
  }
}

/** The code that an error from the wire is counted under: one of the known ones, since a peer may write anything. */
export const outcomeOf = (code: string): Outcome => (isCode(code) ? code : "unknown")

/** What a failure is counted as: an interruption is `canceled`, what is no failure of psrpc `internal`. */
export const outcomeOfCause = (cause: Cause.Cause<unknown>): Outcome => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some" && PsrpcError.is(failure.value)) return failure.value.code
  return Cause.hasInterruptsOnly(cause) ? "canceled" : "internal"
}
