/**
 * A bus with subjects in memory: it uses the names of a channel that LocalMessageBus ignores. Many channels share a
 * subject, a connection routes by the field `channel`, and a queue group spans all queues of a subject: a member without
 * a route has to forward a message.
 */
import { Effect, Scope } from "effect"
import { channelTail } from "../../../src/internal/wire/callEnvelope.ts"
import { Listeners } from "../../../src/internal/bus/listeners.ts"
import { decodeMsg, readChannel, withHop } from "../../../src/internal/wire/msg.ts"
import { type Delivery, MessageBus } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"

type Bus = MessageBus["Service"]

interface Member {
  readonly receive: (message: Uint8Array) => void
}

class Subject {
  readonly plain = new Set<Member>()
  readonly queue: Array<Member> = []
  turn = 0
}

export class SubjectBroker {
  readonly #subjects = new Map<string, Subject>()
  /** The number of messages that members have forwarded. */
  forwarded = 0

  subject(name: string): Subject {
    let found = this.#subjects.get(name)
    if (found === undefined) this.#subjects.set(name, (found = new Subject()))
    return found
  }

  publish(name: string, message: Uint8Array): number {
    const { plain, queue } = this.subject(name)
    const members = [...plain]
    const subject = this.subject(name)
    if (queue.length > 0) members.push(queue[subject.turn++ % queue.length]!)
    // each connection receives a copy, in a later turn
    for (const { receive } of members) queueMicrotask(() => receive(message.slice()))
    return members.length
  }
}

const maxHops = 16

/** One connection. */
export const connect = (broker: SubjectBroker): Effect.Effect<Bus, never, Scope.Scope> =>
  Effect.gen(function* () {
    const listeners = new Listeners(() => {})
    const open = new Map<string, { count: number; readonly close: () => void }>()
    const scope = yield* Effect.scope
    const key = (subject: string, route: string): string => `${subject} ${route}`
    const receive =
      (subject: string, queue: boolean) =>
      (message: Uint8Array): void => {
        const group = listeners.get(key(subject, readChannel(message)))
        const msg = decodeMsg(message)
        if (msg === "malformed") return
        if (!queue) {
          // a forwarded message has arrived here before
          if (msg.hops === 0) group?.all(message)
          return
        }
        if (group?.hasQueue === true) return group.one(message)
        if (msg.hops >= maxHops) return
        broker.forwarded++
        broker.publish(subject, withHop(message))
      }
    const retain = (subject: string, queue: boolean): (() => void) => {
      const name = `${queue} ${subject}`
      let held = open.get(name)
      if (held === undefined) {
        const member = { receive: receive(subject, queue) }
        const at = broker.subject(subject)
        if (queue) at.queue.push(member)
        else at.plain.add(member)
        const close = (): void => {
          if (queue) at.queue.splice(at.queue.indexOf(member), 1)
          else at.plain.delete(member)
        }
        open.set(name, (held = { count: 0, close }))
      }
      held.count++
      return () => {
        if (--held.count > 0) return
        open.delete(name)
        held.close()
      }
    }
    let closed = false
    yield* Scope.addFinalizer(
      scope,
      Effect.sync(() => {
        closed = true
      })
    )
    return MessageBus.of({
      target: ({ route, subject }) => ({ name: subject, tail: channelTail(route), unique: false }),
      failure: () => undefined,
      publishUnsafe: (target, message, _expiry, delivery: Delivery) => {
        if (closed) {
          const options = { message: "closed", reason: "connection", mayHaveRun: false } as const
          delivery.undelivered(PsrpcError.fromCode("unavailable", options))
        } else delivery.delivered(broker.publish(target.name, message))
      },
      subscribe: ({ route, subject }, listener, options) => {
        const queue = options?.queue === true
        return Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => {
              listeners.add(key(subject, route), listener, queue)
              return retain(subject, queue)
            }),
            (release) =>
              Effect.andThen(
                // messages that the broker has sent arrive within a turn
                Effect.andThen(
                  Effect.sync(release),
                  Effect.promise(() => new Promise<void>((r) => setTimeout(r, 0)))
                ),
                Effect.sync(() => listeners.delete(key(subject, route), listener, queue))
              )
          )
        )
      }
    })
  })
