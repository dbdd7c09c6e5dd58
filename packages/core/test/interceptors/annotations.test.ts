import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Schema, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as Interceptor from "../../src/Interceptor.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Publisher from "../../src/Publisher.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, start } from "../helpers/harness.ts"

const Role = Context.Reference<string>("test/Role", { defaultValue: () => "anybody" })
const Audited = Context.Reference<boolean>("test/Audited", { defaultValue: () => false })

class Accounts extends Service.make("Accounts", {
  read: Rpc.unary({ request: Schema.String, response: Schema.String }),
  close: Rpc.unary({ request: Schema.String, response: Schema.String }).annotate(Role, "admin").annotate(Audited, true),
  count: Rpc.multi({ response: Schema.Int }).annotate(Role, "admin"),
  watch: Rpc.stream({ send: Schema.String, receive: Schema.String }).annotate(Role, "owner"),
  news: Rpc.subscription({ message: Schema.String }).annotateMerge(Context.make(Role, "reader"))
}).annotate(Role, "user") {}

const handlers = Accounts.of({
  read: (name) => Effect.succeed(name),
  close: (name) => Effect.succeed(name),
  count: () => Effect.succeed(1),
  watch: () => Effect.void
})

const roleOf = (call: Interceptor.CallInfo) => `${call.method} ${Context.get(call.annotations, Role)}`

describe("annotations", () => {
  it.effect("an interceptor of a server decides by the annotation of a method, and by that of its service", () =>
    Effect.gen(function* () {
      const authorization = Interceptor.server((call, next) =>
        call.header.metadata["role"] === Context.get(call.annotations, Role)
          ? next()
          : Effect.fail(new PsrpcError.PermissionDenied({ message: roleOf(call) }))
      )
      yield* Server.make(Accounts, handlers, { interceptors: [authorization] })
      const client = yield* Client.make(Accounts, { metadata: { role: "user" } })
      assert.strictEqual(yield* client.read("a"), "a")
      assert.strictEqual((yield* Effect.flip(client.close("a"))).message, "Close admin")
      assert.strictEqual(yield* client.close("a", { metadata: { role: "admin" } }), "a")
    }).pipe(onBus)
  )

  it.effect("interceptors of every kind see them, with the definition of the method", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const look = (side: string) => (call: Interceptor.CallInfo) =>
        Effect.sync(() => {
          const key = call.method[0]!.toLowerCase() + call.method.slice(1)
          assert.strictEqual(call.rpc, Accounts.methods[key as "read"] as Rpc.Any)
          seen.push(`${side}: ${roleOf(call)}`)
        })
      const atClient = Interceptor.hooks({ request: look("client") })
      yield* Server.make(Accounts, handlers, { interceptors: [Interceptor.hooks({ request: look("server") })] })
      const client = yield* Client.make(Accounts, { interceptors: [atClient] })
      const publisher = yield* Publisher.make(Accounts, {
        interceptors: [Interceptor.hooks({ request: look("publisher") })]
      })
      yield* client.close("a")
      yield* Stream.runDrain(client.count({ expect: 1 }))
      yield* client.watch()
      const news = yield* client.news()
      const first = yield* start(Stream.runHead(news))
      yield* publisher.news("")
      yield* Fiber.join(first)
      assert.deepStrictEqual(seen, [
        "client: Close admin",
        "server: Close admin",
        "client: Count admin",
        "server: Count admin",
        "client: Watch owner",
        "server: Watch owner",
        "client: News reader",
        "publisher: News reader"
      ])
    }).pipe(Effect.scoped, onBus)
  )

  it("annotate returns a new method, and a new service; the old ones stay as they were", () => {
    const read = Rpc.unary({ request: Schema.String })
    const annotated = read.annotate(Role, "admin")
    assert.isUndefined(Context.getOrUndefined(read.annotations as Context.Context<any>, Role))
    assert.strictEqual(Context.get(annotated.annotations, Role), "admin")
    assert.strictEqual(annotated.request, read.request)
    assert.strictEqual(annotated.kind, "unary")
    const plain = Service.make("Plain", { read })
    const withRole = plain.annotate(Role, "user")
    assert.strictEqual(Context.get(withRole.annotations, Role), "user")
    assert.strictEqual(Context.get(plain.annotations, Role), "anybody")
    assert.strictEqual(withRole.methods, plain.methods)
  })

  it("pick, omit and merge keep the annotations of the service", () => {
    assert.strictEqual(Context.get(Service.pick(Accounts, "read").annotations, Role), "user")
    assert.strictEqual(Context.get(Service.omit(Accounts, "read").annotations, Role), "user")
    const both = Service.merge(Service.pick(Accounts, "read"), Service.pick(Accounts, "close"))
    assert.deepStrictEqual(Object.keys(both.methods), ["read", "close"])
    assert.strictEqual(Context.get(both.annotations, Role), "user")
    assert.strictEqual(Context.get(both.methods.close.annotations, Audited), true)
  })

  it("merge throws for two services, and for a method that both parts have", () => {
    const other = Service.make("Other", { read: Rpc.unary() })
    assert.throws(
      () => Service.merge(Accounts, other as never),
      "Service.merge: expected two parts of one service, got Accounts and Other"
    )
    assert.throws(
      () => Service.merge(Accounts, Service.pick(Accounts, "read")),
      "Service.merge: both parts of Accounts have the method read"
    )
  })
})
