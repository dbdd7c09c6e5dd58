/** Servers that drain or are killed, while clients use them. */
import { Effect, Exit, Fiber, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Selection from "../../../../Selection.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { check, equal } from "../harness/assertions.ts"
import type { ServiceCase } from "./serviceCase.ts"
import { callLoop } from "./callLoop.ts"
import { CallLog, neverEnding } from "./callLog.ts"
import { failsWith, isError } from "./errorAssertions.ts"
import { chatService, clientOptions, on, type Talk, text, serverOptions } from "./fixtures.ts"

const drain: ServiceCase = {
  name: "no call is lost while servers drain: the others take over",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary(text),
      affinity: Rpc.unary({ ...text, routing: "affinity" })
    })
    const buses = yield* run.connections(3)
    const log = new CallLog()
    /** Takes one turn, so that some requests are in flight at any time. */
    const work = (server: number) => (text: string) => Effect.tap(log.echo(server)(text), () => run.turn)
    const serve = (i: number, affinity: number) =>
      on(buses[i]!)(
        Server.make(Work, { queue: work(i), affinity: { affinity, handle: work(i) } }, { drainTimeout: "20 seconds" })
      )
    const first = yield* serve(0, 0.9)
    const clients = yield* Effect.all(buses.map((bus) => on(bus)(Client.make(Work, clientOptions(run)))))
    const selection = Selection.best({ affinityTimeout: run.bus.timeout / 3, shortCircuitTimeout: "20 millis" })
    const queue = yield* callLoop(run, 12, "queue", (text) => clients[0]!.queue(text))
    const affinity = yield* callLoop(run, 6, "affinity", (text) => clients[1]!.affinity(text, { selection }))
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
    yield* log.expect(called.flat())
  })
}

const drainStreams: ServiceCase = {
  name: "a draining server closes its streams with unavailable after its handlers have read all messages, and others take over",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const buses = yield* run.connections(3)
    const read = new CallLog()
    const open = [0, 0, 0]
    const servers = yield* Effect.all(
      buses.map((bus, i) => {
        const talk = (stream: Talk) => {
          open[i]!++
          return Stream.runForEach(stream.messages, (text) => Effect.andThen(run.turn, read.echo()(text))).pipe(
            Effect.ensuring(Effect.sync(() => open[i]!--))
          )
        }
        return on(bus)(Server.make(Chat, { talk }, { ...serverOptions(run), drainTimeout: "20 seconds" }))
      })
    )
    /** Drains the server with the most streams. */
    const drainBusiest = Effect.suspend(() => {
      const busiest = open.indexOf(Math.max(...open))
      open[busiest] = -Infinity
      return run.step("a server to drain", servers[busiest]!.drain)
    })
    const client = yield* on(buses[0])(Client.make(Chat, clientOptions(run)))
    const acknowledged: Array<string> = []
    let isStopped = false
    let broken = 0
    /** Sends until the stream breaks, then continues on another. */
    const session = Effect.fnUntraced(function* (n: number) {
      for (let i = 0; !isStopped;) {
        const exit = yield* Effect.exit(
          Effect.scoped(
            Effect.gen(function* () {
              const stream = yield* client.talk()
              while (!isStopped) {
                const text = `${n} ${i}`
                // a message without an ack may have arrived: its text is not used again
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
          yield* isError("error of a stream", reason._tag === "Fail" ? reason.error : reason, {
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
          run.waitUntil("more messages to be acknowledged", () => acknowledged.length >= end),
          Effect.andThen(Fiber.join(talking), Effect.never)
        )
      })
    yield* more(200)
    yield* drainBusiest
    yield* more(200)
    yield* drainBusiest
    yield* more(200)
    isStopped = true
    yield* run.step("the streams to end", Fiber.join(talking))
    yield* drainBusiest
    yield* check(broken > 0, "two of three servers drained, and no stream ended")
    const received = new Set(read.all)
    yield* equal(
      "acknowledged messages that no handler read",
      acknowledged.filter((text) => !received.has(text)),
      []
    )
    yield* equal("messages that were read twice", read.count - received.size, 0)
  })
}

const killed: ServiceCase = {
  name: "a server that is killed, or whose drain times out, responds with unavailable and interrupts its handlers",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, { call: Rpc.unary(text) })
    const [a, b] = yield* run.connections(3)
    const client = yield* on(b)(Client.make(Work, clientOptions(run)))
    for (const how of ["kill", "drain"] as const) {
      const { handle, interrupted, started } = neverEnding()
      const server = yield* on(a)(Server.make(Work, { call: handle }, { drainTimeout: "100 millis" }))
      const calls = yield* Effect.forkScoped(
        Effect.all(
          ["one", "two"].map((text) => Effect.exit(client.call(text))),
          { concurrency: 2 }
        )
      )
      yield* started.waitForCount(run, 2)
      yield* run.step(`the server to ${how}`, server[how])
      yield* interrupted.expect(["one", "two"], "interrupted handlers")
      for (const exit of yield* run.step("the calls to fail", Fiber.join(calls))) {
        yield* failsWith("a call", exit, { code: "unavailable", mayHaveRun: true })
      }
    }
  })
}

export const serverDraining: ReadonlyArray<ServiceCase> = [drain, drainStreams, killed]
