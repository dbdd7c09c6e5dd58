import { Client, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { goPeer, handlers, interop, newService, onBus } from "./support.ts"

/** Handlers that keep the texts they were given. */
const recording = () => {
  const handled: Array<string> = []
  const echo: typeof handlers.echo = (request) => {
    handled.push(request.value)
    return handlers.echo(request)
  }
  return { handled, handlers: { ...handlers, echo, regional: echo } }
}

interop("our server and a Go server in one queue", (it) => {
  it.effect("answer every call of both clients, each call by one of them, and both get some", () =>
    Effect.gen(function* () {
      const service = newService()
      const ours = recording()
      yield* onBus(Server.make(service, ours.handlers))
      const go = yield* goPeer(service)
      const goServer = yield* go.serve()
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds" }))
      const numbers = Array.from({ length: 100 }, (_, index) => index)

      // who is quicker to Redis gets the call: one round gives both some, as a rule
      for (let round = 0; round < 10; round++) {
        const ourTexts = numbers.map((n) => `ours, ${round}: ${n}`)
        const goTexts = numbers.map((n) => `go's, ${round}: ${n}`)
        const [toOurs, toGo] = yield* Effect.all(
          [
            Effect.forEach(ourTexts, (value) => client.echo({ value }), { concurrency: 10 }),
            Effect.forEach(goTexts, (text) => go.call("Echo", text, { timeoutMs: 10_000 }), { concurrency: 10 })
          ],
          { concurrency: "unbounded" }
        )
        const byGo = yield* goServer.texts("Echo")
        const answer = (text: string) => `${byGo.includes(text) ? "go" : "ours"}:${text}`
        assert.deepStrictEqual(
          toOurs.map(({ value }) => value),
          ourTexts.map(answer)
        )
        assert.deepStrictEqual(toGo, goTexts.map(answer))
        assert.strictEqual(ours.handled.length + byGo.length, 200 * (round + 1))
        assert.strictEqual(new Set([...ours.handled, ...byGo]).size, 200 * (round + 1))
        if (ours.handled.length > 0 && byGo.length > 0) return
      }
      assert.fail(`ours handled ${ours.handled.length} calls`)
    })
  )

  it.effect("handle each call once, also where several of a kind share a connection", () =>
    Effect.gen(function* () {
      const service = newService()
      const ours = recording()
      const topics = { topics: { regional: [{ region: "eu" }] } }
      yield* onBus(
        Effect.all([Server.make(service, ours.handlers, topics), Server.make(service, ours.handlers, topics)])
      )
      const go = yield* goPeer(service)
      for (const server of yield* Effect.all([go.serve(), go.serve()])) yield* server.register("Regional", "eu")
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds" }))
      const texts = Array.from({ length: 100 }, (_, index) => String(index))
      yield* Effect.all(
        [
          Effect.forEach(texts, (n) => client.regional({ value: `ours ${n}` }, { topic: { region: "eu" } }), {
            concurrency: 10
          }),
          Effect.forEach(texts, (n) => go.call("Regional", `go's ${n}`, { topic: "eu", timeoutMs: 10_000 }), {
            concurrency: 10
          })
        ],
        { concurrency: "unbounded" }
      )
      const byGo = (yield* go.command("handled", { texts: true })).texts?.["Regional"] ?? []
      assert.deepStrictEqual(
        [...ours.handled, ...byGo].toSorted(),
        texts.flatMap((n) => [`ours ${n}`, `go's ${n}`]).toSorted()
      )
    })
  )

  it.effect("answer the same text asked for again and again, each time", () =>
    Effect.gen(function* () {
      const service = newService()
      const ours = recording()
      yield* onBus(Server.make(service, ours.handlers))
      const go = yield* goPeer(service)
      const goServer = yield* go.serve()
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds" }))
      const fifty = Array.from({ length: 50 })
      yield* Effect.all(
        [
          Effect.forEach(fifty, () => client.echo({ value: "again" }), { concurrency: "unbounded" }),
          Effect.forEach(fifty, () => go.call("Echo", "again", { timeoutMs: 10_000 }), { concurrency: "unbounded" })
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(ours.handled.length + (yield* goServer.texts("Echo")).length, 100)
    })
  )
})
