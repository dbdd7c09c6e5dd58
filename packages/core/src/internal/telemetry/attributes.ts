/** The names of span attributes: those of OpenTelemetry's conventions for RPC and messaging, and those of Go's otelpsrpc. */
import * as Channels from "../wire/channel.ts"
import type { Method, SubscriptionMethod } from "../definition/method.ts"

export const rpcSystem = "rpc.system.name"
/** The service alone. OpenTelemetry has it only as a part of the method's name. */
export const rpcService = "rpc.service"
/** The method's full name: `Service/Method`. */
export const rpcMethod = "rpc.method"
/** The code of a failure, as it was on the wire, under Go's name. Absent after a success. */
export const statusCode = "rpc.psrpc.status_code"
/** The code of a failure under OpenTelemetry's name: codes of psrpc only. */
export const rpcStatusCode = "rpc.status_code"
export const errorType = "error.type"
export const requestId = "rpc.psrpc.request_id"
export const streamId = "rpc.psrpc.stream_id"
/** The peer's id: the server's on a client, the client's on a server. */
export const peerId = "rpc.psrpc.peer_id"
/** The affinity of a claim. */
export const affinity = "rpc.psrpc.affinity"
/** Number of servers that have answered. */
export const answers = "rpc.psrpc.answers"
export const messagesSent = "rpc.psrpc.messages_sent"
export const messagesReceived = "rpc.psrpc.messages_received"

/** The event of a message on a stream, and its attributes. */
export const messageEvent = "rpc.message"
export const messageType = "rpc.message.type"
/** The number of the message, from 1, counted separately for sent and received messages. */
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

/** Returns the full name of a method: `Service/Method`. */
export const fullName = (service: string, method: string): string => `${service}/${method}`

/** The attributes of every span of a method. */
export const ofMethod = ({ name, service }: Method): Record<string, unknown> => ({
  [rpcService]: service,
  [rpcMethod]: fullName(service, name)
})

/** The attributes of a call's topic, one for each parameter. None for an invalid topic: the call itself fails with it. */
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

/** The attributes of an update's destination: its topic, and the name of the channel. */
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
