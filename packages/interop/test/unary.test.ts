import { Client, Metadata, Server } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ask, eventually, goPeer, handlers, interop, newService, onBus, report } from "./support.ts"

interop("our client calls a Go server", (it) => {
  it.effect("of a queue method, and gets its answer", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.strictEqual((yield* client.echo({ value: "hello" })).value, "go:hello")
    })
  )

  it.effect("of an affinity method, and gets its answer", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve({ affinity: 0.3 })
      const client = yield* onBus(Client.make(service))
      assert.strictEqual((yield* client.work({ value: "job" })).value, "go:job")
    })
  )

  it.effect("of several in a queue, and one of them runs each call", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const other = yield* goPeer(service)
      yield* Effect.all([go.serve(), go.serve(), other.serve()])
      const client = yield* onBus(Client.make(service))
      const texts = Array.from({ length: 60 }, (_, index) => `call ${index}`)
      const answers = yield* Effect.forEach(texts, (value) => client.echo({ value }), { concurrency: 10 })
      assert.deepStrictEqual(
        answers.map(({ value }) => value),
        texts.map((text) => `go:${text}`)
      )
      const handled = yield* Effect.all([
        go.command("handled", { texts: true }),
        other.command("handled", { texts: true })
      ])
      assert.deepStrictEqual(handled.flatMap(({ texts }) => texts?.["Echo"] ?? []).toSorted(), texts.toSorted())
    })
  )

  it.effect("of a topic, and no other topic's server runs it", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const eu = yield* go.serve()
      const us = yield* go.serve()
      yield* Effect.all([eu.register("Regional", "eu"), us.register("Regional", "us")])
      const client = yield* onBus(Client.make(service))
      const answer = yield* client.regional(ask({ do: "echo" }), { topic: { region: "us" } })
      assert.strictEqual(report(answer).serverId, us.serverId)
    })
  )

  it.effect("of a topic with a single server, which does not claim", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const n1 = yield* go.serve()
      const n2 = yield* go.serve()
      yield* Effect.all([n1.register("Reload", "n1"), n2.register("Reload", "n2")])
      const client = yield* onBus(Client.make(service))
      const answer = yield* client.reload(ask({ do: "echo" }), { topic: { node: "n2" } })
      assert.strictEqual(report(answer).serverId, n2.serverId)
    })
  )

  it.effect("which sees the caller's metadata, those of the client, of the fiber and of the call", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service, { metadata: { app: "web", tenant: "none" } }))
      const answer = yield* client
        .echo(ask({ do: "echo" }), { metadata: { trace: "t-1", empty: "", ключ: "значение 🚀" } })
        .pipe(Metadata.with({ tenant: "acme", trace: "t-0" }))
      assert.deepStrictEqual(report(answer).metadata, {
        app: "web",
        tenant: "acme",
        trace: "t-1",
        empty: "",
        ключ: "значение 🚀"
      })
    })
  )

  it.effect("which sees no metadata where there are none", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.deepStrictEqual(report(yield* client.echo(ask({ do: "echo" }))).metadata, {})
    })
  )

  it.effect("which sees who calls, when, and until when", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service, { clientId: "CLI_of_the_test" }))
      const before = Date.now()
      const seen = report(yield* client.echo(ask({ do: "echo" }), { timeout: "7 seconds" }))
      const sentAt = Number(BigInt(seen.sentAt) / 1_000_000n)
      assert.strictEqual(seen.remoteId, "CLI_of_the_test")
      assert.isTrue(before <= sentAt && sentAt <= Date.now(), `sent at ${sentAt}, called at ${before}`)
      assert.isTrue(4000 < seen.deadlineMs && seen.deadlineMs <= 7000, `${seen.deadlineMs} ms left`)
    })
  )

  it.effect("with 200 calls in flight at once, and each gets its own answer", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds" }))
      const calls = Array.from({ length: 200 }, (_, index) => String(index))
      const [answers] = yield* Effect.all(
        [
          Effect.forEach(
            calls,
            (text) => Effect.map(client.echo(ask({ do: "sleep", ms: 1500, text })), (answer) => report(answer).text),
            { concurrency: "unbounded" }
          ),
          eventually(server.handled, ({ running }) => running["Echo"] === calls.length)
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, calls)
    })
  )
})

