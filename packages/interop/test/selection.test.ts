import { Client, PsrpcError, Selection, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Duration, Effect, Logger } from "effect"
import type { SelectionParams } from "../src/index.ts"
import { ask, eventually, goError, goPeer, handlers, interop, newService, onBus, report } from "./support.ts"

/** How much slower than in psrpc's own vectors everything is, so that a busy machine does not change who wins. */
const slower = 3

/** psrpc's own vectors: five servers, and which of them each selection takes. Milliseconds. */
const servers = [
  { serverId: "1", affinity: 0.1, delay: 0 },
  { serverId: "2", affinity: 0.5, delay: 100 * slower },
  { serverId: "3", affinity: 0.7, delay: 300 * slower },
  { serverId: "4", affinity: 0.1, delay: 300 * slower },
  { serverId: "5", affinity: 0.9, delay: 500 * slower }
]

const vectors: ReadonlyArray<{ readonly selection: SelectionParams; readonly taken: string }> = [
  { selection: { acceptFirstAvailable: true }, taken: "1" },
  { selection: { minimumAffinity: 0.5, acceptFirstAvailable: true }, taken: "2" },
  { selection: { shortCircuitTimeoutMs: 150 * slower }, taken: "2" },
  { selection: { minimumAffinity: 0.4, shortCircuitTimeoutMs: 250 * slower }, taken: "3" },
  {
    selection: { minimumAffinity: 0.3, affinityTimeoutMs: 250 * slower, shortCircuitTimeoutMs: 200 * slower },
    taken: "2"
  },
  { selection: { affinityTimeoutMs: 600 * slower }, taken: "5" },
  { selection: { minimumAffinity: 0.7, acceptFirstAvailable: true }, taken: "3" },
  { selection: { maximumAffinity: 0.7, affinityTimeoutMs: 600 * slower }, taken: "3" },
  { selection: { maximumAffinity: 0.5 }, taken: "2" }
]

/** The same selection in our words. */
const ours = ({ affinityTimeoutMs, shortCircuitTimeoutMs, ...selection }: SelectionParams) =>
  Selection.make({
    ...selection,
    affinityTimeout: affinityTimeoutMs ?? "Infinity",
    shortCircuitTimeout: shortCircuitTimeoutMs ?? "Infinity"
  })

const named = (results: ReadonlyArray<string>) =>
  Object.fromEntries(vectors.map(({ selection }, index) => [JSON.stringify(selection), results[index]]))

const expected = named(vectors.map(({ taken }) => taken))

/** Our server, with an affinity that takes its time, and an answer that says whose it is. */
const ourServer = (service: ReturnType<typeof newService>, serverId: string, affinity: number, delay = 0) =>
  onBus(
    Server.make(
      service,
      {
        ...handlers,
        work: {
          affinity: Effect.delay(Effect.succeed(affinity), delay),
          handle: () => Effect.succeed({ value: serverId })
        }
      },
      // what a Go client has not answered would be waited for
      { serverId, drainTimeout: 0 }
    )
  )

/** Our server, whose affinity is a number and nothing to wait for. */
const promptServer = (service: ReturnType<typeof newService>, serverId: string, affinity: number) =>
  onBus(
    Server.make(
      service,
      { ...handlers, work: { affinity, handle: () => Effect.succeed({ value: serverId }) } },
      { serverId, drainTimeout: 0 }
    )
  )

