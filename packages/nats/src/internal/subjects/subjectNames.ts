import { PsrpcError } from "@effect-psrpc/core"

/** Parts between dots, none of them empty. A space would end the subject, and the other characters are wildcards. */
const valid = /^[^\s.*>\p{Cc}]+(\.[^\s.*>\p{Cc}]+)*$/u

/** Maximum bytes of a subject. The server closes a connection that sends a line of more than 4,096 bytes. */
const maxSize = 3500

/** Returns the error of a subject that NATS cannot carry, or `undefined`. nats.js would send it and break the protocol. */
export const checkSubject = (subject: string): PsrpcError.InvalidArgument | undefined => {
  const size = Buffer.byteLength(subject)
  const problem =
    size > maxSize
      ? `has ${size} bytes, more than ${maxSize}`
      : valid.test(subject)
        ? undefined
        : 'has a space, "*", ">", a control character or an empty part between dots'
  if (problem === undefined) return undefined
  const shown = JSON.stringify(subject.length > 200 ? `${subject.slice(0, 200)}…` : subject)
  return PsrpcError.fromCode("invalid_argument", {
    message: `NatsMessageBus: the subject ${shown} ${problem}: choose another service name or client id, which are parts of it`,
    reason: "not_sent",
    mayHaveRun: false
  })
}

const encodeUnit = (match: string): string => {
  if (match === ".") return "-"
  const code = match.codePointAt(0)!
  return code < 0x10000 ? `u+${code.toString(16).padStart(4, "0")}` : `U+${code.toString(16).padStart(8, "0")}`
}

/**
 * Returns the subject of the members of a queue that have a route. Members without the route forward messages to it. It is
 * below the subject of the queue, in a part that no topic can have.
 */
export const routeSubject = (subject: string, route: string): string =>
  `${subject}.@${route.replace(/[^0-9A-Za-z_]/gu, encodeUnit)}`

/**
 * Returns the subject that membership probes return to; see `MembershipProbe`. It is below the subject of the queue, so
 * that the user has permission to publish to it.
 */
export const probeReplySubject = (subject: string, id: string): string => `${subject}.@@${id}`
