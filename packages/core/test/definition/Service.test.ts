import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, Traffic } from "../helpers/harness.ts"

class Taken extends Schema.TaggedError<Taken>()("Taken", {}, { psrpcCode: "already_exists" }) {}
class Misspelt extends Schema.TaggedError<Misspelt>()("Misspelt", {}, { psrpcCode: "already_exist" as never }) {}

const text = Rpc.unary({ request: Schema.String, response: Schema.String })

describe("a definition", () => {
  it("has its name and its methods, as they are", () => {
    class Greeter extends Service.make("my_Greeter", { hello: text }) {}
    assert.strictEqual(Greeter.serviceName, "my_Greeter")
    assert.deepStrictEqual(Object.keys(Greeter.methods), ["hello"])
    assert.strictEqual(Greeter.methods.hello, text)
    const handlers = { hello: Effect.succeed<string> }
    assert.strictEqual(Greeter.of(handlers), handlers)
  })

  const wrong: ReadonlyArray<readonly [string, () => unknown, string]> = [
    ["without a name", () => Service.make("", {}), "a service needs a name"],
    [
      "with two methods of one wire name",
      () => Service.make("S", { sayHello: text, say_hello: text }),
      "service S, method say_hello: has the same wire name SayHello as sayHello"
    ],
    [
      "with a name that another key has",
      () => Service.make("S", { sayHello: text, other: Rpc.unary({ name: "SayHello" }) }),
      "service S, method other: has the same wire name SayHello as sayHello"
    ],
    [
      "with a method without a name",
      () => Service.make("S", { hello: Rpc.unary({ name: "" }) }),
      "service S, method hello: a method needs a name"
    ],
    [
      "with something that is no method",
      () => Service.make("S", { hello: Schema.String as never }),
      "service S, method hello: expected a method made by Rpc.unary, Rpc.multi, Rpc.stream or Rpc.subscription"
    ],
    ["with null for a method", () => Service.make("S", { hello: null as never }), "service S, method hello: expected"],
    [
      "with topic parameters that have no order",
      () => Service.make("S", { hello: Rpc.unary({ topic: { 1: Schema.String } as never }) }),
      `service S, method hello: topic parameter "1"`
    ],
    [
      "with two topic parameters of one name",
      () => Service.make("S", { hello: Rpc.unary({ topic: ["a", "a"] }) }),
      "service S, method hello: two topic parameters with one name: a, a"
    ],
    [
      "with a single server and affinity routing",
      () => Service.make("S", { hello: Rpc.unary({ singleServer: true as never, routing: "affinity" }) }),
      'service S, method hello: singleServer: true excludes routing: "affinity"'
    ],
    [
      "with a stream of a single server and affinity routing",
      () =>
        Service.make("S", {
          talk: Rpc.stream({ send: undefined, receive: undefined, singleServer: true as never, routing: "affinity" })
        }),
      'service S, method talk: singleServer: true excludes routing: "affinity"'
    ],
    [
      "with a typed error whose code is misspelt",
      () => Service.make("S", { hello: Rpc.unary({ error: Misspelt }) }),
      'service S, method hello: psrpcCode "already_exist" is not a code: expected one of canceled, '
    ],
    [
      "with a union of typed errors of which one has a misspelt code",
      () => Service.make("S", { hello: Rpc.unary({ error: Schema.Union([Taken, Misspelt]) }) }),
      'service S, method hello: psrpcCode "already_exist" is not a code'
    ],
    [
      "with a request that is no payload",
      () => Service.make("S", { hello: Rpc.unary({ request: {} as never }) }),
      "service S, method hello: "
    ]
  ]
  for (const [name, define, message] of wrong) {
    it(`${name} throws a TypeError that says where`, () => {
      assert.throws(define, TypeError, message)
    })
  }
})

