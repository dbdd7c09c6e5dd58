import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Interceptor from "../../../src/Interceptor.ts"
import * as Metadata from "../../../src/Metadata.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as PsrpcTest from "../../../src/testing/PsrpcTest.ts"
import { start } from "../../helpers/harness.ts"
import { Greeter, GreeterClient } from "./greeter.ts"

class User extends Context.Service<User, string>()("test/User") {}
class Accounts extends Context.Service<Accounts, ReadonlyMap<string, string>>()("test/Accounts") {}

/** Provides handlers with the user of the token in the metadata. */
const authentication = Interceptor.provide(User, (call) =>
  Effect.flatMap(Accounts, (accounts) => {
    const user = accounts.get(call.header.metadata["token"] ?? "")
    return user === undefined
      ? Effect.fail(new PsrpcError.Unauthenticated({ message: "who are you?" }))
      : Effect.succeed(user)
  })
)

const server = {
  serverId: "a",
  interceptors: [authentication],
  handlers: {
    hello: (name: string) => Effect.map(User, (user) => `Hello ${name}, from ${user}`),
    chat: () => Effect.asVoid(User)
  }
} as const

const accounts = new Map([["t1", "Ada"]])

describe("interceptors of a test network", () => {
  it.effect("provide services to handlers, and get their own services from the test", () =>
    Effect.gen(function* () {
      const { calls, client } = yield* PsrpcTest.make(Greeter, [server])
      const as = Metadata.with({ token: "t1" })
      assert.strictEqual(yield* client.hello("Bob").pipe(as), "Hello Bob, from Ada")
      yield* Stream.runDrain(client.chat.through(Stream.empty)).pipe(as)
      const error = yield* Effect.flip(client.hello("Bob"))
      assert.strictEqual(error._tag, "Unauthenticated")
      assert.deepStrictEqual(
        calls("hello").map((call) => call.result?._tag),
        ["Success", "Failure"]
      )
    }).pipe(Effect.provideService(Accounts, accounts))
  )

  it.effect("run around faults, and after a restart of the server", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const noting = Interceptor.server((call, next) => (seen.push(call.method), next()))
      const { client, delay, fail, servers } = yield* PsrpcTest.make(Greeter, [
        { interceptors: [noting], handlers: { hello: (name) => Effect.succeed(name) } }
      ])
      yield* fail("hello", new PsrpcError.Aborted({ message: "" }), { times: 1 })
      assert.strictEqual((yield* Effect.flip(client.hello("Ada")))._tag, "Aborted")
      yield* servers[0].crash
      yield* servers[0].start
      yield* delay("hello", "1 second")
      const fiber = yield* start(client.hello("Ada"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "Ada")
      assert.deepStrictEqual(seen, ["Hello", "Hello"])
    })
  )

  const Network = PsrpcTest.layer(GreeterClient, [server], {
    client: {
      interceptors: [
        Interceptor.metadata(() =>
          Effect.map(Accounts, (known): Metadata.Metadata => ({ token: [...known.keys()][0] ?? "" }))
        )
      ]
    }
  })

  it.effect("can be those of the client", () =>
    Effect.gen(function* () {
      const greeter = yield* GreeterClient
      assert.strictEqual(yield* greeter.hello("Bob"), "Hello Bob, from Ada")
    }).pipe(Effect.provide(Network.pipe(Layer.provide(Layer.succeed(Accounts, accounts)))))
  )
})
