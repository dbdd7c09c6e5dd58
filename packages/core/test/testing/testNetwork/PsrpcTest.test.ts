// A test network in the tests of a user's code.
import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Layer, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../../src/Client.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as Publisher from "../../../src/Publisher.ts"
import * as Rpc from "../../../src/Rpc.ts"
import * as Server from "../../../src/Server.ts"
import * as Service from "../../../src/Service.ts"
import * as PsrpcTest from "../../../src/testing/PsrpcTest.ts"
import { errorOf, settle, start } from "../../helpers/harness.ts"
import { Greeter, GreeterClient } from "./greeter.ts"

/** The code under test. */
const greet = Effect.fnUntraced(function* (name: string) {
  const greeter = yield* GreeterClient
  return yield* greeter.hello(name).pipe(Effect.retry({ times: 1 }))
})

const Network = PsrpcTest.layer(GreeterClient, [
  { serverId: "far", handlers: { hello: (name) => Effect.succeed(`Hello ${name}`) } },
  { serverId: "near", handlers: { render: (job) => Effect.succeed(`job ${job}`) }, affinity: 0.9 }
])

describe("a test network as a Layer", () => {
  it.effect("provides the client to the code under test, and the records to the test", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.network(GreeterClient)
      yield* network.fail("hello", new PsrpcError.Unavailable({ message: "busy" }), { times: 1 })
      yield* network.delay("hello", "200 millis")
      const fiber = yield* Effect.forkChild(greet("Ada"))
      yield* TestClock.adjust("400 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "Hello Ada")
      assert.deepStrictEqual(
        network.calls("hello").map((call) => [call.request, call.serverId, call.respondedAt]),
        [
          ["Ada", "far", 200],
          ["Ada", "far", 400]
        ]
      )
    }).pipe(Effect.provide(Network))
  )

  it.effect("is a new network each time it is provided", () =>
    Effect.gen(function* () {
      const count = Effect.gen(function* () {
        yield* greet("Ada")
        return (yield* PsrpcTest.network(Greeter)).calls().length
      })
      assert.strictEqual(yield* Effect.provide(count, Network), 1)
      assert.strictEqual(yield* Effect.provide(count, Network), 1)
    })
  )

  it.live("works on the live clock", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.network(Greeter)
      yield* network.delay("hello", "20 millis")
      const before = yield* Clock.currentTimeMillis
      assert.strictEqual(yield* greet("Ada"), "Hello Ada")
      const [call] = network.calls("hello")
      assert.isAtLeast(call!.sentAt, before)
      assert.isAtLeast(call!.respondedAt! - call!.sentAt, 19)
    }).pipe(Effect.provide(Network))
  )

  it.effect("shares its broker with other clients, servers and publishers of the code under test", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.network(Greeter)
      yield* Server.make(Service.pick(Greeter, "stats"), { stats: () => Effect.succeed(7) })
      const other = yield* Client.make(Greeter, { clientId: "other" })
      assert.strictEqual(yield* other.hello("Bob"), "Hello Bob")
      const responses = yield* Stream.runCollect(network.client.stats("all", { expect: 1 }))
      assert.deepStrictEqual(
        Array.from(responses, ({ result }) => result._tag === "Success" && result.success),
        [7]
      )
      const updates = yield* other.news({ topic: { paper: "x" } })
      yield* (yield* Publisher.make(Greeter)).news("new", { topic: { paper: "x" } })
      assert.deepStrictEqual(yield* Stream.runHead(updates), yield* Effect.succeedSome("new"))
      assert.deepStrictEqual(
        network.calls().map(({ clientId, method }) => [method, clientId === "other"]),
        [
          ["hello", true],
          ["stats", false]
        ]
      )
      assert.deepStrictEqual(
        network.updates().map(({ message, method }) => [method, message]),
        [["news", "new"]]
      )
    }).pipe(Effect.provide(Network))
  )
})

class Billing extends Service.make("Billing", { total: Rpc.unary({ response: Schema.Int }) }) {}
class BillingClient extends Client.Service<BillingClient>()("test/BillingClient", Billing) {}
class Prices extends Context.Service<Prices, { readonly one: number }>()("test/Prices") {}

const Both = Layer.merge(
  Network,
  PsrpcTest.layer(BillingClient, [
    {
      handlers: Effect.gen(function* () {
        const greeter = yield* Effect.serviceOption(GreeterClient)
        const { one } = yield* Prices
        return { total: () => Effect.succeed(greeter._tag === "None" ? one : 0) }
      })
    }
  ])
).pipe(Layer.provide(Layer.succeed(Prices, { one: 1 })))

layer(Both)("several services, one Layer for all tests", (it) => {
  it.effect("share one broker and one connection of the code under test", () =>
    Effect.gen(function* () {
      const billing = yield* BillingClient
      assert.strictEqual(yield* billing.total(), 1)
      const greeter = yield* PsrpcTest.network(Greeter)
      yield* greeter.connection.disconnect
      const call = yield* start(billing.total({ timeout: "1 second" }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(errorOf(call).reason, "connection")
    })
  )

  it.effect("are in their initial state after a reset", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.network(BillingClient)
      assert.strictEqual(network.calls().length, 1)
      yield* network.reset
      assert.strictEqual(network.calls().length, 0)
      assert.strictEqual(yield* network.client.total(), 1)
      assert.deepStrictEqual(
        network.calls("total").map((call) => call.serverId),
        ["server-1"]
      )
    })
  )
})

