// Generated services, running.
import { create, getOption } from "@bufbuild/protobuf"
import { timestampFromMs } from "@bufbuild/protobuf/wkt"
import { Client, LocalMessageBus, MessageBus, Publisher, Server, Service } from "@effect-psrpc/core"
import { options, Routing } from "@effect-psrpc/core/options_pb.js"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { Kinds, KindsClient } from "./gen/ts/kinds/service_psrpc.ts"
import { OtherTopics, Topics } from "./gen/ts/kinds/topics_psrpc.ts"
import {
  Client as ClientService,
  JavaScript,
  JavaScriptClient,
  Service as ServiceService,
  XMyService
} from "./gen/ts/names/odd_psrpc.ts"
import { Svc, SvcClient } from "./gen/ts/names/no_package_psrpc.ts"
import { Config } from "./gen/ts/sets/both_psrpc.ts"
import { Empty } from "./gen/ts/sets/empty_service_psrpc.ts"
import { Colour, ValueSchema } from "./gen/ts/types/values_pb.ts"
import { Values } from "./gen/ts/types/values_psrpc.ts"
import { NodeId } from "./topics.ts"

/** The channels that are published on. */
class Traffic extends Context.Service<Traffic, Array<string>>()("test/Traffic") {}

const Bus = Layer.effectContext(
  Effect.gen(function* () {
    const bus = yield* MessageBus.MessageBus
    const traffic: Array<string> = []
    const target: typeof bus.target = (channel, options) => {
      traffic.push(channel.name)
      return bus.target(channel, options)
    }
    return Context.make(Traffic, traffic).pipe(Context.add(MessageBus.MessageBus, { ...bus, target }))
  })
).pipe(Layer.provide(LocalMessageBus.layer))

const onBus = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(Effect.scoped(effect), Bus)

