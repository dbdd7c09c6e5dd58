import type { MessageBus } from "@effect-psrpc/core"
import { PsrpcError } from "@effect-psrpc/core"
import { Msg } from "@effect-psrpc/core/broker"

const noBytes = new Uint8Array(0)

/** Parts between dots, none of them empty; a space would end the subject, and the others are wildcards. */
const valid = /^[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u

/** The server ends a connection whose line is longer than 4,096 bytes, and the subject is not all of a line. */
const longest = 3500

/** Why a subject cannot be, where it cannot: the client would send it as it is, and break the protocol. */
export const refusalOf = (subject: string): PsrpcError.InvalidArgument | undefined => {
  const size = Buffer.byteLength(subject)
  const trouble =
    size > longest
      ? `is of ${size} bytes, more than ${longest}`
      : valid.test(subject)
        ? undefined
        : 'has a space, "*", ">", a control character or an empty part between dots'
  if (trouble === undefined) return undefined
  const shown = JSON.stringify(subject.length > 200 ? `${subject.slice(0, 200)}…` : subject)
  return PsrpcError.fromCode("invalid_argument", {
    message: `NATS takes no such subject: ${shown} ${trouble}; names of services and ids of clients are part of subjects as they are`,
    reason: "not_sent",
    mayHaveRun: false
  })
}

/** A channel ready for publishing. */
export class NatsTarget implements MessageBus.Target {
  readonly name: string
  readonly tail: Uint8Array
  readonly unique = false
  readonly refusal: PsrpcError.InvalidArgument | undefined
  /** Whether a message that nobody has heard may be sent again for a while. */
  readonly isPatient: boolean

  constructor(subject: string, route: string, isPatient = true) {
    this.name = subject
    // a Msg of nothing but its channel is that field
    this.tail =
      route === "" ? noBytes : Msg.encode({ typeUrl: "", value: noBytes, channel: route.toWellFormed() }).slice()
    this.refusal = refusalOf(subject)
    this.isPatient = isPatient
  }

  /** A target of ours, whoever made it. */
  static from(target: MessageBus.Target): NatsTarget {
    return target instanceof NatsTarget ? target : new NatsTarget(target.name, "")
  }
}

const encodeUnit = (match: string): string => {
  if (match === ".") return "-"
  const code = match.codePointAt(0)!
  return code < 0x10000 ? `u+${code.toString(16).padStart(4, "0")}` : `U+${code.toString(16).padStart(8, "0")}`
}

/**
 * Where the members of a queue that have a route are found by those that lack it: below the queue's own subject, in a
 * part that no topic can be.
 */
export const routeSubject = (subject: string, route: string): string =>
  `${subject}.@${route.replace(/[^0-9A-Za-z_]/gu, encodeUnit)}`

/** Where walkers end, see `census.ts`: below the queue's subject too, where this user may publish. */
export const answerSubject = (subject: string, id: string): string => `${subject}.@@${id}`
