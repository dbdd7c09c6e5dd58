import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { isRunning, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class Nodes extends Service.make("Nodes", {
  where: Rpc.unary({ response: Schema.String, topic: ["region", "node"] }),
  reload: Rpc.unary({
    response: Schema.String,
    topic: { shard: Schema.FiniteFromString },
    singleServer: true
  })
}) {}

const named = (name: string) => Nodes.of({ where: () => Effect.succeed(name), reload: () => Effect.succeed(name) })

const eu1 = { region: "eu", node: "n1" }
const us1 = { region: "us", node: "n1" }

describe("topics", () => {
  it.effect("a call reaches the servers of its topic and no others", () =>
    Effect.gen(function* () {
      yield* Server.make(Nodes, named("eu"), { topics: { where: [eu1, { region: "eu", node: "n2" }] } })
      yield* Server.make(Nodes, named("us"), { topics: { where: [us1] } })
      const client = yield* Client.make(Nodes)
      assert.strictEqual(yield* client.where({ topic: eu1 }), "eu")
      assert.strictEqual(yield* client.where({ topic: { region: "eu", node: "n2" } }), "eu")
      assert.strictEqual(yield* client.where({ topic: us1 }), "us")
      const error = yield* Effect.flip(client.where({ topic: { region: "us", node: "n2" } }))
      assert.strictEqual(error.reason, "no_listeners")
    }).pipe(onBus)
  )

  it.effect("servers on the same topic take turns", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b"]) yield* Server.make(Nodes, named(name), { topics: { where: [eu1] } })
      const client = yield* Client.make(Nodes)
      const answers = []
      for (let i = 0; i < 4; i++) answers.push(yield* client.where({ topic: eu1 }))
      assert.deepStrictEqual(answers, ["a", "b", "a", "b"])
    }).pipe(onBus)
  )

  it.effect("parameters go out in the order of the definition, sanitised", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      yield* Server.make(Nodes, named("a"), { topics: { where: [{ node: "n 1", region: "eu-west" }] } })
      const client = yield* Client.make(Nodes)
      yield* client.where({ topic: { node: "n 1", region: "eu-west" } })
      assert.strictEqual(traffic[0]?.channel, "Nodes|Where|euu+002dwest|nu+00201|REQ")
    }).pipe(onBus)
  )

  it.effect("values that differ where the names are joined do not meet", () =>
    Effect.gen(function* () {
      const topics = [
        { region: "a|b", node: "c" },
        { region: "a", node: "b|c" },
        { region: "", node: "a" },
        { region: "a", node: "" }
      ]
      for (const [i, topic] of topics.entries()) {
        yield* Server.make(Nodes, named(String(i)), { topics: { where: [topic] } })
      }
      const client = yield* Client.make(Nodes)
      for (const [i, topic] of topics.entries()) {
        assert.strictEqual(yield* client.where({ topic }), String(i))
      }
    }).pipe(onBus)
  )

  it.effect("a typed parameter has its own type on both sides, and its text on the wire", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      const reload = (_: void, call: Server.Call<{ readonly shard: number }>) =>
        Effect.succeed(`shard ${call.topic.shard + 1}`)
      yield* Server.make(Nodes, { where: named("a").where, reload }, { topics: { reload: [{ shard: 41 }] } })
      const client = yield* Client.make(Nodes)
      assert.strictEqual(yield* client.reload({ topic: { shard: 41 } }), "shard 42")
      assert.strictEqual(traffic[0]?.channel, "Nodes|Reload|41|REQ")
    }).pipe(onBus)
  )

  it.effect("a call with a topic that cannot be is refused before anything is sent", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      const client = yield* Client.make(Nodes)
      const wrong = [
        client.where(undefined as never),
        client.where({} as never),
        client.where({ topic: { region: "eu" } as never }),
        client.where({ topic: { region: "eu", node: 5 as never } }),
        client.reload({ topic: { shard: "41" as never } })
      ]
      for (const call of wrong) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.strictEqual(error.reason, "not_sent")
        assert.isFalse(error.mayHaveRun)
      }
      assert.match((yield* Effect.flip(wrong[2]!)).message, /Nodes\.Where: topic parameter "node"/)
      assert.strictEqual(traffic.length, 0)
    }).pipe(onBus)
  )

  it.effect("a registration with a topic that cannot be is refused", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Nodes, named("a"))
      const error = yield* Effect.flip(server.register("where", { region: "eu" } as never))
      assert.strictEqual(error._tag, "InvalidArgument")
      assert.include(error.message, `topic parameter "node"`)
      assert.strictEqual((yield* Effect.flip(server.register("nowhere" as never, {} as never)))._tag, "InvalidArgument")
      const options = { topics: { where: [{ region: "eu" } as never] } }
      assert.strictEqual((yield* Effect.flip(Server.make(Nodes, named("b"), options)))._tag, "InvalidArgument")
    }).pipe(onBus)
  )
})

