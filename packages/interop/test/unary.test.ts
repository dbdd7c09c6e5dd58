import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Metadata, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Commands, UnaryMethod } from "../src/index.ts"
import {
  ask,
  eventually,
  goPeer,
  handlers,
  interop,
  methods,
  newService,
  newServiceName,
  onBus,
  report
} from "./support.ts"

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

const oddTopics: ReadonlyArray<ReadonlyArray<string>> = [
  ["eu-west"],
  [""],
  ["欧州"],
  ["🚀_É"],
  ["a|b.c *>"],
  ["REQ"],
  ["\ud800"],
  ["a", "b"],
  ["", "a"],
  ["a", ""],
  ["", ""],
  ["a", "", "b"]
]

/** The methods with a topic, for topics of any length. */
const withTopic = (name: string, parts: ReadonlyArray<string>) => {
  const names = parts.map((_, index) => `part${index}`)
  return Service.make(name, {
    regional: Rpc.unary({ request: StringValueSchema, response: StringValueSchema, topic: names }),
    reload: Rpc.unary({ request: StringValueSchema, response: StringValueSchema, topic: names, singleServer: true })
  })
}

const topicOf = (parts: ReadonlyArray<string>): Record<string, string> =>
  Object.fromEntries(parts.map((part, index) => [`part${index}`, part]))

interop("a topic is the same to both sides", (it) => {
  for (const parts of oddTopics) {
    it.effect(JSON.stringify(parts), () =>
      Effect.gen(function* () {
        const topic = topicOf(parts)
        const goServes = withTopic(newServiceName(), parts)
        const go = yield* goPeer(goServes)
        const server = yield* go.serve({ methods: [] })
        yield* server.register("Regional", parts)
        yield* server.register("Reload", parts)
        const client = yield* onBus(Client.make(goServes))
        assert.strictEqual((yield* client.regional({ value: "queue" }, { topic })).value, "go:queue")
        assert.strictEqual((yield* client.reload({ value: "single" }, { topic })).value, "go:single")

        const weServe = withTopic(newServiceName(), parts)
        const { regional, reload } = handlers
        yield* onBus(Server.make(weServe, { regional, reload }, { topics: { regional: [topic], reload: [topic] } }))
        const caller = yield* goPeer(weServe)
        assert.strictEqual(yield* caller.call("Regional", "queue", { topic: parts }), "ours:queue")
        assert.strictEqual(yield* caller.call("Reload", "single", { topic: parts }), "ours:single")
      })
    )
  }
})

interop("topics come and go while a server runs", (it) => {
  it.effect("a Go client reaches those that our server has registered at the time", () =>
    Effect.gen(function* () {
      const service = newService()
      const topics = { regional: [{ region: "eu" }] }
      const regional = Effect.fnUntraced(function* (_: unknown, call: Server.Call<{ readonly region: string }>) {
        return { value: call.topic.region }
      })
      const server = yield* onBus(Server.make(service, { ...handlers, regional }, { topics }))
      const go = yield* goPeer(service)
      const call = (region: string) => go.call("Regional", "", { topic: region })
      const refused = (region: string) =>
        Effect.map(Effect.flip(call(region)), (error) => "code" in error && error.code)

      assert.strictEqual(yield* call("eu"), "eu")
      assert.strictEqual(yield* refused("us"), "unavailable")
      yield* server.register("regional", { region: "us" })
      assert.strictEqual(yield* call("us"), "us")
      yield* server.deregister("regional", { region: "eu" })
      assert.strictEqual(yield* refused("eu"), "unavailable")
      assert.strictEqual(yield* call("us"), "us")
      yield* server.register("regional", { region: "eu" })
      assert.strictEqual(yield* call("eu"), "eu")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* server.register("regional", { region: "for a while" })
          assert.strictEqual(yield* call("for a while"), "for a while")
        })
      )
      assert.strictEqual(yield* refused("for a while"), "unavailable")
    })
  )

  it.effect("our client reaches those that a Go server has registered at the time", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const call = (region: string) => client.regional({ value: region }, { topic: { region } })

      yield* server.register("Regional", "eu")
      assert.strictEqual((yield* call("eu")).value, "go:eu")
      assert.strictEqual((yield* Effect.flip(call("us"))).code, "unavailable")
      yield* server.register("Regional", "us")
      assert.strictEqual((yield* call("us")).value, "go:us")
      yield* server.deregister("Regional", "eu")
      assert.strictEqual((yield* Effect.flip(call("eu"))).code, "unavailable")
      assert.strictEqual((yield* call("us")).value, "go:us")
    })
  )

  it.effect("a call that runs when its topic is deregistered is still answered", () =>
    Effect.gen(function* () {
      const service = newService()
      let release = false
      let running = false
      const server = yield* onBus(
        Server.make(
          service,
          {
            ...handlers,
            regional: (request) => {
              running = true
              return Effect.andThen(
                eventually(
                  Effect.sync(() => release),
                  (released) => released
                ),
                handlers.regional(request)
              )
            }
          },
          { topics: { regional: [{ region: "eu" }] } }
        )
      )
      const go = yield* goPeer(service)
      const params: Commands["call"]["params"] & { method: UnaryMethod } = {
        method: "Regional",
        request: "long",
        topic: "eu",
        timeoutMs: 10_000
      }
      const [{ text }] = yield* Effect.all(
        [
          go.command("call", params),
          Effect.gen(function* () {
            yield* eventually(
              Effect.sync(() => running),
              (is) => is
            )
            yield* server.deregister("regional", { region: "eu" })
            release = true
          })
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(text, "ours:long")
    })
  )

  it.effect("methods that are not served are unavailable, to either side", () =>
    Effect.gen(function* () {
      const service = newService()
      const { echo } = handlers
      yield* onBus(Server.make(Service.make(service.serviceName, { echo: methods.echo }), { echo }))
      const go = yield* goPeer(service)
      const error = yield* Effect.flip(go.call("Raw", ""))
      assert.strictEqual("code" in error && error.code, "unavailable")

      const other = newService()
      const peer = yield* goPeer(other)
      yield* peer.serve({ methods: ["Echo"] })
      const client = yield* onBus(Client.make(other))
      assert.strictEqual((yield* Effect.flip(client.raw({ value: "" }))).code, "unavailable")
    })
  )
})
