/** The messages that one listener received. */
import { decodeValue, encodeValue, makeType } from "../../../../internal/wire/callEnvelope.ts"
import type { Channel, Listener, Target } from "../../../../MessageBus.ts"

const type = makeType("effect_psrpc.testing.Sample")
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * The prefix of each text: the name of its channel, which is unique to the test. It exposes misrouted messages, and makes
 * messages of different channels differ, which a queue could take for copies of one.
 */
const prefixOf = (channel: Channel): string => `${channel.name}: `

/** Encodes a message with a text or bytes. */
export const encodeMessage = (target: Target, channel: Channel, value: string | Uint8Array): Uint8Array =>
  encodeValue(target, type, typeof value === "string" ? encoder.encode(prefixOf(channel) + value) : value)

/** Returns the bytes in a message; `undefined` if it is malformed or has another type. */
export const bytesOf = (message: Uint8Array): Uint8Array | undefined => {
  const value = decodeValue(type, message)
  return typeof value === "string" ? undefined : value
}

export class ListenerLog {
  readonly #prefix: string
  /** The messages, in the order of their arrival. */
  readonly messages: Array<Uint8Array> = []
  /** The texts of the messages at the time of their arrival. */
  readonly texts: Array<string> = []
  readonly listener: Listener = (message) => {
    this.messages.push(message)
    this.texts.push(this.read(message))
  }

  constructor(channel: Channel) {
    this.#prefix = prefixOf(channel)
  }

  /** Returns the text of a message, or a description of what is wrong with it. */
  read(message: Uint8Array): string {
    const value = decodeValue(type, message)
    if (typeof value === "string") return `<a ${value} message>`
    const text = decoder.decode(value)
    return text.startsWith(this.#prefix)
      ? text.slice(this.#prefix.length)
      : `<another channel's message: ${text.slice(0, 200)}>`
  }

  get count(): number {
    return this.texts.length
  }
}
