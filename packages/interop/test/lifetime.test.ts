import { Client, MessageBus, PsrpcError, Selection, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import {
  ask,
  claimChannel,
  eventually,
  goError,
  goPeer,
  handlers,
  interop,
  newService,
  onBus,
  report
} from "./support.ts"

/** A handler that runs until a test ends it, and reports its outcome. */
const held = () => {
  const state = { started: 0, finished: 0, interrupted: 0, interruptedAt: 0, release: false }
  const handle = (request: { readonly value: string }) =>
    Effect.suspend(() => {
      state.started++
      return eventually(
        Effect.sync(() => state.release),
        (released) => released
      )
    }).pipe(
      Effect.map(() => {
        state.finished++
        return { value: `ours:${request.value}` }
      }),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          state.interrupted++
          state.interruptedAt = Date.now()
        })
      )
    )
  const is = (will: (now: typeof state) => boolean) =>
    eventually(
      Effect.sync(() => ({ ...state })),
      will
    )
  return { handle, is, state }
}

/** Hears on the wire that a server has offered itself to a client, before anything else can be seen of it. */
const claimsFor = (service: { readonly serviceName: string }, clientId: string) =>
  Effect.gen(function* () {
    let claims = 0
    const bus = yield* MessageBus.MessageBus
    yield* bus.subscribe(claimChannel(service, clientId), () => void claims++)
    return eventually(
      Effect.sync(() => claims),
      (count) => count > 0
    )
  })

interop("a deadline ends a call on both sides", (it) => {
  it.effect(
    "our calls to a Go handler that takes too long, which answers at the deadline with an error of its own",
    () =>
      Effect.gen(function* () {
        const service = newService()
        const go = yield* goPeer(service)
        const server = yield* go.serve()
        const client = yield* onBus(Client.make(service))
        const timeouts = Array.from({ length: 20 }, (_, index) => 400 + index * 7)
        const errors = yield* Effect.forEach(
          timeouts,
          (timeout) => Effect.flip(client.echo(ask({ do: "sleep", ms: 60_000 }), { timeout })),
          { concurrency: "unbounded" }
        )
        for (const error of errors) {
          assert.instanceOf(error, PsrpcError.DeadlineExceeded)
          assert.isTrue(PsrpcError.isTimeout(error))
          assert.isTrue(error.mayHaveRun)
        }
        // the request's expiry is the Go handler's own deadline
        const { counts, ended } = yield* eventually(server.handled, ({ running }) => running["Echo"] === 0)
        assert.deepStrictEqual([counts["Echo"], ended["Echo"]], [20, 20])
      })
  )

  it.effect("our call to a Go handler that looks at the deadline itself", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service, { timeout: "6 seconds" }))
      const { deadlineMs } = report(yield* client.echo(ask({ do: "echo" })))
      assert.isTrue(3000 < deadlineMs && deadlineMs <= 6000, `${deadlineMs} ms left`)
    })
  )

  it.effect("a Go call to our handler that takes too long, whose fiber is interrupted then and not before", () =>
    Effect.gen(function* () {
      const service = newService()
      const echo = held()
      let deadline = 0
      yield* onBus(
        Server.make(service, {
          ...handlers,
          echo: (request, call) => {
            deadline = call.deadline
            return echo.handle(request)
          }
        })
      )
      const go = yield* goPeer(service)
      const error = goError(yield* Effect.flip(go.call("Echo", "", { timeoutMs: 600 })))
      assert.strictEqual(error.code, "deadline_exceeded")
      assert.strictEqual(error.message, "request timed out")
      const { finished, interrupted, interruptedAt } = yield* echo.is(({ interrupted }) => interrupted > 0)
      assert.deepStrictEqual([finished, interrupted], [0, 1])
      assert.isAtLeast(interruptedAt, Math.floor(deadline))
      assert.isBelow(interruptedAt, deadline + 15_000)
    })
  )

  it.effect("a Go call with a deadline of its own, shorter than its timeout", () =>
    Effect.gen(function* () {
      const service = newService()
      const echo = held()
      yield* onBus(Server.make(service, { ...handlers, echo: echo.handle }))
      const go = yield* goPeer(service)
      const error = goError(yield* Effect.flip(go.call("Echo", "", { deadlineMs: 500 })))
      assert.strictEqual(error.code, "deadline_exceeded")
      yield* echo.is(({ interrupted }) => interrupted === 1)
    })
  )
})

