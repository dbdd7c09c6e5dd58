/** The names of channels, for each kind of message and each kind of bus. */

export interface Channel {
  /** The name on Redis and on buses in memory, parts joined by `|`. */
  readonly name: string
  /** The subject on NATS. */
  readonly subject: string
  /** The route in `Msg.channel`, by which NATS members of one subject find the method; "" if the subject is unambiguous. */
  readonly route: string
}

const encodeUnit = (match: string): string => {
  const code = match.codePointAt(0)!
  return code < 0x10000 ? `u+${code.toString(16).padStart(4, "0")}` : `U+${code.toString(16).padStart(8, "0")}`
}

/** Encodes a part of a name as Go does. A lone surrogate becomes U+FFFD, as it does in UTF-8. */
const sanitize = (part: string): string => part.toWellFormed().replace(/[^0-9A-Za-z_]/gu, encodeUnit)

/** Joins parts as Go does: a delimiter follows a part only if that part is not empty. */
const join = (parts: ReadonlyArray<string>): string => {
  let result = ""
  let delimit = false
  for (const part of parts) {
    if (delimit) result += "|"
    result += part
    delimit = part !== ""
  }
  return result
}

/** Joins the topic first, as one part: `["a", ""]` leaves two delimiters after it, `["", "a"]` none before it. */
const methodName = (service: string, method: string, topic: ReadonlyArray<string>, kind: string): string =>
  join([sanitize(service), sanitize(method), join(topic.map(sanitize)), kind])

const clientChannel = (service: string, clientId: string, kind: string): Channel => ({
  name: join([sanitize(service), sanitize(clientId), kind]),
  subject: `CLI.${service.toWellFormed()}.${clientId.toWellFormed()}.${kind}`,
  route: ""
})

const methodChannel = (
  service: string,
  method: string,
  topic: ReadonlyArray<string>,
  queue: boolean,
  kind: string
): Channel => {
  let subject = `SRV.${service.toWellFormed()}`
  for (const part of topic) if (part !== "") subject += `.${sanitize(part)}`
  if (queue) subject += ".Q"
  return { name: methodName(service, method, topic, kind), subject, route: `${method.toWellFormed()}.${kind}` }
}

/** The channel of a method's requests, or of a subscription's updates. With `queue`, each goes to one server of many. */
export const request = (service: string, method: string, topic: ReadonlyArray<string>, queue: boolean): Channel =>
  methodChannel(service, method, topic, queue, "REQ")

/** The channel on which a client announces its choice to a method's servers. */
export const claimResponse = (service: string, method: string, topic: ReadonlyArray<string>): Channel =>
  methodChannel(service, method, topic, false, "RCLAIM")

/** The channel of stream messages to a method's servers. */
export const stream = (service: string, method: string, topic: ReadonlyArray<string>): Channel =>
  methodChannel(service, method, topic, false, "STR")

/** The channel of claims to a client. */
export const claimRequest = (service: string, clientId: string): Channel => clientChannel(service, clientId, "CLAIM")

/** The channel of responses to a client. */
export const response = (service: string, clientId: string): Channel => clientChannel(service, clientId, "RES")

/** The channel of stream messages to a client. */
export const clientStream = (service: string, clientId: string): Channel => clientChannel(service, clientId, "STR")
