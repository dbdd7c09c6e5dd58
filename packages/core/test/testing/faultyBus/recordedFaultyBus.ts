/** Shared by the tests of FaultyMessageBus: a bus that records arrivals and reports with their times. */
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Channels from "../../../src/internal/wire/channel.ts"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import { encodeMsg } from "../../../src/internal/wire/msg.ts"
import { type Delivery, type MessageBus } from "../../../src/MessageBus.ts"
import * as Faulty from "../../../src/testing/FaultyMessageBus.ts"
import { settle } from "../../helpers/harness.ts"

export type Bus = MessageBus["Service"]

export const news = Channels.request("Service", "News", [], false)
export const work = Channels.request("Service", "Work", [], true)
export const forever = Number.MAX_SAFE_INTEGER

export const encode = (text: string): Uint8Array =>
  encodeMsg({ typeUrl: "type.googleapis.com/test.Text", value: new TextEncoder().encode(text) })

export const textOf = (message: Uint8Array): string => new TextDecoder().decode(message).slice(-1)

/** A faulty bus in front of a local bus, the arrived messages, and the reports to publishers, with their times. */
export const make = Effect.fnUntraced(function* (faults?: Faulty.Faults) {
  const local = yield* LocalMessageBus.make
  const bus = yield* Faulty.make(local, faults)
  const clock = yield* TestClock.testClockWith(Effect.succeed)
  const arrived: Array<string> = []
  const reports: Array<string> = []
  const at = (text: string): string => `${text}@${clock.currentTimeMillisUnsafe()}`
  const send = (
    text: string,
    options: { to?: typeof news; expiry?: number; wanted?: () => boolean; on?: Bus } = {}
  ) => {
    const on = options.on ?? bus
    const delivery: Delivery = {
      wanted: options.wanted ?? (() => true),
      delivered: (receivers) => reports.push(at(`${text}:${receivers}`)),
      undelivered: (error) => reports.push(at(`${text}:${error.code}${error.mayHaveRun ? "?" : ""}`))
    }
    on.publishUnsafe(on.target(options.to ?? news), encode(text), options.expiry ?? forever, delivery)
  }
  const listener = (message: Uint8Array): void => void arrived.push(at(textOf(message)))
  return { local, bus, arrived, reports, send, listener, at }
})

export const listening = Effect.fnUntraced(function* (faults?: Faulty.Faults) {
  const made = yield* make(faults)
  yield* made.bus.subscribe(news, made.listener)
  return made
})

export const byIndex =
  (...faults: ReadonlyArray<Faulty.Fault | undefined>) =>
  ({ index }: Faulty.Message) =>
    faults[index]

export const pass = Effect.fnUntraced(function* (millis: number) {
  yield* TestClock.adjust(millis)
  yield* settle
})