interop("nobody serves", (it) => {
  it.effect("our call fails as unavailable at once, and certainly ran nowhere", () =>
    Effect.gen(function* () {
      const service = newService()
      // a Go client of the same service listens to nothing that a request could reach
      yield* goPeer(service)
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const calls = {
        queue: client.echo({ value: "" }),
        affinity: client.work({ value: "" }),
        topic: client.regional({ value: "" }, { topic: { region: "eu" } }),
        single: client.reload({ value: "" }, { topic: { node: "n1" } })
      }
      for (const [name, call] of Object.entries(calls)) {
        const error = yield* Effect.flip(call)
        assert.instanceOf(error, PsrpcError.Unavailable, name)
        // at once: after the time for claims it would be "no_response"
        assert.strictEqual(error.reason, "no_listeners", name)
        assert.isTrue(PsrpcError.isNoServer(error))
        assert.isFalse(error.mayHaveRun)
      }
    })
  )

  it.effect("a Go call fails as unavailable", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(Client.make(service))
      const go = yield* goPeer(service)
      const error = goError(yield* Effect.flip(go.call("Echo", "")))
      assert.strictEqual(error.code, "unavailable")
      assert.strictEqual(error.message, "no response from servers")
    })
  )

  it.effect("our call fails as unavailable once the Go server is shut down", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.strictEqual((yield* client.echo({ value: "x" })).value, "go:x")
      yield* server.shutdown
      assert.instanceOf(yield* Effect.flip(client.echo({ value: "x" })), PsrpcError.Unavailable)
    })
  )
})

interop("giving a call up", (it) => {
  it.effect("frees a Go server that waits with its claim: it never runs the handler, and drains at once", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ affinity: 0.5 })
      const clientId = "CLI_gives_up"
      const claimed = yield* onBus(claimsFor(service, clientId))
      const client = yield* onBus(Client.make(service, { clientId, timeout: "25 seconds" }))
      const selection = Selection.best({ affinityTimeout: "20 seconds" })
      const call = yield* Effect.forkChild(client.work({ value: "x" }, { selection }))
      yield* claimed
      yield* Fiber.interrupt(call)
      assert.isBelow(yield* server.shutdown, 15_000)
      assert.deepStrictEqual((yield* server.handled).counts, {})
    })
  )

  it.effect("and nobody being good enough frees it as well", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ affinity: 0.3 })
      const client = yield* onBus(Client.make(service, { timeout: "25 seconds" }))
      const selection = Selection.best({ minimumAffinity: 0.5, affinityTimeout: "400 millis" })
      assert.instanceOf(yield* Effect.flip(client.work({ value: "x" }, { selection })), PsrpcError.Unavailable)
      assert.isBelow(yield* server.shutdown, 15_000)
      assert.deepStrictEqual((yield* server.handled).counts, {})
    })
  )

  it.effect("does not disturb a Go handler that already runs", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      const client = yield* onBus(Client.make(service, { timeout: "25 seconds" }))
      const call = yield* Effect.forkChild(client.echo(ask({ do: "sleep", ms: 1500 })))
      yield* eventually(server.handled, ({ running }) => running["Echo"] === 1)
      yield* Fiber.interrupt(call)
      const { counts, ended } = yield* eventually(server.handled, ({ running }) => running["Echo"] === 0)
      assert.deepStrictEqual([counts["Echo"], ended["Echo"]], [1, 0])
      assert.strictEqual((yield* client.echo({ value: "next" })).value, "go:next")
    })
  )

  it.effect("interrupts the handler of our server, whether or not a Go server shares its queue", () =>
    Effect.gen(function* () {
      for (const shared of [false, true]) {
        const service = newService()
        const work = held()
        const reload = held()
        yield* onBus(
          Server.make(
            service,
            { ...handlers, work: { affinity: 0.9, handle: work.handle }, reload: reload.handle },
            { topics: { reload: [{ node: "n1" }] } }
          )
        )
        if (shared) yield* Effect.flatMap(goPeer(service), (go) => go.serve({ affinity: 0.1 }))
        const client = yield* onBus(Client.make(service, { timeout: "25 seconds" }))
        const claimed = yield* Effect.forkChild(client.work({ value: "x" }))
        const unclaimed = yield* Effect.forkChild(client.reload({ value: "x" }, { topic: { node: "n1" } }))
        yield* work.is(({ started }) => started === 1)
        yield* reload.is(({ started }) => started === 1)
        yield* Fiber.interruptAll([claimed, unclaimed])
        assert.strictEqual((yield* work.is(({ interrupted }) => interrupted === 1)).finished, 0)
        assert.strictEqual((yield* reload.is(({ interrupted }) => interrupted === 1)).finished, 0)
      }
    })
  )

  it.effect("on the Go side leaves our handler running, since nothing tells it", () =>
    Effect.gen(function* () {
      const service = newService()
      const echo = held()
      yield* onBus(Server.make(service, { ...handlers, echo: echo.handle }))
      const go = yield* goPeer(service)
      const call = yield* Effect.forkChild(go.call("Echo", "", { timeoutMs: 25_000 }))
      yield* echo.is(({ started }) => started === 1)
      yield* Fiber.interrupt(call)
      yield* go.call("Raw", "")
      echo.state.release = true
      assert.strictEqual((yield* echo.is(({ finished }) => finished === 1)).interrupted, 0)
    })
  )
})