interop("our client selects among Go servers", (it) => {
  it.effect("the one that psrpc's vectors say, by every option", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      for (const { affinity, delay, serverId } of servers) {
        yield* go.serve({ serverId, affinity, affinityDelayMs: delay })
      }
      const client = yield* onBus(Client.make(service, { timeout: "15 seconds" }))
      const answers = yield* Effect.forEach(
        vectors,
        ({ selection }) => client.work(ask({ do: "echo" }), { selection: ours(selection) }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(named(answers.map((answer) => report(answer).serverId)), expected)
    })
  )

  it.effect("the best by default, 200 ms after the first claim", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve({ serverId: "good", affinity: 0.4 })
      yield* go.serve({ serverId: "best", affinity: 0.8, affinityDelayMs: 50 })
      yield* go.serve({ serverId: "late", affinity: 0.9, affinityDelayMs: 900 })
      const client = yield* onBus(Client.make(service))
      const [elapsed, answer] = yield* Effect.timed(client.work(ask({ do: "echo" })))
      assert.strictEqual(report(answer).serverId, "best")
      assert.isAtLeast(Duration.toMillis(elapsed), 199)
    })
  )

  it.effect("none below the minimum, and says how many there were", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve({ affinity: 0.3 })
      yield* go.serve({ affinity: 0.4 })
      const client = yield* onBus(Client.make(service))
      const selection = Selection.best({ minimumAffinity: 0.5, affinityTimeout: "600 millis" })
      const error = yield* Effect.flip(client.work(ask({ do: "echo" }), { selection }))
      assert.instanceOf(error, PsrpcError.Unavailable)
      assert.include(error.message, "no servers available (received 2 responses)")
      assert.isFalse(error.mayHaveRun)
      assert.deepStrictEqual((yield* go.command("handled", {})).counts, {})
    })
  )

  it.effect("none with an affinity of 0, and none without a claim", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ affinity: 0 })
      const client = yield* onBus(Client.make(service))
      const selection = Selection.best({ affinityTimeout: "400 millis" })
      const zero = yield* Effect.flip(client.work(ask({ do: "echo" }), { selection }))
      assert.include(zero.message, "no servers available (received 1 responses)")
      yield* server.setAffinity({ affinity: -1 })
      const silent = yield* Effect.flip(client.work(ask({ do: "echo" }), { selection }))
      assert.instanceOf(silent, PsrpcError.Unavailable)
      assert.include(silent.message, "no response from servers")
      assert.isTrue(PsrpcError.isNoServer(silent))
    })
  )

  it.effect("by a function of its own, which sees every claim with its float32", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      for (const { affinity, serverId } of servers) yield* go.serve({ serverId, affinity })
      const client = yield* onBus(Client.make(service))
      const seen: Array<Selection.Claim> = []
      const selection = Selection.make({
        affinityTimeout: "600 millis",
        minimumAffinity: 0.3,
        selectionFunc: (claims) => {
          seen.push(...claims.map(({ affinity, serverId }) => ({ affinity, serverId })))
          return "2"
        }
      })
      const answer = yield* client.work(ask({ do: "echo" }), { selection })
      assert.strictEqual(report(answer).serverId, "2")
      assert.deepStrictEqual(
        seen.toSorted((a, b) => a.serverId.localeCompare(b.serverId)),
        [
          { serverId: "2", affinity: 0.5 },
          { serverId: "3", affinity: Math.fround(0.7) },
          { serverId: "5", affinity: Math.fround(0.9) }
        ]
      )
    })
  )

  it.effect("in a queue method, the one that claims the request", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const answer = yield* client.echo(
        { value: "x" },
        { selection: Selection.make({ acceptFirstAvailable: true, affinityTimeout: "300 millis" }) }
      )
      assert.strictEqual(answer.value, "go:x")
    })
  )
})

