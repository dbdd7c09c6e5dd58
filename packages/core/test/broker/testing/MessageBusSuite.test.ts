import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Logger } from "effect"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import type { MessageBus } from "../../../src/MessageBus.ts"
import * as FaultyMessageBus from "../../../src/testing/FaultyMessageBus.ts"
import * as MessageBusSuite from "../../../src/broker/testing/MessageBusSuite.ts"
import { connect, SubjectBroker } from "./subjectBus.ts"

/** A local bus without a log, since a listener of the suite throws. */
const makeLocal = (): MessageBus["Service"] =>
  Effect.runSync(LocalMessageBus.make.pipe(Effect.provide(Logger.layer([]))))

const run = (options: MessageBusSuite.Options, test: typeof it.live | typeof it.effect = it.live): void => {
  for (const { effect, name } of MessageBusSuite.make(options)) test(name, () => effect, 32_000)
}

describe("the local bus", () => {
  run({ connect: Effect.succeed(makeLocal()) })
})

describe("the local bus, in a test whose clock is TestClock", () => {
  run({ connect: Effect.succeed(makeLocal()) }, it.effect)
})

describe("a bus with subjects", () => {
  const broker = new SubjectBroker()
  run({ connect: connect(broker) })

  it("has forwarded misrouted messages", () => {
    assert.isAbove(broker.forwarded, 100)
  })
})

describe("a faulty bus without faults", () => {
  const local = makeLocal()
  run({ connect: FaultyMessageBus.make(local) })
})

describe("a faulty bus with latency", () => {
  const local = makeLocal()
  const faults = FaultyMessageBus.random({ seed: 1, latency: ["0 millis", "2 millis"] })
  run({ connect: FaultyMessageBus.make(local, faults) })
})

describe("a faulty bus that is disconnected", () => {
  const local = makeLocal()
  const open = new Set<FaultyMessageBus.FaultyMessageBus["Service"]>()
  const connection = Effect.acquireRelease(
    Effect.tap(FaultyMessageBus.make(local), (bus) => Effect.sync(() => open.add(bus))),
    (bus) => Effect.sync(() => open.delete(bus))
  )
  const each = (change: (bus: FaultyMessageBus.FaultyMessageBus["Service"]) => Effect.Effect<void, unknown>) =>
    Effect.suspend(() => Effect.forEach([...open], change, { discard: true }))
  run({
    connect: connection,
    outage: Effect.acquireRelease(
      each(({ disconnect }) => disconnect),
      () => Effect.orDie(each(({ reconnect }) => reconnect))
    )
  })
})

describe("a test of the suite", () => {
  it("has the requirements of connect, without a scope", () => {
    class Url extends Context.Service<Url, string>()("test/Url") {}
    const scoped = MessageBusSuite.make({ connect: FaultyMessageBus.make(makeLocal()) })
    const effect: Effect.Effect<void, unknown> | undefined = scoped[0]?.effect
    const needy = MessageBusSuite.make({ connect: Effect.andThen(Url, connect(new SubjectBroker())) })
    const other: Effect.Effect<void, unknown, Url> | undefined = needy[0]?.effect
    // @ts-expect-error the service is not provided
    const wrong: Effect.Effect<void, unknown> | undefined = needy[0]?.effect
    for (const each of [effect, other, wrong]) assert.isDefined(each)
  })
})
