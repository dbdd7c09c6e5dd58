import type { PsrpcError } from "@effect-psrpc/core"
import { type BusRuntime, Msg } from "@effect-psrpc/core/broker"
import { randomBytes } from "node:crypto"
import { SharedSubscription, type Subscriptions } from "../connection/subscriptions.ts"
import type { Publisher } from "../publishing/publisher.ts"
import { NatsTarget } from "../subjects/natsTarget.ts"
import { probeReplySubject } from "../subjects/subjectNames.ts"

/** The route of membership probes. No member has it, and Go members drop messages without a route. */
export const probeRoute = "@walk"

/** Probes per check. With `hopsPerProbe`, a check visits 64 random members: 4 times as many as a forwarded message does. */
const probes = 8
const hopsPerProbe = 8
/** Milliseconds in which probes must return. */
const timeout = 500
/** Milliseconds for which a positive result holds. */
const validity = 2000
/** Misrouted messages within `validity` from which a check costs less than it saves. */
const probeThreshold = 8
/** Milliseconds without checks after a lost probe: the member that dropped it is likely to stay. */
const cooldown = 10_000
/** Limits of messages that wait for a result. */
const maxWaiting = 10_000
const maxWaitingBytes = 4 * 1024 * 1024

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export interface ProbeOptions {
  /** The subject of the queue. */
  readonly subject: string
  readonly subscriptions: Subscriptions
  readonly publisher: Publisher
  readonly runtime: BusRuntime.BusRuntime
}

type Sender = Pick<ProbeOptions, "publisher" | "runtime">

const send = (
  { publisher, runtime }: Sender,
  subject: string,
  message: Uint8Array,
  undelivered: (error: PsrpcError.PsrpcError) => void = () => {}
): void =>
  publisher.publish(new NatsTarget(subject, "", false), message, runtime.now() + timeout, {
    wanted: () => true,
    delivered: () => {},
    undelivered
  })

/** Forwards a probe to another member; after its last hop, to the member that sent it. */
export const forwardProbe = (sender: Sender, subject: string, { hops, value }: Msg.Msg, bytes: Uint8Array): void => {
  if (hops + 1 < hopsPerProbe) return send(sender, subject, Msg.withHop(bytes))
  const id = decoder.decode(value)
  if (/^[\w-]{1,32}$/.test(id)) send(sender, probeReplySubject(subject, id), Msg.withHop(bytes))
}

/**
 * Detects whether all members of a queue group forward messages, as members of this library do and Go members do not. If
 * all forward, and a route's own subject has no listeners, no member has the route.
 *
 * NATS does not report the members of a group. Probes are messages that members forward to each other at random, the way
 * they forward misrouted messages. A member that does not forward drops a probe. If all probes return, there is no such
 * member.
 */
export class MembershipProbe {
  readonly #options: ProbeOptions
  #allForward = false
  /** Whether there is no result yet, not even a negative one: then messages wait for the result. */
  #isUnknown = true
  #isCoolingDown = false
  #check: { readonly reply: SharedSubscription; readonly cancelTimeout: () => void } | undefined
  /** Cancels the timer that ends the validity or the cooldown. */
  #cancelTimer: (() => void) | undefined
  #misrouted = 0
  #misroutedSince = -Infinity
  #waiting: Array<(allForward: boolean) => void> = []
  #waitingBytes = 0

  constructor(options: ProbeOptions) {
    this.#options = options
  }

  /** Whether all members forward, by the last result. */
  get allForward(): boolean {
    return this.#allForward
  }

  /** Counts a message that no forwarding member has the route for. Calls back with the result, at once or after a check. */
  misrouted(bytes: number, callback: (allForward: boolean) => void): void {
    if (this.#allForward) {
      this.#misrouted++
      return callback(true)
    }
    const now = this.#options.runtime.now()
    if (Math.abs(now - this.#misroutedSince) > validity) {
      this.#misroutedSince = now
      this.#misrouted = 0
    }
    if (++this.#misrouted >= probeThreshold) this.#start()
    const waits =
      this.#check !== undefined &&
      this.#isUnknown &&
      this.#waiting.length < maxWaiting &&
      this.#waitingBytes + bytes <= maxWaitingBytes
    if (!waits) return callback(false)
    this.#waiting.push(callback)
    this.#waitingBytes += bytes
  }

  /** Stops checks. Waiting messages get a negative result. */
  close(): void {
    this.#isCoolingDown = true
    if (this.#check !== undefined) this.#stop()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#allForward = false
    this.#resume(false)
  }

  #start(): void {
    if (this.#check !== undefined || this.#isCoolingDown) return
    const { runtime, subject, subscriptions } = this.#options
    const id = randomBytes(9).toString("base64url")
    let returned = 0
    const reply = new SharedSubscription(probeReplySubject(subject, id), false, () => {
      if (++returned === probes) end(true)
    })
    const end = (allForward: boolean): void => {
      if (this.#check === check) this.#end(allForward)
    }
    const check = { reply, cancelTimeout: runtime.after(timeout, () => end(false)) }
    this.#check = check
    subscriptions.retain(reply)
    const message = Msg.encode({ typeUrl: "", value: encoder.encode(id), channel: probeRoute }).slice()
    for (let i = 0; i < probes && this.#check === check; i++) send(this.#options, subject, message, () => end(false))
  }

  #stop(): void {
    this.#check!.cancelTimeout()
    this.#options.subscriptions.release(this.#check!.reply)
    this.#check = undefined
  }

  #end(allForward: boolean): void {
    const { runtime } = this.#options
    this.#stop()
    this.#cancelTimer?.()
    this.#allForward = this.#isUnknown = allForward
    this.#isCoolingDown = !allForward
    this.#misrouted = 0
    this.#cancelTimer = runtime.after(
      allForward ? validity : cooldown,
      allForward ? this.#onExpired : this.#onCooledDown
    )
    this.#resume(allForward)
  }

  readonly #onExpired = (): void => {
    this.#cancelTimer = undefined
    // the result holds while it is checked again
    if (this.#misrouted >= probeThreshold) this.#start()
    else this.#allForward = false
  }

  readonly #onCooledDown = (): void => {
    this.#cancelTimer = undefined
    this.#isCoolingDown = false
  }

  #resume(allForward: boolean): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const callback of waiting) callback(allForward)
  }
}
