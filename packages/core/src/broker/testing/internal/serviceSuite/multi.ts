import { Effect, Schema, Scope, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as PsrpcError from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { isError, Ledger, numbered, on, patient, three } from "./stage.ts"
import { labelOf, serving, sharedBy, type Topics, ways } from "./topics.ts"

const everyone = (topics: Topics): Case => ({
  name: `multi, ${topics.name}: every server of the topic answers each call, and no other`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.multi({ request: Schema.String, response: Schema.String, topic: topics.definition })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      yield* Server.make(
        Cell,
        {
          call: (text, { topic }) =>
            Effect.sync(() => {
              ledger.handled(`${i} ${text}`)
              return `${i} ${text} ${labelOf(topic)}`
            })
        },
        { serverId: `server-${i}`, ...serving(topics, sharedBy(topics, i)) }
      ).pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    // as soon as the last has answered, and to the end of the time: nobody else does
    const calls = [0, 1, 2].flatMap((caller) =>
      topics.all.flatMap((topic) =>
        [true, false].map((expects) => ({ caller, topic, expects, text: `${labelOf(topic)} ${caller} ${expects}` }))
      )
    )
    const handled = yield* Effect.forEach(
      calls,
      Effect.fnUntraced(function* ({ caller, expects, text, topic }) {
        const there = [0, 1, 2].filter((i) => sharedBy(topics, i).includes(topic))
        const options = expects ? { expect: there.length } : { timeout: "2500 millis" as const }
        const answers = yield* Stream.runCollect(clients[caller]!.call(text, { topic, ...options }))
        const got = answers.map(
          ({ result, serverId }) =>
            `${serverId}: ${result._tag === "Success" ? result.success : result.failure.message}`
        )
        const expected = there.map((i) => `server-${i}: ${i} ${text} ${labelOf(topic)}`)
        yield* equal("the answers", got.toSorted(), expected.toSorted())
        return there.map((i) => `${i} ${text}`)
      }),
      { concurrency: "unbounded" }
    )
    yield* servers.close
    yield* ledger.once(handled.flat())
  })
})

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const multiService = (name: string) =>
  Service.make(name, { call: Rpc.multi({ request: Schema.String, response: Schema.String, error: Refused }) })

const outcomes: Case = {
  name: "multi: each server's own answer or error is an element, and each run of the Stream is a new call",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = multiService(run.service)
    const buses = yield* three(run)
    const ledger = new Ledger()
    const called = Effect.sync(() => ledger.handled("call"))
    const outcomes = [
      Effect.succeed("fine"),
      Effect.fail(new Refused({ why: "busy" })),
      Effect.die(new Error("a secret of the server"))
    ] as const
    for (const [i, bus] of buses.entries()) {
      yield* on(bus)(
        Server.make(Cell, { call: () => Effect.andThen(called, outcomes[i]!) }, { serverId: `server-${i}` })
      )
    }
    const client = yield* on(buses[0])(Client.make(Cell, patient))
    const call = client.call("how are you?", { expect: 3 })
    yield* equal("calls before the Stream runs", ledger.count, 0)
    for (const round of [1, 2]) {
      const answers = (yield* Stream.runCollect(call)).toSorted((a, b) => (a.serverId < b.serverId ? -1 : 1))
      yield* equal(
        "who answered",
        answers.map(({ serverId }) => serverId),
        ["server-0", "server-1", "server-2"]
      )
      const [fine, refused, died] = answers.map(({ result }) =>
        result._tag === "Success" ? result.success : result.failure
      )
      yield* equal("the first answer", fine as string, "fine")
      yield* equal("the second error's own field", refused instanceof Refused ? refused.why : String(refused), "busy")
      yield* isError("the third answer", died, { code: "internal", message: "internal error" })
      yield* equal("calls that were handled", ledger.count, round * 3)
    }
    yield* equal("what succeeded", yield* Stream.runCollect(Client.successes(call)), ["fine"])
  })
}

const early: Case = {
  name: "multi: a Stream that is not read to its end interrupts the servers that still work on it",
  body: Effect.fnUntraced(function* (run) {
    const Cell = multiService(run.service)
    const buses = yield* three(run)
    const started = new Ledger()
    const interrupted = new Ledger()
    const slow = (who: string) =>
      Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => interrupted.handled(who))))
    for (const [i, bus] of buses.entries()) {
      yield* on(bus)(
        Server.make(Cell, {
          call: (text) =>
            Effect.andThen(
              Effect.sync(() => started.handled(`${i} ${text}`)),
              // the quick one answers when the others are at work
              i === 0
                ? run
                    .until("the others to be called", () => started.count % 3 === 0)
                    .pipe(Effect.ignore, Effect.as("quick"))
                : slow(`${i} ${text}`)
            )
        })
      )
    }
    const client = yield* on(buses[0])(Client.make(Cell, patient))
    const first = yield* Stream.runCollect(Stream.take(client.call("take"), 1))
    yield* equal("answers that were taken", first.length, 1)
    yield* interrupted.reached(run, 2, "handlers to be interrupted")
    yield* equal(
      "answers that were expected",
      (yield* Stream.runCollect(client.call("expect", { expect: 1 }))).length,
      1
    )
    yield* interrupted.reached(run, 4, "handlers to be interrupted")
    yield* equal(
      "answers until nothing had come for a while",
      (yield* Stream.runCollect(client.call("idle", { idleTimeout: "100 millis" }))).length,
      1
    )
    yield* interrupted.reached(run, 6, "handlers to be interrupted")
    yield* interrupted.once(["1 take", "2 take", "1 expect", "2 expect", "1 idle", "2 idle"])
  })
}

const overflow: Case = {
  name: "multi: answers that have no room in the buffer are told of in the Stream",
  body: Effect.fnUntraced(function* (run) {
    const Cell = multiService(run.service)
    const buses = yield* three(run)
    const count = 9
    const ids = numbered(count, "server-")
    for (const [i, serverId] of ids.entries()) {
      yield* on(buses[i % 3]!)(Server.make(Cell, { call: (text) => Effect.succeed(text) }, { serverId }))
    }
    const client = yield* on(buses[0])(Client.make(Cell, patient))
    const read: Array<string> = []
    let lost = 0
    // the reader stands still at the first answer until the time is over
    yield* client.call("all", { multiBufferSize: 2, timeout: "2 seconds" }).pipe(
      Stream.runForEach(
        Effect.fnUntraced(function* ({ result, serverId }) {
          if (result._tag === "Success") read.push(serverId)
          else {
            yield* equal("who tells of what was lost", serverId, "")
            const { failure } = result
            yield* equal("whether it is an overflow", PsrpcError.isOverflow(failure), true)
            lost += Number.parseInt(failure.message, 10)
          }
          if (read.length === 1) yield* Effect.sleep("2200 millis")
        })
      )
    )
    yield* equal("answers that were read or told to be lost", read.length + lost, count)
    yield* equal("servers that were heard twice", read.length - new Set(read).size, 0)
  })
}

export const multi: ReadonlyArray<Case> = [...ways.map(everyone), outcomes, early, overflow]