describe("servers of a test network", () => {
  it.effect("are selected by the affinities of their options, at the exact instant", () =>
    Effect.gen(function* () {
      const render = (name: string) => () => Effect.succeed(name)
      const network = yield* PsrpcTest.make(Greeter, [
        { handlers: { render: render("a") }, affinity: 0.2 },
        { handlers: { render: render("b") }, affinity: Effect.delay(Effect.succeed(0.9), "50 millis") },
        { handlers: { render: render("c") }, affinity: (call) => Number(call.header.metadata["c"] ?? -1) },
        { handlers: { render: { affinity: (job) => job / 10, handle: render("d") } }, affinity: 1 }
      ])
      const call = yield* start(network.client.render(3))
      yield* TestClock.adjust("199 millis")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(call), "b")
      const [record] = network.calls("render")
      assert.deepStrictEqual(record!.claims, [
        { serverId: "server-1", affinity: Math.fround(0.2), at: 0 },
        { serverId: "server-4", affinity: Math.fround(0.3), at: 0 },
        { serverId: "server-2", affinity: Math.fround(0.9), at: 50 }
      ])
      assert.strictEqual(record!.respondedAt, 200)

      const second = yield* start(network.client.render(1, { metadata: { c: "1" } }))
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* Fiber.join(second), "c")
    })
  )

  it.effect("have an affinity of 1 by default", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [{ handlers: { render: () => Effect.succeed("r") } }])
      const call = yield* start(network.client.render(1))
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* Fiber.join(call), "r")
      assert.strictEqual(network.calls("render")[0]!.claims[0]!.affinity, 1)
    })
  )

  it.effect("register the methods that have handlers", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [
        { handlers: { ...Server.unimplemented(Service.pick(Greeter, "hello")), render: undefined as never } }
      ])
      assert.strictEqual((yield* Effect.flip(network.client.hello("Ada")))._tag, "Unimplemented")
      assert.strictEqual((yield* Effect.flip(network.client.render(1))).reason, "no_listeners")
    })
  )

  it.effect("serve every kind of method", () =>
    Effect.gen(function* () {
      const network = yield* PsrpcTest.make(Greeter, [
        {
          handlers: {
            reload: (_, call) => Effect.succeed(`${call.topic.node}/${call.topic.part}`),
            mute: () => Effect.void,
            speak: (_, call) => Effect.succeed(call.topic.room),
            stats: () => Effect.succeed(1),
            chat: (stream) => Stream.runForEach(stream.messages, (n) => stream.send(`${n}!`))
          },
          topics: { reload: [{ node: "n1", part: "p" }] },
          groups: { room: [{ room: 7 }] }
        },
        { handlers: { stats: () => Effect.succeed(2) } }
      ])
      const { client, publisher } = network
      assert.strictEqual(yield* client.reload({ topic: { node: "n1", part: "p" } }), "n1/p")
      yield* client.mute({ topic: { room: 7 } })
      assert.strictEqual(yield* client.speak({ topic: { room: 7 } }), 7)
      const stats = yield* Stream.runCollect(Client.successes(client.stats("", { expect: 2 })))
      assert.deepStrictEqual(Array.from(stats).sort(), [1, 2])
      const responses = yield* Stream.runCollect(client.chat.through(Stream.make(1, 2)))
      assert.deepStrictEqual(Array.from(responses), ["1!", "2!"])
      const jobs = yield* client.job()
      yield* publisher.job(5)
      assert.deepStrictEqual(yield* Stream.runHead(jobs), yield* Effect.succeedSome(5))
    })
  )

  it.effect("take the methods of an object as handlers", () =>
    Effect.gen(function* () {
      class Handlers {
        readonly #greeting = "Hi"
        hello(name: string) {
          return Effect.succeed(`${this.#greeting} ${name}`)
        }
      }
      const network = yield* PsrpcTest.make(Greeter, [{ handlers: new Handlers() }])
      assert.strictEqual(yield* network.client.hello("Ada"), "Hi Ada")
    })
  )

  it.effect("are refused if their options are invalid", () =>
    Effect.gen(function* () {
      const hello = () => Effect.succeed("")
      const refused = Effect.fnUntraced(function* (servers: ReadonlyArray<unknown>) {
        const error = yield* Effect.flip(PsrpcTest.make(Greeter, servers as []))
        assert.strictEqual(error._tag, "InvalidArgument")
        return error.message
      })
      const one = { serverId: "a", handlers: { hello } }
      assert.include(yield* refused([one, one]), "two servers with the id a")
      assert.include(yield* refused([{ handlers: { hello, helo: hello } }]), `"helo"`)
      assert.include(yield* refused([{ handlers: { hello, news: hello } }]), `"news"`)
      assert.include(yield* refused([{ handlers: { hello: 1 } }]), "expected a function")
      assert.include(yield* refused([{ handlers: { hello }, topics: { reload: [{ node: "n" }] } }]), "reload")
      assert.include(yield* refused([{ handlers: { hello }, serverId: "" }]), "serverId")
    })
  )

  it.effect("end at once when the scope closes: running handlers are interrupted", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const interrupted: Array<string> = []
      const never = (name: string) => () =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push(name)))
      const network = yield* Scope.provide(
        PsrpcTest.make(Greeter, [{ handlers: { hello: never("hello"), chat: never("chat") } }]),
        scope
      )
      const call = yield* start(network.client.hello("Ada"))
      yield* start(Scope.provide(network.client.chat(), scope))
      yield* network.waitUntil(() => network.calls("chat").some(({ openedAt }) => openedAt !== undefined))
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.deepStrictEqual(interrupted.sort(), ["chat", "hello"])
      assert.include(["Canceled", "Unavailable"], errorOf(call)._tag)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )
})