interop("a Go client selects among our servers", (it) => {
  it.effect("the one that psrpc's vectors say, by every option", () =>
    Effect.gen(function* () {
      const service = newService()
      for (const { affinity, delay, serverId } of servers) yield* ourServer(service, serverId, affinity, delay)
      const go = yield* goPeer(service)
      const answers = yield* Effect.forEach(
        vectors,
        ({ selection }) => go.call("Work", "job", { selection, timeoutMs: 15_000 }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(named(answers), expected)
    })
  )

  it.effect("the best by default", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* promptServer(service, "good", 0.4)
      yield* ourServer(service, "best", 0.8, 50)
      yield* ourServer(service, "late", 0.9, 900)
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Work", "job"), "best")
    })
  )

  it.effect("by an affinity that depends on the request", () =>
    Effect.gen(function* () {
      const service = newService()
      for (const serverId of ["a", "b"]) {
        yield* onBus(
          Server.make(service, {
            ...handlers,
            work: {
              affinity: (request) => (request.value === serverId ? 1 : 0.1),
              handle: () => Effect.succeed({ value: serverId })
            }
          })
        )
      }
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Work", "b"), "b")
      assert.strictEqual(yield* go.call("Work", "a"), "a")
    })
  )

  it.effect("none below the minimum", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* promptServer(service, "low", 0.3)
      yield* promptServer(service, "higher", 0.4)
      const go = yield* goPeer(service)
      const selection = { minimumAffinity: 0.5, affinityTimeoutMs: 600 }
      const error = goError(yield* Effect.flip(go.call("Work", "job", { selection })))
      assert.strictEqual(error.code, "unavailable")
      assert.strictEqual(error.message, "no servers available (received 2 responses)")
    })
  )

  it.effect("none with an affinity of 0, and none without a claim or with a failing affinity", () =>
    Effect.gen(function* () {
      const service = newService()
      const selection = { affinityTimeoutMs: 400 }
      yield* promptServer(service, "silent", -1)
      yield* onBus(
        Server.make(service, {
          ...handlers,
          work: { affinity: Effect.die(new Error("no idea")), handle: handlers.echo }
        })
      ).pipe(Effect.provide(Logger.layer([])))
      const go = yield* goPeer(service)
      const silent = goError(yield* Effect.flip(go.call("Work", "job", { selection })))
      assert.strictEqual(silent.message, "no response from servers")
      yield* promptServer(service, "zero", 0)
      const zero = goError(yield* Effect.flip(go.call("Work", "job", { selection })))
      assert.strictEqual(zero.message, "no servers available (received 1 responses)")
    })
  )
})

interop("our server and a Go server of one affinity method", (it) => {
  it.effect("the best one runs the call, whichever it is and whoever calls", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const goServer = yield* go.serve({ affinity: 0.9 })
      yield* promptServer(service, "ours", 0.5)
      const client = yield* onBus(Client.make(service))
      const both = Effect.all([Effect.map(client.work({ value: "x" }), ({ value }) => value), go.call("Work", "x")])
      assert.deepStrictEqual(yield* both, ["go:x", "go:x"])
      yield* goServer.setAffinity({ affinity: 0.1 })
      assert.deepStrictEqual(yield* both, ["ours", "ours"])
      yield* goServer.setAffinity({ affinity: -1 })
      assert.deepStrictEqual(yield* both, ["ours", "ours"])
    })
  )

  it.effect("a slow one that is good enough wins over a quick one that is not", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve({ affinity: 0.4 })
      yield* ourServer(service, "ours", 0.8, 300)
      const client = yield* onBus(Client.make(service))
      const ourAnswer = yield* client.work(
        { value: "x" },
        { selection: Selection.make({ minimumAffinity: 0.5, acceptFirstAvailable: true }) }
      )
      const goAnswer = yield* go.call("Work", "x", {
        selection: { minimumAffinity: 0.5, acceptFirstAvailable: true }
      })
      assert.deepStrictEqual([ourAnswer.value, goAnswer], ["ours", "ours"])
      assert.deepStrictEqual((yield* go.command("handled", {})).counts, {})
    })
  )

  it.effect("the one that is still weighing when another is chosen stops, and does not call that a failure", () =>
    Effect.gen(function* () {
      const service = newService()
      const log: Array<unknown> = []
      let stopped = false
      yield* onBus(
        Server.make(service, {
          ...handlers,
          work: {
            affinity: Effect.onInterrupt(Effect.never, () =>
              Effect.sync(() => {
                stopped = true
              })
            ),
            handle: handlers.echo
          }
        })
      ).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(message))])))
      const go = yield* goPeer(service)
      yield* go.serve({ affinity: 0.9 })
      assert.strictEqual(yield* go.call("Work", "x"), "go:x")
      yield* eventually(
        Effect.sync(() => stopped),
        (is) => is
      )
      assert.deepStrictEqual(log, [])
    })
  )

  it.effect("the one that was not chosen is free again: a Go server drains at once", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const goServer = yield* go.serve({ affinity: 0.1 })
      yield* promptServer(service, "ours", 0.9)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      assert.strictEqual((yield* client.work({ value: "x" })).value, "ours")
      assert.isBelow(yield* goServer.shutdown, 15_000)
    })
  )
})
