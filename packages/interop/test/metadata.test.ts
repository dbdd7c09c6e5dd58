import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Metadata, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { openGo } from "./streamSupport.ts"
import { ask, eventually, goPeer, interop, methods, newServiceName, onBus, report } from "./support.ts"

const text = { request: StringValueSchema, response: StringValueSchema }

/** A method of each kind, under a name of the test's own. */
const newKinds = () =>
  Service.make(newServiceName(), {
    echo: methods.echo,
    statsAll: Rpc.multi(text),
    chat: Rpc.stream({ send: StringValueSchema, receive: StringValueSchema })
  })

/** Any strings, many entries, and the default maximum size of a client. */
const sets: Readonly<Record<string, Metadata.Metadata>> = {
  none: {},
  texts: {
    empty: "",
    ключ: "значение 🚀",
    "🚀": "\uffff",
    __proto__x: "__proto__",
    spaces: "  a  b  ",
    lines: "a\r\nb\tc",
    "x-odd!#$%&'*+.^_`|~": "\u0001\u007f\u0085",
    json: '{"a":"\\u0000"}'
  },
  many: Object.fromEntries(Array.from({ length: Metadata.maxEntries }, (_, i) => [`k${i}`, `v${i}`])),
  large: { k: "ü".repeat((Client.defaultMaxMetadataSize - 2) / 2), e: "" }
}

interop("metadata goes as it is", (it) => {
  it.effect("to a Go server, with every kind of call", () =>
    Effect.gen(function* () {
      const service = newKinds()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      for (const [name, metadata] of Object.entries(sets)) {
        const unary = yield* client.echo(ask({ do: "echo" }), { metadata })
        assert.deepStrictEqual(report(unary).metadata, metadata, `unary: ${name}`)
        const multi = yield* client
          .statsAll(ask({ do: "echo" }), { expect: 1 })
          .pipe(Client.successes, Metadata.with(metadata), Stream.runCollect)
        assert.deepStrictEqual(
          multi.map((answer) => report(answer).metadata),
          [metadata],
          `multi: ${name}`
        )
        const [opened] = yield* Effect.all(
          [go.event("streamOpened"), Effect.scoped(client.chat().pipe(Metadata.with(metadata)))],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(opened.metadata, metadata, `stream: ${name}`)
      }
    })
  )

  it.effect("from a Go client, with every kind of call", () =>
    Effect.gen(function* () {
      const service = newKinds()
      const seen: Array<readonly [method: string, metadata: Metadata.Metadata]> = []
      const see = (call: Server.Call<object>) =>
        Effect.sync(() => {
          seen.push([call.method, { ...call.header.metadata }])
          return { value: "" }
        })
      yield* onBus(
        Server.make(service, {
          echo: (_, call) => see(call),
          statsAll: (_, call) => see(call),
          chat: (_, call) => see(call)
        })
      )
      const go = yield* goPeer(service)
      for (const [name, metadata] of Object.entries(sets)) {
        yield* go.call("Echo", "", { metadata })
        yield* go.command("multi", { method: "StatsAll", request: "", metadata, timeoutMs: 200 })
        yield* openGo(go, "Chat", { metadata })
        // a handler of a stream starts once the stream is open
        yield* eventually(
          Effect.sync(() => seen.length),
          (count) => count === 3
        )
        assert.deepStrictEqual(
          seen,
          ["Echo", "StatsAll", "Chat"].map((method) => [method, metadata]),
          name
        )
        seen.length = 0
      }
    })
  )

  it.effect("from a Go client, also where a client of ours would not send it", () =>
    Effect.gen(function* () {
      const service = newKinds()
      const metadata = { "": "empty key", "a b": "c", "line\n": "d", nul: "\0", large: "x".repeat(100_000) }
      const seen: Array<Metadata.Metadata> = []
      const echo = (_: unknown, call: Server.Call<object>) =>
        Effect.sync(() => {
          seen.push({ ...call.header.metadata })
          return { value: "" }
        })
      yield* onBus(Server.make(service, { echo, statsAll: echo, chat: () => Effect.void }))
      const go = yield* goPeer(service)
      yield* go.call("Echo", "", { metadata })
      assert.deepStrictEqual(seen, [metadata])
    })
  )
})

interop("metadata of a Go caller", (it) => {
  it.effect("reaches a Go server behind our handler where that forwards it, and not otherwise", () =>
    Effect.gen(function* () {
      const name = newServiceName()
      // what is ours has a topic, what is Go's has none: so neither takes the other's requests
      const ours = Service.make(name, { regional: methods.regional })
      const client = yield* onBus(Client.make(Service.make(name, { echo: methods.echo })))
      const report = client.echo(ask({ do: "echo" }))
      yield* onBus(
        Server.make(
          ours,
          {
            regional: ({ value }) =>
              value === "all"
                ? Metadata.forward(report)
                : value === "some"
                  ? Metadata.forward(report, ["tenant", "traceparent"])
                  : report
          },
          { topics: { regional: [{ region: "eu" }] } }
        )
      )
      const go = yield* goPeer(ours)
      yield* go.serve({ methods: ["Echo"] })
      const metadata = { tenant: "acme", ключ: "значение 🚀", traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` }
      const asked = (how: string) =>
        Effect.map(go.call("Regional", how, { topic: "eu", metadata }), (answer) => JSON.parse(answer).metadata)
      const { traceparent, ...rest } = metadata
      assert.deepStrictEqual(yield* asked("none"), {})
      assert.deepStrictEqual(yield* asked("all"), rest)
      assert.deepStrictEqual(yield* asked("some"), { tenant: "acme", traceparent })
    })
  )
})
