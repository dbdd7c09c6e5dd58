/** Unary methods: which server handles a call, by routing and topic. */
import { Effect, Schema } from "effect"
import * as Client from "../../../../Client.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { check, equal } from "../harness/assertions.ts"
import type { CallLog } from "./callLog.ts"
import { acceptAt, clientOptions, compareAll, on, onThreeProcesses, text } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"
import {
  affinityOf,
  bestServer,
  hasTopics,
  labelOf,
  ownTopics,
  sharedTopics,
  type TopicVariant,
  topicVariants
} from "./topicVariants.ts"

/** Returns calls of three clients in each topic, with unique texts. */
const callsOf = (variant: TopicVariant, count: number) =>
  [0, 1, 2].flatMap((caller) =>
    variant.topics.flatMap((topic, index) =>
      Array.from({ length: count }, (_, i) => ({
        caller,
        topic,
        index,
        label: labelOf(topic),
        text: `${labelOf(topic)} ${caller} ${i}`
      }))
    )
  )

/** Makes a handler that responds with its server and topic. */
const whoAndWhere =
  (server: number, log: CallLog) =>
  (text: string, { topic }: Server.Call<object>): Effect.Effect<string> =>
    Effect.sync(() => {
      log.record(text, server)
      return `${server} ${labelOf(topic)}`
    })

const queue = (variant: TopicVariant): ServiceCase => ({
  name: `unary, queue, ${variant.name}: one server of the topic handles each call`,
  body: Effect.fnUntraced(function* (run) {
    const calls = callsOf(variant, hasTopics(variant) ? 8 : 60)
    const log = yield* onThreeProcesses(
      run,
      variant,
      {
        rpc: Rpc.unary({ ...text, topic: variant.definition }),
        topics: sharedTopics,
        handler: whoAndWhere
      },
      Effect.fnUntraced(function* (clients) {
        yield* Effect.forEach(
          calls,
          ({ caller, label, text, topic }) =>
            Effect.flatMap(clients[caller]!.call(text, { topic }), (response) =>
              equal("topic of the response", response.slice("0 ".length), label)
            ),
          { concurrency: 16, discard: true }
        )
        return calls.map(({ text }) => text)
      })
    )
    for (const server of [0, 1, 2]) {
      const own = new Set(sharedTopics(variant, server).map(labelOf))
      const others = calls.filter(({ label, text }) => !own.has(label) && log.by(server).includes(text))
      yield* equal(`calls of other topics that server ${server} handled`, others.length, 0)
    }
  })
})

const affinity = (variant: TopicVariant): ServiceCase => ({
  name: `unary, affinity, ${variant.name}: the best server of the topic handles each call`,
  body: (run) =>
    onThreeProcesses(
      run,
      variant,
      {
        rpc: Rpc.unary({ ...text, topic: variant.definition, routing: "affinity" }),
        topics: sharedTopics,
        handler: (server, log) => ({ affinity: affinityOf(server), handle: whoAndWhere(server, log) })
      },
      Effect.fnUntraced(function* (clients) {
        const calls = callsOf(variant, 3)
        yield* Effect.forEach(
          calls,
          ({ caller, label, text, topic }, n) => {
            const best = bestServer(variant, topic)
            const selection = n % 3 === 0 ? compareAll(run) : acceptAt(run, best.affinity)
            return Effect.flatMap(clients[caller]!.call(text, { topic, selection }), (response) =>
              equal("server and topic of the response", response, `${best.server} ${label}`)
            )
          },
          { concurrency: "unbounded", discard: true }
        )
        return calls.map(({ text }) => text)
      })
    )
})

const singleServer = (variant: TopicVariant): ServiceCase => ({
  name: `unary, single server, ${variant.name}: the topic's server handles each call without claims`,
  body: (run) =>
    onThreeProcesses(
      run,
      variant,
      {
        rpc: Rpc.unary({ ...text, topic: variant.definition, singleServer: true }),
        topics: ownTopics,
        handler: whoAndWhere
      },
      Effect.fnUntraced(function* (clients) {
        const calls = callsOf(variant, hasTopics(variant) ? 8 : 60)
        yield* Effect.forEach(
          calls,
          ({ caller, index, label, text, topic }) =>
            Effect.flatMap(clients[caller]!.call(text, { topic }), (response) =>
              equal("server and topic of the response", response, `${index % 3} ${label}`)
            ),
          { concurrency: 16, discard: true }
        )
        return calls.map(({ text }) => text)
      })
    )
})

const noClaims: ServiceCase = {
  name: "unary, affinity: servers whose affinity is negative or fails send no claim, and the minimum affinity holds",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = Service.make(run.service, {
      call: Rpc.unary({ request: Schema.Finite, response: Schema.String, routing: "affinity" })
    })
    const [a, b, c] = yield* run.connections(3)
    const handle = (server: string) => () => Effect.succeed(server)
    yield* on(a)(Server.make(Cell, { call: { affinity: (wanted) => wanted, handle: handle("requested") } }))
    yield* on(b)(Server.make(Cell, { call: { affinity: Effect.fail("unknown"), handle: handle("failing") } }))
    yield* on(c)(Server.make(Cell, { call: { affinity: Effect.die(new Error("unknown")), handle: handle("dying") } }))
    const client = yield* on(c)(Client.make(Cell, clientOptions(run)))
    yield* equal("server that responds", yield* client.call(0.5, { selection: acceptAt(run, 0.5) }), "requested")
    const noClaim = yield* Effect.flip(client.call(-1, { selection: compareAll(run) }))
    yield* equal("reason of the error without claims", noClaim.reason, "no_response")
    const tooLow = yield* Effect.flip(client.call(0.25, { selection: compareAll(run, 0.5) }))
    yield* equal("reason of the error without eligible claims", tooLow.reason, "no_servers")
    yield* check(!noClaim.mayHaveRun && !tooLow.mayHaveRun, "mayHaveRun is true, and no server was selected")
  })
}

export const unaryRouting: ReadonlyArray<ServiceCase> = [
  ...topicVariants.flatMap((variant) => [queue(variant), affinity(variant), singleServer(variant)]),
  noClaims
]