interop("our server drains while a Go client calls", (it) => {
  it.effect("the in-flight call is answered, and then there is no server", () =>
    Effect.gen(function* () {
      const service = newService()
      const echo = held()
      const server = yield* onBus(
        Server.make(service, { ...handlers, echo: echo.handle }, { drainTimeout: "20 seconds" })
      )
      const go = yield* goPeer(service)
      const inFlight = yield* Effect.forkChild(go.call("Echo", "in flight", { timeoutMs: 25_000 }))
      yield* echo.is(({ started }) => started === 1)
      const drain = yield* Effect.forkChild(server.drain)
      // soon it accepts no more, while the other call is in flight
      const late = yield* eventually(Effect.result(go.call("Raw", "late")), Result.isFailure)
      assert.strictEqual(Result.isFailure(late) && goError(late.failure).code, "unavailable")
      assert.deepStrictEqual([echo.state.finished, echo.state.interrupted], [0, 0])
      echo.state.release = true
      assert.strictEqual(yield* Fiber.join(inFlight), "ours:in flight")
      yield* Fiber.join(drain)
    })
  )

  it.effect("what is left at the drain timeout is interrupted, and the Go client is told", () =>
    Effect.gen(function* () {
      const service = newService()
      const echo = held()
      const server = yield* onBus(
        Server.make(service, { ...handlers, echo: echo.handle }, { drainTimeout: "300 millis" })
      )
      const go = yield* goPeer(service)
      const call = yield* Effect.forkChild(Effect.flip(go.call("Echo", "", { timeoutMs: 25_000 })))
      yield* echo.is(({ started }) => started === 1)
      yield* server.drain
      assert.strictEqual(echo.state.interrupted, 1)
      assert.strictEqual(goError(yield* Fiber.join(call)).code, "unavailable")
    })
  )

  it.effect("no call is lost where a Go server stays in the queue", () =>
    Effect.gen(function* () {
      const service = newService()
      const server = yield* onBus(Server.make(service, handlers))
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds" }))
      let answered = 0
      const counted = Effect.tap(Effect.sync(() => void answered++))
      const texts = Array.from({ length: 300 }, (_, index) => String(index))
      const calls = yield* Effect.forkChild(
        Effect.all(
          [
            Effect.forEach(texts, (text) => counted(go.call("Echo", text, { timeoutMs: 10_000 })), { concurrency: 8 }),
            Effect.forEach(texts, (value) => counted(client.echo({ value })), { concurrency: 8 })
          ],
          { concurrency: "unbounded" }
        )
      )
      yield* eventually(
        Effect.sync(() => answered),
        (count) => count >= 100
      )
      yield* server.drain
      const [goAnswers, ourAnswers] = yield* Fiber.join(calls)
      assert.deepStrictEqual(
        goAnswers.map((answer) => answer.replace(/^(ours|go):/, "")),
        texts
      )
      assert.deepStrictEqual(
        ourAnswers.map(({ value }) => value.replace(/^(ours|go):/, "")),
        texts
      )
    })
  )

  it.effect("takes over every call where it is the Go server that has left", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(Server.make(service, handlers))
      const go = yield* goPeer(service)
      const goServer = yield* go.serve()
      const client = yield* onBus(Client.make(service))
      // until it is gone either may answer; that its drain can lose a call is Go's
      yield* goServer.shutdown
      const texts = Array.from({ length: 50 }, (_, index) => String(index))
      const [goAnswers, ourAnswers] = yield* Effect.all([
        Effect.forEach(texts, (text) => go.call("Echo", text), { concurrency: 8 }),
        Effect.forEach(texts, (value) => client.echo({ value }), { concurrency: 8 })
      ])
      const expected = texts.map((text) => `ours:${text}`)
      assert.deepStrictEqual(goAnswers, expected)
      assert.deepStrictEqual(
        ourAnswers.map(({ value }) => value),
        expected
      )
    })
  )
})