interop("a Go client calls our server", (it) => {
  it.effect("of a queue method, and gets its answer", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(Server.make(service, handlers))
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Echo", "hello"), "ours:hello")
    })
  )

  it.effect("of an affinity method, and gets its answer", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(Server.make(service, { ...handlers, work: { affinity: 0.3, handle: handlers.echo } }))
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Work", "job"), "ours:job")
    })
  )

  it.effect("of several in a queue, and one of them runs each call", () =>
    Effect.gen(function* () {
      const service = newService()
      const handled: Array<string> = []
      const echo: typeof handlers.echo = (request) => {
        handled.push(request.value)
        return handlers.echo(request)
      }
      for (let server = 0; server < 3; server++) yield* onBus(Server.make(service, { ...handlers, echo }))
      const go = yield* goPeer(service)
      const texts = Array.from({ length: 60 }, (_, index) => `call ${index}`)
      const answers = yield* Effect.forEach(texts, (text) => go.call("Echo", text), { concurrency: 10 })
      assert.deepStrictEqual(
        answers,
        texts.map((text) => `ours:${text}`)
      )
      assert.deepStrictEqual(handled.toSorted(), texts.toSorted())
    })
  )

  it.effect("of a topic, and the handler knows which", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(
        Server.make(
          service,
          { ...handlers, regional: (_, call) => Effect.succeed({ value: call.topic.region }) },
          { topics: { regional: [{ region: "eu" }, { region: "us" }] } }
        )
      )
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Regional", "", { topic: "us" }), "us")
      assert.strictEqual(yield* go.call("Regional", "", { topic: "eu" }), "eu")
    })
  )

  it.effect("of a topic with a single server, which does not claim", () =>
    Effect.gen(function* () {
      const service = newService()
      for (const node of ["n1", "n2"]) {
        const reload = () => Effect.succeed({ value: `reloaded ${node}` })
        yield* onBus(Server.make(service, { ...handlers, reload }, { topics: { reload: [{ node }] } }))
      }
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Reload", "", { topic: "n2" }), "reloaded n2")
    })
  )

  it.effect("which sees the caller's metadata", () =>
    Effect.gen(function* () {
      const service = newService()
      const seen: Array<Metadata.Metadata> = []
      yield* onBus(
        Server.make(service, {
          ...handlers,
          echo: (request, call) => {
            seen.push({ ...call.header.metadata })
            return handlers.echo(request)
          }
        })
      )
      const go = yield* goPeer(service)
      const metadata = { tenant: "acme", empty: "", ключ: "значение 🚀" }
      yield* go.call("Echo", "", { metadata })
      yield* go.call("Echo", "")
      assert.deepStrictEqual(seen, [metadata, {}])
    })
  )

  it.effect("which sees who calls, when, and until when", () =>
    Effect.gen(function* () {
      const service = newService()
      const calls: Array<{ readonly header: Metadata.Header; readonly deadline: number; readonly method: string }> = []
      yield* onBus(
        Server.make(service, {
          ...handlers,
          echo: (request, call) => {
            calls.push(call)
            return handlers.echo(request)
          }
        })
      )
      const go = yield* goPeer(service, { clientId: "CLI_of_the_test" })
      const before = Date.now()
      yield* go.call("Echo", "", { timeoutMs: 7000 })
      const { deadline, header, method } = calls[0]!
      assert.strictEqual(method, "Echo")
      assert.strictEqual(header.remoteId, "CLI_of_the_test")
      // a clock that has nanoseconds reads a little more than one that has milliseconds
      assert.isTrue(before <= header.sentAt + 1 && header.sentAt <= Date.now(), `sent at ${header.sentAt}`)
      assert.approximately(header.expiry - header.sentAt, 7000, 0.01)
      assert.strictEqual(deadline, header.expiry)
    })
  )

  it.effect("whose calls inside do not wait past the Go caller's deadline", () =>
    Effect.gen(function* () {
      const service = newService()
      const inner = newService()
      const behind = yield* goPeer(inner)
      yield* behind.serve()
      const client = yield* onBus(Client.make(inner, { timeout: "20 seconds" }))
      yield* onBus(Server.make(service, { ...handlers, echo: () => client.echo(ask({ do: "echo" })) }))
      const go = yield* goPeer(service)
      const answer = yield* go.call("Echo", "", { timeoutMs: 4000 })
      const { deadlineMs } = report({ value: answer })
      assert.isTrue(0 < deadlineMs && deadlineMs <= 4000, `${deadlineMs} ms left`)
    })
  )

  it.effect("with 200 calls in flight at once, and each gets its own answer", () =>
    Effect.gen(function* () {
      const service = newService()
      const calls = Array.from({ length: 200 }, (_, index) => String(index))
      let inHand = 0
      yield* onBus(
        Server.make(service, {
          ...handlers,
          // nobody is answered before everybody is there
          echo: (request) => {
            inHand++
            return Effect.andThen(
              eventually(
                Effect.sync(() => inHand),
                (count) => count === calls.length
              ),
              handlers.echo(request)
            )
          }
        })
      )
      const go = yield* goPeer(service)
      const answers = yield* Effect.forEach(calls, (text) => go.call("Echo", text, { timeoutMs: 10_000 }), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        answers,
        calls.map((text) => `ours:${text}`)
      )
    })
  )
})
