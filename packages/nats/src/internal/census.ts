import type { PsrpcError } from "@effect-psrpc/core"
import { randomBytes } from "node:crypto"
import { Interest, type Interests } from "./interests.ts"
import type { Publisher } from "./publisher.ts"
import { type BusRuntime, Msg } from "@effect-psrpc/core/broker"
import { answerSubject, NatsTarget } from "./subjects.ts"

/** The route of walkers. No member has it, and Go drops what it has no route for. */
export const walkRoute = "@walk"

/**
 * A census takes so many samples of a queue's members as walkers make steps, 64: four times as many as a message makes
 * hops, so that a member which is overlooked would hardly have been found by a message.
 */
const walkers = 8
const steps = 8
/** How long walkers may take, in milliseconds. */
const patience = 500
/** How long a result is believed, in milliseconds. */
const validity = 2000
/** Strays within that time that make a census worth its price. */
const worthwhile = 8
/** How long after walkers were lost none are sent, in milliseconds: somebody who swallows them is here to stay. */
const rest = 10_000
/** What may wait for a census. */
const maxWaiting = 10_000
const maxWaitingBytes = 4 * 1024 * 1024

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export interface CensusOptions {
  readonly subject: string
  readonly interests: Interests
  readonly publisher: Publisher
  readonly runtime: BusRuntime.BusRuntime
}

/** Publishes what nobody waits for. */
const send = (
  { publisher, runtime }: Pick<CensusOptions, "publisher" | "runtime">,
  subject: string,
  message: Uint8Array,
  undelivered: (error: PsrpcError.PsrpcError) => void = () => {}
): void =>
  publisher.publish(new NatsTarget(subject, "", false), message, runtime.now() + patience, {
    wanted: () => true,
    delivered: () => {},
    undelivered
  })

/** Takes a walker one step further, or to where it came from. */
export const walkOn = (
  to: Pick<CensusOptions, "publisher" | "runtime">,
  subject: string,
  { hops, value }: Msg.Msg,
  bytes: Uint8Array
): void => {
  if (hops + 1 < steps) return send(to, subject, Msg.withHop(bytes))
  const id = decoder.decode(value)
  if (/^[\w-]{1,32}$/.test(id)) send(to, answerSubject(subject, id), Msg.withHop(bytes))
}

/**
 * Whether all members of a queue are of this library, as far as messages from here reach them. Where they are, and none
 * listens on a route's own subject, nobody has the route.
 *
 * NATS does not tell who is in a group. So walkers are sent from member to member, at random as messages are handed on;
 * one that a member of another kind gets is gone. Where all come back there is no such member.
 */
export class Census {
  readonly #options: CensusOptions
  #isOurs = false
  /** Whether nothing is known, not even that walkers were lost: then messages wait for what they find out. */
  #isOpen = true
  #isResting = false
  #walk: { readonly interest: Interest; readonly cancel: () => void } | undefined
  /** Ends the validity or the rest. */
  #timer: (() => void) | undefined
  #strays = 0
  #straysSince = -Infinity
  #waiting: Array<(isOurs: boolean) => void> = []
  #waitingBytes = 0

  constructor(options: CensusOptions) {
    this.#options = options
  }

  /** Whether all are ours, by what is known. */
  get isOurs(): boolean {
    return this.#isOurs
  }

  /** Tells of a message that no member of ours has the route for, at once or when walkers are back. */
  ask(bytes: number, then: (isOurs: boolean) => void): void {
    if (this.#isOurs) {
      this.#strays++
      return then(true)
    }
    const now = this.#options.runtime.now()
    if (Math.abs(now - this.#straysSince) > validity) {
      this.#straysSince = now
      this.#strays = 0
    }
    if (++this.#strays >= worthwhile) this.#send()
    const waits =
      this.#walk !== undefined &&
      this.#isOpen &&
      this.#waiting.length < maxWaiting &&
      this.#waitingBytes + bytes <= maxWaitingBytes
    if (!waits) return then(false)
    this.#waiting.push(then)
    this.#waitingBytes += bytes
  }

  /** Nothing is found out any more. What waits is handed on. */
  close(): void {
    this.#isResting = true
    if (this.#walk !== undefined) this.#leave()
    this.#timer?.()
    this.#timer = undefined
    this.#isOurs = false
    this.#tell(false)
  }

  #send(): void {
    if (this.#walk !== undefined || this.#isResting) return
    const { interests, runtime, subject } = this.#options
    const id = randomBytes(9).toString("base64url")
    let back = 0
    const interest = new Interest(answerSubject(subject, id), false, () => {
      if (++back === walkers) end(true)
    })
    const end = (isOurs: boolean): void => {
      if (this.#walk === walk) this.#end(isOurs)
    }
    const walk = { interest, cancel: runtime.after(patience, () => end(false)) }
    this.#walk = walk
    interests.retain(interest)
    const message = Msg.encode({ typeUrl: "", value: encoder.encode(id), channel: walkRoute }).slice()
    for (let i = 0; i < walkers && this.#walk === walk; i++) send(this.#options, subject, message, () => end(false))
  }

  #leave(): void {
    this.#walk!.cancel()
    this.#options.interests.release(this.#walk!.interest)
    this.#walk = undefined
  }

  #end(isOurs: boolean): void {
    const { runtime } = this.#options
    this.#leave()
    this.#timer?.()
    this.#isOurs = this.#isOpen = isOurs
    this.#isResting = !isOurs
    this.#strays = 0
    this.#timer = runtime.after(isOurs ? validity : rest, isOurs ? this.#expire : this.#rested)
    this.#tell(isOurs)
  }

  readonly #expire = (): void => {
    this.#timer = undefined
    // still believed while it is looked at anew
    if (this.#strays >= worthwhile) this.#send()
    else this.#isOurs = false
  }

  readonly #rested = (): void => {
    this.#timer = undefined
    this.#isResting = false
  }

  #tell(isOurs: boolean): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const then of waiting) then(isOurs)
  }
}
