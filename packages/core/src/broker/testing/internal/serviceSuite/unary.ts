import { Effect, Schema, Scope } from "effect"
import * as Client from "../../../../Client.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { check, equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { compared, enough, Ledger, on, patient, three } from "./stage.ts"
import { affinityOf, bestOf, labelOf, ownedBy, serving, sharedBy, type Topics, ways } from "./topics.ts"

/** Calls of three clients in each topic: who calls, where, and what with, unlike all others. */
const callsOf = (topics: Topics, each: number) =>
  [0, 1, 2].flatMap((caller) =>
    topics.all.flatMap((topic, place) =>
      Array.from({ length: each }, (_, i) => ({
        caller,
        topic,
        place,
        label: labelOf(topic),
        text: `${labelOf(topic)} ${caller} ${i}`
      }))
    )
  )

const queue = (topics: Topics): Case => ({
  name: `unary, queue, ${topics.name}: one server of the topic answers each call`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.unary({ request: Schema.String, response: Schema.String, topic: topics.definition })
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
              ledger.handled(text, String(i))
              return labelOf(topic)
            })
        },
        serving(topics, sharedBy(topics, i))
      ).pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    const calls = callsOf(topics, topics.all.length > 1 ? 8 : 60)
    yield* Effect.forEach(
      calls,
      ({ caller, label, text, topic }) =>
        Effect.flatMap(clients[caller]!.call(text, { topic }), (answer) =>
          equal("the topic that answers", answer, label)
        ),
      { concurrency: 16, discard: true }
    )
    yield* servers.close
    yield* ledger.once(calls.map(({ text }) => text))
    for (const i of [0, 1, 2]) {
      const own = new Set(sharedBy(topics, i).map(labelOf))
      const others = calls.filter(({ label, text }) => !own.has(label) && ledger.by(String(i)).includes(text))
      yield* equal(`calls of other topics that server ${i} handled`, others.length, 0)
    }
  })
})

const affinity = (topics: Topics): Case => ({
  name: `unary, affinity, ${topics.name}: the best server of the topic answers each call`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.unary({
        request: Schema.String,
        response: Schema.String,
        topic: topics.definition,
        routing: "affinity"
      })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      yield* Server.make(
        Cell,
        {
          call: {
            affinity: affinityOf(i),
            handle: (text, { topic }) =>
              Effect.sync(() => {
                ledger.handled(text, String(i))
                return `${i} ${labelOf(topic)}`
              })
          }
        },
        serving(topics, sharedBy(topics, i))
      ).pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    const calls = callsOf(topics, 3)
    yield* Effect.forEach(
      calls,
      ({ caller, label, text, topic }, n) => {
        const best = bestOf(topics, topic)
        const selection = n % 3 === 0 ? compared : enough(best.affinity)
        return Effect.flatMap(clients[caller]!.call(text, { topic, selection }), (answer) =>
          equal("who answers", answer, `${best.server} ${label}`)
        )
      },
      { concurrency: "unbounded", discard: true }
    )
    yield* servers.close
    yield* ledger.once(calls.map(({ text }) => text))
  })
})

const singleServer = (topics: Topics): Case => ({
  name: `unary, single server, ${topics.name}: the topic's own server answers each call, without claims`,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.unary({
        request: Schema.String,
        response: Schema.String,
        topic: topics.definition,
        singleServer: true
      })
    })
    const buses = yield* three(run)
    const ledger = new Ledger()
    const servers = yield* run.closable
    for (const [i, bus] of buses.entries()) {
      const own = ownedBy(topics, i)
      if (own.length === 0) continue
      yield* Server.make(
        Cell,
        {
          call: (text, { topic }) =>
            Effect.sync(() => {
              ledger.handled(text)
              return `${i} ${labelOf(topic)}`
            })
        },
        serving(topics, own)
      ).pipe(on(bus), Scope.provide(servers.scope))
    }
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Cell, patient))))
    const calls = callsOf(topics, topics.all.length > 1 ? 8 : 60)
    yield* Effect.forEach(
      calls,
      ({ caller, label, place, text, topic }) =>
        Effect.flatMap(clients[caller]!.call(text, { topic }), (answer) =>
          equal("who answers", answer, `${place % 3} ${label}`)
        ),
      { concurrency: 16, discard: true }
    )
    yield* servers.close
    yield* ledger.once(calls.map(({ text }) => text))
  })
})

const silence: Case = {
  name: "unary, affinity: servers that do not fit, or do not know, keep silent; the selection's minimum holds",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.unary({ request: Schema.Finite, response: Schema.String, routing: "affinity" })
    })
    const buses = yield* three(run)
    const handle = (who: string) => () => Effect.succeed(who)
    yield* on(buses[0])(Server.make(Cell, { call: { affinity: (wanted) => wanted, handle: handle("asked") } }))
    yield* on(buses[1])(Server.make(Cell, { call: { affinity: Effect.fail("no idea"), handle: handle("failing") } }))
    yield* on(buses[2])(
      Server.make(Cell, { call: { affinity: Effect.die(new Error("no idea")), handle: handle("dying") } })
    )
    const client = yield* on(buses[2])(Client.make(Cell, patient))
    yield* equal("who answers", yield* client.call(0.5, { selection: enough(0.5) }), "asked")
    const none = yield* Effect.flip(client.call(-1, { selection: compared }))
    yield* equal("the error where all keep silent", none.reason, "no_response")
    const least = Selection.best({ affinityTimeout: "2 seconds", minimumAffinity: 0.5 })
    const few = yield* Effect.flip(client.call(0.25, { selection: least }))
    yield* equal("the error where none fits well enough", few.reason, "no_servers")
    yield* check(
      !none.mayHaveRun && !few.mayHaveRun,
      "nobody was chosen, and the errors say that a handler may have run"
    )
  })
}

export const unary: ReadonlyArray<Case> = [
  ...ways.flatMap((way) => [queue(way), affinity(way), singleServer(way)]),
  silence
]
