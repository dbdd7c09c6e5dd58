/** Multi methods: responses of all servers, early ends, overflow. */
import { Effect, Schema, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as PsrpcError from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal, numbered } from "../harness/assertions.ts"
import { CallLog } from "./callLog.ts"
import { isError } from "./errorAssertions.ts"
import { clientOptions, collectWindow, on, onThreeProcesses, serverIdOf, text } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"
import { labelOf, serversOf, sharedTopics, type TopicVariant, topicVariants } from "./topicVariants.ts"

const allServers = (variant: TopicVariant): ServiceCase => ({
  name: `multi, ${variant.name}: the servers of the topic, and no others, respond to each call`,
  body: (run) =>
    onThreeProcesses(
      run,
      variant,
      {
        rpc: Rpc.multi({ ...text, topic: variant.definition }),
        topics: sharedTopics,
        handler:
          (server, log) =>
          (text, { topic }) =>
            Effect.sync(() => {
              log.record(`${server} ${text}`)
              return `${server} ${text} ${labelOf(topic)}`
            })
      },
      Effect.fnUntraced(function* (clients) {
        // calls that end with the last expected response, and calls that end with their timeout
        const calls = [0, 1, 2].flatMap((caller) =>
          variant.topics.flatMap((topic) =>
            [true, false].map((expects) => ({ caller, topic, expects, text: `${labelOf(topic)} ${caller} ${expects}` }))
          )
        )
        const handled = yield* Effect.forEach(
          calls,
          Effect.fnUntraced(function* ({ caller, expects, text, topic }) {
            const servers = serversOf(variant, topic)
            const options = expects ? { expect: servers.length } : { timeout: collectWindow(run) }
            const responses = yield* Stream.runCollect(clients[caller]!.call(text, { topic, ...options }))
            const received = responses.map(
              ({ result, serverId }) =>
                `${serverId}: ${result._tag === "Success" ? result.success : result.failure.message}`
            )
            const expected = servers.map((server) => `${serverIdOf(server)}: ${server} ${text} ${labelOf(topic)}`)
            yield* equal("responses", received.toSorted(), expected.toSorted())
            return servers.map((server) => `${server} ${text}`)
          }),
          { concurrency: "unbounded" }
        )
        return handled.flat()
      })
    )
})

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const multiService = (name: string) => Service.make(name, { call: Rpc.multi({ ...text, error: Refused }) })

const results: ServiceCase = {
  name: "multi: each server's response or error is an element, and each run of the Stream is a new call",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Cell = multiService(run.service)
    const buses = yield* run.connections(3)
    const log = new CallLog()
    const called = Effect.sync(() => log.record("call"))
    const outcomes = [
      Effect.succeed("fine"),
      Effect.fail(new Refused({ why: "busy" })),
      Effect.die(new Error("a secret of the server"))
    ] as const
    for (const [i, bus] of buses.entries()) {
      const handlers = { call: () => Effect.andThen(called, outcomes[i]!) }
      yield* on(bus)(Server.make(Cell, handlers, { serverId: serverIdOf(i) }))
    }
    const client = yield* on(buses[0])(Client.make(Cell, clientOptions(run)))
    const call = client.call("how are you?", { expect: 3 })
    yield* equal("calls of handlers before the Stream runs", log.count, 0)
    for (const round of [1, 2]) {
      const responses = (yield* Stream.runCollect(call)).toSorted((a, b) => (a.serverId < b.serverId ? -1 : 1))
      yield* equal(
        "servers that responded",
        responses.map(({ serverId }) => serverId),
        [0, 1, 2].map(serverIdOf)
      )
      const [fine, refused, died] = responses.map(({ result }) =>
        result._tag === "Success" ? result.success : result.failure
      )
      yield* equal("first response", fine as string, "fine")
      yield* equal("field of the second error", refused instanceof Refused ? refused.why : String(refused), "busy")
      yield* isError("third error", died, { code: "internal", message: "internal error" })
      yield* equal("calls of handlers", log.count, round * 3)
    }
    yield* equal("successful responses", yield* Stream.runCollect(Client.successes(call)), ["fine"])
  })
}

const early: ServiceCase = {
  name: "multi: a Stream that ends early interrupts the handlers that still run",
  body: Effect.fnUntraced(function* (run) {
    const Cell = multiService(run.service)
    const buses = yield* run.connections(3)
    const started = new CallLog()
    const interrupted = new CallLog()
    for (const [i, bus] of buses.entries()) {
      const call = (text: string) =>
        Effect.andThen(
          Effect.sync(() => started.record(`${i} ${text}`)),
          // the first server responds when the handlers of the others run
          i === 0
            ? Effect.as(
                run.waitUntil("the handlers of the other servers to run", () => started.count % 3 === 0),
                "first"
              )
            : Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.record(`${i} ${text}`)))
        )
      yield* on(bus)(Server.make(Cell, { call }))
    }
    const client = yield* on(buses[0])(Client.make(Cell, clientOptions(run)))
    const responses = {
      take: Stream.take(client.call("take"), 1),
      expect: client.call("expect", { expect: 1 }),
      idle: client.call("idle", { idleTimeout: collectWindow(run) })
    }
    for (const [i, [how, stream]] of Object.entries(responses).entries()) {
      yield* equal(`responses with ${how}`, (yield* Stream.runCollect(stream)).length, 1)
      yield* interrupted.waitForCount(run, (i + 1) * 2, "handlers to be interrupted")
    }
    yield* interrupted.expect(
      Object.keys(responses).flatMap((how) => [`1 ${how}`, `2 ${how}`]),
      "interrupted handlers"
    )
  })
}

const overflow: ServiceCase = {
  name: "multi: the Stream reports the responses that its buffer had no room for",
  body: Effect.fnUntraced(function* (run) {
    const Cell = multiService(run.service)
    const buses = yield* run.connections(3)
    const count = 9
    for (const [i, serverId] of numbered(count, "server-").entries()) {
      yield* on(buses[i % 3]!)(Server.make(Cell, { call: (text) => Effect.succeed(text) }, { serverId }))
    }
    const client = yield* on(buses[0])(Client.make(Cell, clientOptions(run)))
    const read: Array<string> = []
    let lost = 0
    // the reader stops at the first response until the timeout
    const timeout = collectWindow(run)
    yield* client.call("all", { multiBufferSize: 2, timeout }).pipe(
      Stream.runForEach(
        Effect.fnUntraced(function* ({ result, serverId }) {
          if (result._tag === "Success") read.push(serverId)
          else {
            yield* equal("server of the overflow notice", serverId, "")
            const { failure } = result
            yield* equal("isOverflow of the notice", PsrpcError.isOverflow(failure), true)
            lost += Number.parseInt(failure.message, 10)
          }
          if (read.length === 1) yield* Effect.sleep(timeout * 1.1)
        })
      )
    )
    yield* equal("responses that were read, or reported as lost", read.length + lost, count)
    yield* equal("servers with two responses", read.length - new Set(read).size, 0)
  })
}

export const multiCalls: ReadonlyArray<ServiceCase> = [...topicVariants.map(allServers), results, early, overflow]