describe("registrations", () => {
  it.effect("register serves a topic until its scope closes", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Nodes, named("a"))
      const client = yield* Client.make(Nodes)
      const call = client.where({ topic: eu1 })
      assert.strictEqual((yield* Effect.flip(call)).reason, "no_listeners")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* server.register("where", eu1)
          assert.strictEqual(yield* call, "a")
        })
      )
      assert.strictEqual((yield* Effect.flip(call)).reason, "no_listeners")
      yield* server.register("where", eu1)
      assert.strictEqual(yield* call, "a")
    }).pipe(onBus)
  )

  it.effect("the same topic twice on one server already exists; another topic, method or server does not", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Nodes, named("a"), { topics: { where: [eu1] } })
      const error = yield* Effect.flip(server.register("where", { ...eu1 }))
      assert.strictEqual(error._tag, "AlreadyExists")
      assert.include(error.message, "Nodes.Where is registered already")
      assert.isFalse(error.mayHaveRun)
      yield* server.register("where", us1)
      yield* server.register("reload", { shard: 1 })
      const other = yield* Server.make(Nodes, named("b"))
      yield* other.register("where", eu1)
      // and the refusal has not harmed the registration that is there
      const client = yield* Client.make(Nodes)
      assert.strictEqual(yield* client.where({ topic: eu1 }), "a")
    }).pipe(onBus)
  )

  it.effect("a refused registration's scope does not end the one that is there", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Nodes, named("a"), { topics: { where: [eu1] } })
      yield* Effect.exit(Effect.scoped(server.register("where", eu1)))
      const client = yield* Client.make(Nodes)
      assert.strictEqual(yield* client.where({ topic: eu1 }), "a")
    }).pipe(onBus)
  )

  it.effect("two topics given at once that are the same make the server fail, and leave nothing behind", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const made = Server.make(Nodes, named("a"), { topics: { where: [eu1, eu1] } })
      assert.strictEqual((yield* Effect.flip(Scope.provide(made, scope)))._tag, "AlreadyExists")
      yield* Scope.close(scope, Exit.void)
      const client = yield* Client.make(Nodes)
      assert.strictEqual((yield* Effect.flip(client.where({ topic: eu1 }))).reason, "no_listeners")
    }).pipe(onBus)
  )

  it.effect("deregister ends a registration, once, and without one does nothing", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Nodes, named("a"), { topics: { where: [eu1, us1] } })
      const client = yield* Client.make(Nodes)
      yield* server.deregister("where", eu1)
      yield* server.deregister("where", eu1)
      yield* server.deregister("where", { region: "mars", node: "n1" })
      assert.strictEqual((yield* Effect.flip(client.where({ topic: eu1 }))).reason, "no_listeners")
      assert.strictEqual(yield* client.where({ topic: us1 }), "a")
    }).pipe(onBus)
  )

  it.effect("a scope that ends after its topic was registered anew by another leaves that one alone", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(Nodes, named("a"))
      const client = yield* Client.make(Nodes)
      const first = yield* Scope.make()
      const register = server.register("where", eu1)
      yield* Scope.provide(register, first)
      yield* server.deregister("where", eu1)
      yield* register
      yield* Scope.close(first, Exit.void)
      assert.strictEqual(yield* client.where({ topic: eu1 }), "a")
    }).pipe(onBus)
  )

  for (const method of ["where", "reload"] as const) {
    it.effect(`deregister does not wait for running handlers of ${method}, which still answer`, () =>
      Effect.gen(function* () {
        const slow = () => Effect.delay(Effect.succeed("done"), 100)
        const server = yield* Server.make(
          Nodes,
          { where: slow, reload: slow },
          {
            topics: { where: [eu1], reload: [{ shard: 1 }] }
          }
        )
        const client = yield* Client.make(Nodes)
        const call = yield* start(
          method === "where" ? client.where({ topic: eu1 }) : client.reload({ topic: { shard: 1 } })
        )
        yield* settle
        yield* method === "where" ? server.deregister("where", eu1) : server.deregister("reload", { shard: 1 })
        assert.isTrue(isRunning(call))
        yield* TestClock.adjust(100)
        assert.strictEqual(yield* Fiber.join(call), "done")
      }).pipe(onBus)
    )
  }

  it.effect("a request that waits for its claim when its topic is deregistered is served", () =>
    Effect.gen(function* () {
      class Jobs extends Service.make("Jobs", {
        render: Rpc.unary({ response: Schema.String, topic: ["gpu"], routing: "affinity" })
      }) {}
      const render = { affinity: 0.5, handle: () => Effect.succeed("rendered") }
      const server = yield* Server.make(Jobs, { render }, { topics: { render: [{ gpu: "g1" }] } })
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.render({ topic: { gpu: "g1" } }))
      yield* TestClock.adjust(100)
      yield* server.deregister("render", { gpu: "g1" })
      // a new registration in the meantime takes new requests, and does not get in the way of the old ones
      yield* server.register("render", { gpu: "g1" })
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(call), "rendered")
    }).pipe(onBus)
  )

  it.effect("thousands of topics work, more than are kept ready", () =>
    Effect.gen(function* () {
      yield* Server.make(Nodes, named("a"), {
        topics: { reload: Array.from({ length: 2500 }, (_, shard) => ({ shard })) }
      })
      const client = yield* Client.make(Nodes)
      for (let shard = 0; shard < 2500; shard++) {
        assert.strictEqual(yield* client.reload({ topic: { shard } }), "a")
      }
      assert.strictEqual(yield* client.reload({ topic: { shard: 0 } }), "a")
    }).pipe(onBus)
  )
})
