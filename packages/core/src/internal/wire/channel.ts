/** The names of channels: where each kind of message goes, on every kind of bus. */

export interface Channel {
  /** The name on Redis and on buses in memory, parts joined by `|`. */
  readonly name: string
  /** The subject on NATS. */
  readonly subject: string
  /** What NATS members of the same subject route on, in `Msg.channel`; "" where the subject says it all. */
  readonly route: string
}

const encodeUnit = (match: string): string => {
  const code = match.codePointAt(0)!
  return code < 0x10000 ? `u+${code.toString(16).padStart(4, "0")}` : `U+${code.toString(16).padStart(8, "0")}`
}

/** A lone surrogate does not survive UTF-8: it is U+FFFD here as it would be on the wire. */
const sanitise = (part: string): string => part.toWellFormed().replace(/[^0-9A-Za-z_]/gu, encodeUnit)

/** A delimiter goes before a part only where the part before it wrote something. */
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

/** The topic counts as one part of the whole: `["a", ""]` leaves two delimiters behind it, `["", "a"]` none before. */
const methodName = (service: string, method: string, topic: ReadonlyArray<string>, kind: string): string =>
  join([sanitise(service), sanitise(method), join(topic.map(sanitise)), kind])

const clientChannel = (service: string, clientId: string, kind: string): Channel => ({
  name: join([sanitise(service), sanitise(clientId), kind]),
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
  for (const part of topic) if (part !== "") subject += `.${sanitise(part)}`
  if (queue) subject += ".Q"
  return { name: methodName(service, method, topic, kind), subject, route: `${method.toWellFormed()}.${kind}` }
}

/** Where a method's requests go, or a subscription's updates. `queue`: whether one server of many takes each. */
export const request = (service: string, method: string, topic: ReadonlyArray<string>, queue: boolean): Channel =>
  methodChannel(service, method, topic, queue, "REQ")

/** Where a client tells a method's servers whom it has chosen. */
export const claimResponse = (service: string, method: string, topic: ReadonlyArray<string>): Channel =>
  methodChannel(service, method, topic, false, "RCLAIM")

/** Where a method's servers hear of streams. */
export const stream = (service: string, method: string, topic: ReadonlyArray<string>): Channel =>
  methodChannel(service, method, topic, false, "STR")

/** Where servers offer themselves to a client. */
export const claimRequest = (service: string, clientId: string): Channel => clientChannel(service, clientId, "CLAIM")

/** Where a client gets its responses. */
export const response = (service: string, clientId: string): Channel => clientChannel(service, clientId, "RES")

/** Where a client hears of its streams. */
export const clientStream = (service: string, clientId: string): Channel => clientChannel(service, clientId, "STR")
