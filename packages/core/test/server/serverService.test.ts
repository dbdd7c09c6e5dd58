import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Client, LocalMessageBus, Rpc, Server, Service } from "../../src/index.ts"

class Rooms extends Service.make("Rooms", { mute: Rpc.unary({ topic: ["room"], singleServer: true }) }) {}
class RoomsServer extends Server.Service<RoomsServer>()("test/RoomsServer", Rooms) {}
class RoomsClient extends Client.Service<RoomsClient>()("test/RoomsClient", Rooms) {}
class Muted extends Context.Service<Muted, Array<string>>()("test/Muted") {}

const ServerLive = RoomsServer.layer(
  Effect.map(Muted, (muted) => Rooms.of({ mute: (_, call) => Effect.sync(() => void muted.push(call.topic.room)) }))
)
const Live = Layer.merge(ServerLive, RoomsClient.layer).pipe(
  Layer.provideMerge(Layer.sync(Muted, () => [])),
  Layer.provide(LocalMessageBus.layer)
)

describe("a server as a service", () => {
  it.effect("is the handle: a topic is served while its scope is open", () =>
    Effect.gen(function* () {
      const server = yield* RoomsServer
      const client = yield* RoomsClient
      const mute = client.mute({ topic: { room: "a" } })
      assert.strictEqual((yield* Effect.flip(mute))._tag, "Unavailable")
      yield* Effect.scoped(Effect.andThen(server.register("mute", { room: "a" }), mute))
      assert.strictEqual((yield* Effect.flip(mute))._tag, "Unavailable")
      assert.deepStrictEqual(yield* Muted, ["a"])
    }).pipe(Effect.provide(Live))
  )
})
