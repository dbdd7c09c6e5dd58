import { Effect, Exit, Fiber, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { check, equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { calling } from "./calling.ts"
import { chat, endless, failsWith, isError, Ledger, on, patient, type Talk, text, three } from "./stage.ts"

const drain: Case = {
  name: "servers that drain while calls run lose none: the others take over",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary(text),
      affinity: Rpc.unary({ ...text, routing: "affinity" })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    /** Some calls are in hand at any time. */
    const work = (who: string) => (text: string) =>
      Effect.as(
        Effect.andThen(
          Effect.sync(() => ledger.handled(text, who)),
          run.turn
        ),
        text
      )
    const serve = (i: number, affinity: number) =>
      on(buses[i]!)(
        Server.make(
          Work,
          { queue: work(`${i}`), affinity: { affinity, handle: work(`${i}`) } },
          { drainTimeout: "20 seconds" }
        )
      )
    const first = yield* serve(0, 0.9)
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Work, patient))))
    const selection = Selection.best({ affinityTimeout: "20 seconds", shortCircuitTimeout: "20 millis" })
    const queue = yield* calling(run, 12, "queue", (text) => clients[0]!.queue(text))
    const affinity = yield* calling(run, 6, "affinity", (text) => clients[1]!.affinity(text, { selection }))
    const more = Effect.all([queue.more(100), affinity.more(20)], { concurrency: 2 })
    yield* more
    const second = yield* serve(1, 0.5)
    yield* more
    yield* run.step("the first server to drain", first.drain)
    const third = yield* serve(2, 0.7)
    yield* more
    yield* run.step("the second server to drain", second.drain)
    yield* more
    yield* serve(0, 0.9)
    yield* run.step("the third server to drain", third.drain)
    yield* more
    const called = yield* Effect.all([queue.stop, affinity.stop], { concurrency: 2 })
    yield* ledger.once(called.flat())
  })
}

const drainStreams: Case = {
  name: "a server that drains closes its streams with unavailable, its handlers read what they have, and others take over",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const buses = yield* three(run)
    const read = new Ledger()
    const open = [0, 0, 0]
    const servers = yield* Effect.all(
      buses.map((bus, i) => {
        const talk = (stream: Talk) => {
          open[i]!++
          return Stream.runForEach(stream.messages, (text) =>
            Effect.andThen(
              run.turn,
              Effect.sync(() => read.handled(text))
            )
          ).pipe(Effect.ensuring(Effect.sync(() => open[i]!--)))
        }
        return on(bus)(Server.make(Chat, { talk }, { drainTimeout: "20 seconds" }))
      })
    )
    /** Drains whoever has the most streams. */
    const drainBusiest = Effect.suspend(() => {
      const busiest = open.indexOf(Math.max(...open))
      open[busiest] = -Infinity
      return run.step("a server to drain", servers[busiest]!.drain)
    })
    const client = yield* on(buses[0])(Client.make(Chat, patient))
    const acknowledged: Array<string> = []
    let stopped = false
    let broken = 0
    /** Sends until the stream breaks, and what had no ack once more on another. */
    const session = Effect.fnUntraced(function* (n: number) {
      for (let i = 0; !stopped;) {
        const exit = yield* Effect.exit(
          Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* client.talk()
              while (!stopped) {
                const text = `${n} ${i}`
                // a number that was under way is never used again: it may have arrived
                i++
                yield* stream.send(text)
                acknowledged.push(text)
              }
              yield* stream.closeSend
              yield* stream.closed
            })
          )
        )
        if (Exit.isSuccess(exit)) continue
        broken++
        for (const reason of exit.cause.reasons) {
          yield* isError("what a stream ends with", reason._tag === "Fail" ? reason.error : reason, {
            code: "unavailable"
          })
        }
      }
    })
    const talking = yield* Effect.forkScoped(
      Effect.forEach([0, 1, 2, 3, 4, 5, 6, 7, 8], session, { concurrency: "unbounded", discard: true })
    )
    const more = (count: number) =>
      Effect.suspend(() => {
        const end = acknowledged.length + count
        return Effect.raceFirst(
          run.until("more messages to be acknowledged", () => acknowledged.length >= end),
          Effect.andThen(Fiber.join(talking), Effect.never)
        )
      })
    yield* more(200)
    yield* drainBusiest
    yield* more(200)
    yield* drainBusiest
    yield* more(200)
    stopped = true
    yield* run.step("the streams to end", Fiber.join(talking))
    yield* drainBusiest
    yield* check(broken > 0, "two of three servers drained, and no stream broke")
    const got = new Set(read.all)
    yield* equal(
      "acknowledged messages that no handler read",
      acknowledged.filter((text) => !got.has(text)),
      []
    )
    yield* equal("messages that were read twice", read.count - got.size, 0)
  })
}

const killed: Case = {
  name: "a server that is killed, or has no time to drain, answers unavailable and interrupts its handlers",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, { call: Rpc.unary(text) })
    const [a, b] = yield* three(run)
    const client = yield* on(b)(Client.make(Work, patient))
    for (const how of ["kill", "drain"] as const) {
      const { handle, interrupted, started } = endless()
      const server = yield* on(a)(Server.make(Work, { call: handle }, { drainTimeout: "100 millis" }))
      const calls = yield* Effect.forkScoped(
        Effect.all(
          ["one", "two"].map((text) => Effect.exit(client.call(text))),
          { concurrency: 2 }
        )
      )
      yield* started.reached(run, 2)
      yield* run.step(`the server to ${how}`, server[how])
      yield* interrupted.once(["one", "two"], "handlers that were interrupted")
      for (const exit of yield* run.step("the callers to be told", Fiber.join(calls))) {
        yield* failsWith("a call", exit, { code: "unavailable", mayHaveRun: true })
      }
    }
  })
}

export const draining: ReadonlyArray<Case> = [drain, drainStreams, killed]