describe("a generated service", () => {
  it("has the descriptors of its methods, with their options", () => {
    for (const [key, { desc, name }] of Object.entries(Kinds.methods)) {
      assert.strictEqual(desc?.name, name, key)
      assert.strictEqual(desc?.parent.typeName, "acme.kinds.Kinds")
    }
    assert.strictEqual(getOption(Kinds.methods.intensiveRPC.desc!, options).type, Routing.AFFINITY)
    assert.strictEqual(getOption(Kinds.methods.getStats.desc!, options).type, Routing.MULTI)
  })

  it.live("has every kind of method, with its topics", () =>
    Effect.gen(function* () {
      const updates = yield* Publisher.make(Kinds)
      const node = { node: "n1" }
      const server = yield* Server.make(
        Kinds,
        Kinds.of({
          normalRPC: ({ text }) => Effect.succeed({ text: `normal ${text}` }),
          intensiveRPC: { affinity: 0.5, handle: ({ text }) => Effect.succeed({ text: `intensive ${text}` }) },
          getStats: ({ text }) => Effect.succeed({ text: `stats ${text}` }),
          exchangeUpdates: (stream) => Stream.runForEach(stream.messages, ({ text }) => stream.send({ text })),
          exchangeWithBest: {
            affinity: 1,
            handle: (stream) => Stream.runForEach(stream.messages, ({ text }) => stream.send({ text }))
          },
          exchangeWithNode: (stream, call) =>
            Stream.runForEach(stream.messages, ({ text }) => stream.send({ text: `${text} at ${call.topic.node}` })),
          getRegionStats: ({ text }, call) => Effect.succeed({ text: `${text} in ${call.topic.topic}` }),
          reloadNode: (_, call) => updates.processUpdate({ text: `${call.topic.node} reloads` }),
          getNodeStats: ({ text }, call) => Effect.succeed({ text: `${text} of ${call.topic.node}` }),
          only: ({ text }) => Effect.succeed({ text: `only ${text}` }),
          nothing: () => Effect.succeed({ text: "nothing" }),
          idle: () => Effect.void
        }),
        { topics: { getRegionStats: [{ topic: "eu" }] } }
      )
      yield* server.registerGroup("node", node)
      const client = yield* KindsClient
      const text = "x"
      const textOf = (message: { readonly text: string }): string => message.text
      const first = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
        Effect.map(Stream.runCollect(Stream.take(stream, 1)), ([a]) => a!)
      const answers: Record<string, string> = {
        normalRPC: textOf(yield* client.normalRPC({ text })),
        intensiveRPC: textOf(yield* client.intensiveRPC({ text })),
        getStats: textOf(yield* first(Client.successes(client.getStats({ text }, { expect: 1 })))),
        getRegionStats: textOf(
          yield* first(Client.successes(client.getRegionStats({ text }, { expect: 1, topic: { topic: "eu" } })))
        ),
        getNodeStats: textOf(yield* first(Client.successes(client.getNodeStats({ text }, { expect: 1, topic: node })))),
        only: textOf(yield* client.only({ text })),
        nothing: textOf(yield* client.nothing()),
        exchangeUpdates: textOf(yield* first(client.exchangeUpdates.through(Stream.make({ text })))),
        exchangeWithBest: textOf(yield* first(client.exchangeWithBest.through(Stream.make({ text })))),
        exchangeWithNode: textOf(yield* first(client.exchangeWithNode.through(Stream.make({ text }), { topic: node })))
      }
      assert.deepStrictEqual(answers, {
        normalRPC: "normal x",
        intensiveRPC: "intensive x",
        getStats: "stats x",
        getRegionStats: "x in eu",
        getNodeStats: "x of n1",
        only: "only x",
        nothing: "nothing",
        exchangeUpdates: "x",
        exchangeWithBest: "x",
        exchangeWithNode: "x at n1"
      })
      const processed = yield* client.processUpdate()
      yield* client.reloadNode({ topic: node })
      assert.strictEqual(textOf(yield* first(processed)), "n1 reloads")
      const place = { region: "eu", node: "n1" }
      const regional = yield* client.updateRegionState({ topic: place })
      yield* updates.updateRegionState({ text: "up" }, { topic: place })
      assert.strictEqual(textOf(yield* first(regional)), "up")
      const changed = yield* client.nodeChanged({ topic: { city: "Oslo" } })
      yield* updates.nodeChanged({ topic: { city: "Oslo" } })
      assert.isUndefined(yield* first(changed))
      const idle = yield* client.idle()
      yield* Stream.runDrain(idle.messages)
      const traffic = yield* Traffic
      for (const channel of [
        "Kinds|NormalRPC|REQ",
        "Kinds|GetRegionStats|eu|REQ",
        "Kinds|ReloadNode|n1|REQ",
        "Kinds|UpdateRegionState|eu|n1|REQ"
      ]) {
        assert.include(traffic, channel)
      }
    }).pipe(Effect.provide(KindsClient.layer), onBus)
  )

  it.live("calls methods whatever their names mean to JavaScript", () =>
    Effect.gen(function* () {
      const keys = Object.keys(JavaScript.methods) as Array<keyof typeof JavaScript.methods>
      const handlers = Object.fromEntries(keys.map((key, i) => [key, () => Effect.succeed({ size: i })]))
      yield* Server.make(JavaScript, handlers as never)
      // a promise of it is a promise of it, and not of what `then` would say
      const client = yield* JavaScriptClient.pipe(Effect.flatMap((it) => Effect.promise(() => Promise.resolve(it))))
      for (const key of keys) yield* client[key]({})
      const traffic = yield* Traffic
      for (const name of ["Constructor", "Then", "ToString", "XProto__", "Class", "HasOwnProperty"]) {
        assert.include(traffic, `JavaScript|${name}|REQ`)
      }
    }).pipe(Effect.provide(JavaScriptClient.layer), onBus)
  )

  it.live("has the topics' own types", () =>
    Effect.gen(function* () {
      const place = { region: "eu", nodeId: NodeId.make("n1") } as const
      const server = yield* Server.make(
        Service.pick(Topics, "move", "moveAll", "visit"),
        {
          move: (_, call) => Effect.succeed({ name: `${call.topic.region}/${call.topic.nodeId}` }),
          moveAll: () => Effect.succeed({}),
          visit: () => Effect.void
        },
        { topics: { move: [place] } }
      )
      yield* server.registerGroup("nodes", place)
      const client = yield* Client.make(Topics)
      assert.strictEqual((yield* client.move({}, { topic: place })).name, "eu/n1")
      const nowhere = { region: "moon" as "eu", nodeId: NodeId.make("n1") }
      const error = yield* Effect.flip(client.move({}, { topic: nowhere }))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(error.message, 'topic parameter "region"')
      assert.deepStrictEqual(Object.keys(OtherTopics.methods.move.topic), ["region"])
      assert.notStrictEqual<unknown>(OtherTopics.methods.move.topic.region, Topics.methods.move.topic.region)
    }).pipe(onBus)
  )

  it.live("carries 64-bit integers, oneofs, maps of messages and what is optional", () =>
    Effect.gen(function* () {
      yield* Server.make(Values, { echo: Effect.succeed })
      const client = yield* Client.make(Values)
      const value = {
        signed: -(2n ** 63n),
        unsigned: 2n ** 64n - 1n,
        fixed: 1n,
        asText: "-9007199254740993",
        choice: { case: "value", value: { choice: { case: "text", value: "deep" } } },
        values: { a: { signed: 1n }, b: {} },
        blobs: { "-1": new Uint8Array([1, 2]) },
        maybe: "",
        colours: [Colour.RED]
      } as const
      const answer = yield* client.echo({ ...value, colours: [...value.colours] })
      assert.deepStrictEqual(answer, create(ValueSchema, { ...value, colours: [...value.colours] } as never))
      assert.isUndefined((yield* client.echo({})).maybe)
      const changes = yield* client.changed()
      const updates = yield* Publisher.make(Values)
      yield* updates.changed({ unsigned: 2n ** 63n })
      const [change] = yield* Stream.runCollect(Stream.take(changes, 1))
      assert.strictEqual(change?.unsigned, 2n ** 63n)
    }).pipe(onBus)
  )

  it.live("takes messages of other packages, and well-known ones", () =>
    Effect.gen(function* () {
      yield* Server.make(Service.pick(Config, "take", "takePart", "reload", "when", "name"), {
        take: ({ part }) => Effect.succeed({ text: part?.text ?? "" }),
        takePart: ({ text }) => Effect.succeed({ text }),
        reload: () => Effect.void,
        when: (time) => Effect.succeed({ seconds: time.seconds }),
        name: ({ value }) => Effect.succeed({ value: BigInt(value) })
      })
      const client = yield* Client.make(Config)
      assert.strictEqual((yield* client.take({ part: { text: "left" } })).text, "left")
      assert.strictEqual((yield* client.takePart({ text: "part" })).text, "part")
      assert.isUndefined(yield* client.reload())
      assert.strictEqual((yield* client.when(timestampFromMs(5000))).seconds, 5n)
      assert.strictEqual((yield* client.name({ value: "12" })).value, 12n)
    }).pipe(onBus)
  )

  it("has Go's names on the wire, and keys in the context that nobody else has", () => {
    const wire = (service: { readonly serviceName: string; readonly methods: Service.AnyMethods }) => [
      service.serviceName,
      Object.values(service.methods).map(({ name }) => name)
    ]
    assert.deepStrictEqual(wire(XMyService), [
      "XMyService",
      [
        "SnakeCaseMethod",
        "XUnderScore",
        "Get_2Fa",
        "V2",
        "A_1B",
        "Double_Under",
        "Trailing_",
        "SCREAMING_SNAKE",
        "CamelCase"
      ]
    ])
    assert.deepStrictEqual(wire(Svc), ["Svc", ["Send"]])
    assert.deepStrictEqual(wire(Empty), ["Empty", []])
    assert.strictEqual(SvcClient.key, "SvcClient")
    assert.strictEqual(KindsClient.key, "acme.kinds/KindsClient")
    assert.strictEqual(JavaScriptClient.key, "acme.odd_names.v1/JavaScriptClient")
    assert.deepStrictEqual([ClientService.serviceName, ServiceService.serviceName], ["Client", "Service"])
  })

  it.live("without methods is served and called by nobody", () =>
    Effect.gen(function* () {
      yield* Server.make(Empty, {})
      assert.deepStrictEqual(Object.keys(yield* Client.make(Empty)), [])
    }).pipe(onBus)
  )
})
