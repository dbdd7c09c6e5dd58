/** Streams as they are on the wire, heard and written by hand. */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire"
import { MessageBus } from "@effect-psrpc/core"
import { Msg } from "@effect-psrpc/core/broker"
import { Effect } from "effect"
import { eventually, onBus } from "./support.ts"

interface Named {
  readonly serviceName: string
}

/** The channel on which a method's servers hear of its streams. */
export const toServers = ({ serviceName }: Named, method: string) => ({
  name: `${serviceName}|${method}|STR`,
  subject: `SRV.${serviceName}`,
  route: `${method}.STR`
})

/** The channel on which a client hears of its streams. */
export const toClient = ({ serviceName }: Named, clientId: string) => ({
  name: `${serviceName}|${clientId}|STR`,
  subject: `CLI.${serviceName}.${clientId}.STR`,
  route: ""
})

/** The channel on which a client gets its answers. */
export const answersTo = ({ serviceName }: Named, clientId: string) => ({
  name: `${serviceName}|${clientId}|RES`,
  subject: `CLI.${serviceName}.${clientId}.RES`,
  route: ""
})

type Channel = ReturnType<typeof toClient>

const typeUrl = "type.googleapis.com/internal.Stream"

/** The numbers of a message's fields, and of those in its submessages of some numbers. */
const fieldsOf = (bytes: Uint8Array): ReadonlyArray<number> => {
  const reader = new BinaryReader(bytes)
  const fields: Array<number> = []
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    fields.push(field)
    reader.skip(wireType, field)
  }
  return fields
}

const bodies = { open: 6, message: 7, ack: 8, close: 9 }

/** A message of a stream. */
export interface Heard {
  readonly streamId: string
  readonly body: keyof typeof bodies | "none"
  /** The fields of the body. */
  readonly fields: ReadonlyArray<number>
}

const decode = (bytes: Uint8Array): Heard | undefined => {
  const msg = Msg.decode(bytes)
  if (msg === "malformed" || msg.typeUrl !== typeUrl) return undefined
  const reader = new BinaryReader(msg.value)
  let streamId = ""
  let body: Heard["body"] = "none"
  let fields: ReadonlyArray<number> = []
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    const known = (Object.keys(bodies) as Array<keyof typeof bodies>).find((name) => bodies[name] === field)
    if (field === 1) streamId = reader.string()
    else if (known === undefined) reader.skip(wireType, field)
    else {
      body = known
      fields = fieldsOf(reader.bytes())
    }
  }
  return { streamId, body, fields }
}

/** Everything that goes over a channel of streams from now on. */
export const listen = (channel: Channel) =>
  onBus(
    Effect.gen(function* () {
      const bus = yield* MessageBus.MessageBus
      const all: Array<Heard> = []
      yield* bus.subscribe(channel, (bytes) => {
        const heard = decode(bytes)
        if (heard !== undefined) all.push(heard)
      })
      return all as ReadonlyArray<Heard>
    })
  )

/** Waits until so many messages have gone over a channel, counted from now on. */
export const countOn = (channel: Channel) =>
  onBus(
    Effect.gen(function* () {
      const bus = yield* MessageBus.MessageBus
      let count = 0
      yield* bus.subscribe(channel, () => void count++)
      return (least: number) =>
        eventually(
          Effect.sync(() => count),
          (reached) => reached >= least
        )
    })
  )

/** Publishes a message of a stream without a body: a keepalive, or with `end` a half-close. */
export const publishBare = (channel: Channel, streamId: string, end = false) =>
  onBus(
    Effect.gen(function* () {
      const bus = yield* MessageBus.MessageBus
      const now = BigInt(Date.now()) * 1_000_000n
      const writer = new BinaryWriter()
        .tag(1, 2)
        .string(streamId)
        .tag(2, 2)
        .string("REQ_by_hand")
        .tag(3, 0)
        .int64(now)
        .tag(4, 0)
        .int64(now + 10_000_000_000n)
      if (end) writer.tag(100, 0).bool(true)
      const message = Msg.encode({ typeUrl, value: writer.finish(), channel: channel.route })
      yield* MessageBus.publish(bus, bus.target(channel), message, { timeout: "5 seconds" })
    })
  )
