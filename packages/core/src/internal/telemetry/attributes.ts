/** What the attributes of spans are called: by OpenTelemetry's conventions for RPC and messaging, and by Go's otelpsrpc. */
import * as Channels from "../wire/channel.ts"
import type { Method, SubscriptionMethod } from "../definition/method.ts"

export const rpcSystem = "rpc.system.name"
/** The service alone, for who asks by it: OpenTelemetry has it in the method's name only. */
export const rpcService = "rpc.service"
/** The method's full name, which is the service's and its own. */
export const rpcMethod = "rpc.method"
/** The code of a failure, as Go has it and as it was on the wire; there is none on a success. */
export const statusCode = "rpc.psrpc.status_code"
/** The same by OpenTelemetry's name, and what it tells failures apart by: of psrpc's codes only. */
export const rpcStatusCode = "rpc.status_code"
export const errorType = "error.type"
export const requestId = "rpc.psrpc.request_id"
export const streamId = "rpc.psrpc.stream_id"
/** Who is at the other end: the server's id on a client, the client's on a server. */
export const peerId = "rpc.psrpc.peer_id"
/** How well a server fits, by its own claim. */
export const affinity = "rpc.psrpc.affinity"
/** How many servers have answered. */
export const answers = "rpc.psrpc.answers"
export const messagesSent = "rpc.psrpc.messages_sent"
export const messagesReceived = "rpc.psrpc.messages_received"

/** A message on a stream: the name of the event, and what it has. */
export const messageEvent = "rpc.message"
export const messageType = "rpc.message.type"
/** From 1, sent and received ones counted by themselves. */
export const messageId = "rpc.message.id"
/** Bytes. */
export const messageSize = "rpc.message.uncompressed_size"

export const messagingSystem = "messaging.system"
export const messagingOperationName = "messaging.operation.name"
export const messagingOperationType = "messaging.operation.type"
export const messagingDestinationName = "messaging.destination.name"
export const messagingDestinationTemplate = "messaging.destination.template"
/** Bytes. */
export const messagingBodySize = "messaging.message.body.size"

/** What is called: `Service/Method`. */
export const fullName = (service: string, method: string): string => `${service}/${method}`

/** What every span of a method has. */
export const ofMethod = ({ name, service }: Method): Record<string, unknown> => ({
  [rpcService]: service,
  [rpcMethod]: fullName(service, name)
})

/** A call's topic, part by part. Nothing where it is none of the method's: that is for the call itself to say. */
export const topic = (
  method: Method,
  values: Readonly<Record<string, unknown>> | undefined
): Record<string, unknown> => {
  const { encode, names } = method.topic
  const attributes: Record<string, unknown> = {}
  if (names.length === 0) return attributes
  try {
    const parts = encode(values)
    for (const [index, name] of names.entries()) attributes[`rpc.psrpc.topic.${name}`] = parts[index]
  } catch {
    return {}
  }
  return attributes
}

/** Where an update goes: its topic, and the channel's name. */
export const destination = (
  method: SubscriptionMethod,
  values: Readonly<Record<string, unknown>> | undefined
): Record<string, unknown> => {
  try {
    const channel = Channels.request(method.service, method.name, method.topic.encode(values), method.queue)
    return { ...topic(method, values), [messagingDestinationName]: channel.name }
  } catch {
    return {}
  }
}