describe("a part of a service", () => {
  class Whole extends Service.make("Whole", {
    one: text,
    two: Rpc.unary({ topic: ["node"] }),
    three: Rpc.unary({ routing: "affinity" })
  }) {}

  it("pick keeps the methods it names, omit the others, and both the service's name", () => {
    const picked = Service.pick(Whole, "three", "one")
    assert.strictEqual(picked.serviceName, "Whole")
    assert.deepStrictEqual(Object.keys(picked.methods).sort(), ["one", "three"])
    assert.strictEqual(picked.methods.one, Whole.methods.one)
    const rest = Service.omit(Whole, "three", "one")
    assert.strictEqual(rest.serviceName, "Whole")
    assert.deepStrictEqual(Object.keys(rest.methods), ["two"])
    assert.deepStrictEqual(Object.keys(Service.omit(Whole).methods).length, 3)
  })

  it("pick of a method that it does not have throws", () => {
    assert.throws(() => Service.pick(Whole, "four" as never), TypeError, "service Whole, method four")
    assert.throws(() => Service.pick(Whole, "constructor" as never), TypeError, "service Whole, method constructor")
  })

  it.effect("a server of some of the methods does not listen for the others", () =>
    Effect.gen(function* () {
      yield* Server.make(Service.pick(Whole, "one"), { one: Effect.succeed })
      const client = yield* Client.make(Whole)
      assert.strictEqual(yield* client.one("x"), "x")
      assert.strictEqual((yield* Effect.flip(client.three())).reason, "no_listeners")
    }).pipe(onBus)
  )
})

describe("method keys that mean something in JavaScript", () => {
  const key = "__proto__"
  const keys = "constructor toString valueOf hasOwnProperty then name length prototype".split(" ")
  const methods = Object.fromEntries([...keys, key].map((key) => [key, text]))

  it.effect("are called like others", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      class Odd extends Service.make("Odd", methods) {}
      const echo = (name: string) => (request: string) => Effect.succeed(`${name} ${request}`)
      const all = Object.keys(Odd.methods)
      assert.deepStrictEqual(all, [...keys, key])
      const handlers = Object.fromEntries(all.map((key) => [key, echo(key)]))
      yield* Server.make(Odd, handlers as never)
      const client: Record<string, (request: string) => Effect.Effect<string, unknown>> = (yield* Client.make(
        Odd
      )) as never
      for (const key of all) assert.strictEqual(yield* client[key]!("x"), `${key} x`)
      assert.include(
        traffic.map(({ channel }) => channel),
        "Odd|XProto__|REQ"
      )
    }).pipe(onBus)
  )

  it.effect("without handlers (without types) are missed by name, and nothing inherited is taken for one", () =>
    Effect.gen(function* () {
      for (const missing of ["constructor", "toString", "valueOf"] as const) {
        const service = Service.make("Odd", { [missing]: text })
        const error = yield* Effect.flip(Server.make(service, {} as never))
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, `the handler of ${missing} is none: expected a function`)
      }
    }).pipe(onBus)
  )

  it.effect("a client without such methods does not have them from elsewhere", () =>
    Effect.gen(function* () {
      class Plain extends Service.make("Plain", { hello: text }) {}
      const client = yield* Client.make(Plain)
      for (const key of ["constructor", "toString", "then", "__proto__"]) assert.isFalse(key in client)
    }).pipe(onBus)
  )

  it.effect("with topics need not be registered at once", () =>
    Effect.gen(function* () {
      const topical = Rpc.unary({ topic: ["node"] })
      class Odd extends Service.make("Odd", { constructor: topical, toString: topical, [key]: topical }) {}
      const handler = () => Effect.void
      const handlers = { constructor: handler, toString: handler, [key]: handler }
      for (const options of [{}, { topics: {} }]) {
        const server = yield* Server.make(Odd, handlers as never, options as {})
        yield* Effect.scoped(server.register("toString", { node: "n1" }))
      }
    }).pipe(onBus)
  )

  it.effect("as topic parameters are read from the topic alone", () =>
    Effect.gen(function* () {
      class Odd extends Service.make("Odd", {
        where: Rpc.unary({ response: Schema.String, topic: ["constructor", "toString"] })
      }) {}
      const topic = { constructor: "a", toString: "b" }
      const where = (_: void, call: Server.Call<unknown>) => Effect.succeed(JSON.stringify(call.topic))
      yield* Server.make(Odd, { where }, { topics: { where: [topic as never] } })
      const client = yield* Client.make(Odd)
      assert.strictEqual(yield* client.where({ topic: topic as never }), JSON.stringify(topic))
      const error = yield* Effect.flip(client.where({ topic: {} as never }))
      assert.strictEqual(error._tag, "InvalidArgument")
    }).pipe(onBus)
  )
})
