import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
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
import { conversing, openGo } from "./streamSupport.ts"

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

  it.effect("our call that runs when a Go server deregisters its topic is still answered", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: [] })
      yield* server.register("Regional", "eu")
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds" }))
      const topic = { region: "eu" }
      const running = yield* Effect.forkChild(client.regional(ask({ do: "sleep", ms: 700, text: "long" }), { topic }))
      yield* eventually(server.handled, ({ running }) => running["Regional"] === 1)
      yield* server.deregister("Regional", "eu")
      assert.strictEqual((yield* Effect.flip(client.regional({ value: "" }, { topic }))).code, "unavailable")
      assert.strictEqual(report(yield* Fiber.join(running)).text, "long")
    })
  )

  it.effect("a topic group of ours comes and goes as a whole to a Go client, whatever the kinds of its methods", () =>
    Effect.gen(function* () {
      const text = StringValueSchema
      const topic = ["place"] as const
      const service = Service.make(newServiceName(), {
        regional: Rpc.unary({ request: text, response: text, topic, group: "place" }),
        reload: Rpc.unary({ request: text, response: text, topic, group: "place", singleServer: true }),
        stats: Rpc.multi({ request: text, response: text, topic, group: "place" }),
        room: Rpc.stream({ send: text, receive: text, topic, group: "place" })
      })
      const { regional, reload } = handlers
      const ours = { regional, reload, stats: regional, room: conversing.room }
      const server = yield* onBus(Server.make(service, ours, { groups: { place: [{ place: "a" }] } }))
      const go = yield* goPeer(service)
      const answers = (place: string) =>
        Effect.all(
          [
            Effect.result(go.call("Regional", "x", { topic: place, timeoutMs: 1500 })),
            Effect.result(go.call("Reload", "x", { topic: place, timeoutMs: 1500 })),
            Effect.map(
              go.command("multi", { method: "Stats", topic: place, request: "x", timeoutMs: 1000 }),
              (all) => all.length
            ),
            Effect.result(openGo(go, "Room", { topic: place, timeoutMs: 1500 }))
          ],
          { concurrency: "unbounded" }
        ).pipe(
          Effect.map(([queue, single, multi, stream]) => [
            Result.isSuccess(queue),
            Result.isSuccess(single),
            multi === 1,
            Result.isSuccess(stream)
          ])
        )
      const all = [true, true, true, true]
      const none = [false, false, false, false]
      assert.deepStrictEqual([yield* answers("a"), yield* answers("b")], [all, none])
      yield* server.registerGroup("place", { place: "b" })
      yield* server.deregisterGroup("place", { place: "a" })
      assert.deepStrictEqual([yield* answers("a"), yield* answers("b")], [none, all])
      // one that is there keeps all of the group out
      assert.strictEqual((yield* Effect.flip(server.registerGroup("place", { place: "b" }))).code, "already_exists")
      assert.deepStrictEqual(yield* answers("b"), all)
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
