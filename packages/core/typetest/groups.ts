// What the compiler knows of topic groups, and of handlers that are not written yet.
import { Effect, type Layer, Schema, type Scope } from "effect"
import type { MessageBus } from "../src/MessageBus.ts"
import type * as PsrpcError from "../src/PsrpcError.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Server from "../src/Server.ts"
import * as Service from "../src/Service.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

const Region = Schema.Literals(["eu", "us"])

class Rooms extends Service.make("Rooms", {
  mute: Rpc.unary({ request: Schema.String, topic: ["room"], group: "room", singleServer: true }),
  who: Rpc.multi({ response: Schema.String, topic: ["room"], group: "room" }),
  events: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["room"], group: "room" }),
  load: Rpc.unary({ response: Schema.Int, topic: { region: Region }, group: "region", routing: "affinity" }),
  reload: Rpc.unary({ topic: ["node"], singleServer: true }),
  plain: Rpc.unary(),
  changed: Rpc.subscription({ topic: ["room"] })
}) {}

type Methods = Service.Methods<typeof Rooms>
same<Server.GroupOf<Methods>, "room" | "region">(true)
same<Server.TopicMethod<Methods>, "reload">(true)
same<Server.TopicOfGroup<Methods, "region">, { readonly region: "eu" | "us" }>(true)

declare const server: Server.Server<Methods>
const registered = server.registerGroup("room", { room: "lobby" })
same<typeof registered, Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope>>(true)
server.deregisterGroup("region", { region: "eu" })
// @ts-expect-error no such group
server.registerGroup("rooms", { room: "lobby" })
// @ts-expect-error no such region
server.registerGroup("region", { region: "asia" })
// @ts-expect-error another group's topic
server.registerGroup("room", { region: "eu" })
// @ts-expect-error a method of a group is registered with it
server.register("mute", { room: "lobby" })
// @ts-expect-error a subscription is not registered
server.register("changed", { room: "lobby" })

// Members of a group have the same topic parameters.
const a = Rpc.unary({ topic: ["room", "node"], group: "g" })
const otherName = Rpc.unary({ topic: ["room", "city"], group: "g" })
const otherOrder = Rpc.multi({ topic: ["node", "room"], group: "g" })
const otherGroup = Rpc.unary({ topic: ["city"], group: "h" })
const typed = Rpc.unary({ topic: { region: Region }, group: "g" })
const otherType = Rpc.unary({ topic: { region: Schema.FiniteFromString }, group: "g" })
// @ts-expect-error another name
Service.make("Rooms", { a, otherName })
// @ts-expect-error another order
Service.make("Rooms", { a, otherOrder })
// @ts-expect-error a group is registered by topic
Service.make("Rooms", { topicless: Rpc.unary({ group: "g" }) })
// @ts-expect-error another type
Service.make("Rooms", { typed, otherType })
// Names, and schemas of the same types, are the same; only lists have an order that types know of.
const named = Rpc.unary({ topic: ["a"], group: "s" })
const schema = Rpc.multi({ topic: { a: Schema.String }, group: "s" })
const twoNamed = Rpc.unary({ topic: ["a", "b"], group: "s" })
const twoSchemas = Rpc.multi({ topic: { b: Schema.String, a: Schema.String }, group: "s" })
const oneWithComma = Rpc.unary({ topic: ["a,b"], group: "s" })
const finite = Rpc.unary({ topic: { a: Schema.FiniteFromString }, group: "s" })
const literal = Rpc.unary({ topic: { a: Schema.Literal("x") }, group: "s" })
Service.make("Same", { named, schema })
Service.make("Same", { schema, named })
Service.make("Same", { twoNamed, twoSchemas })
// @ts-expect-error one more
Service.make("Differing", { schema, twoNamed })
// @ts-expect-error one more
Service.make("Differing", { named, twoSchemas })
// @ts-expect-error one name with a comma in it is not two
Service.make("Differing", { twoNamed, oneWithComma })
// @ts-expect-error a text and a number
Service.make("Differing", { named, finite })
// @ts-expect-error any text and one text
Service.make("Differing", { named, literal })
Service.make("Rooms", { a, b: a, otherGroup, reload: Rpc.unary({ topic: ["city"] }) })
// @ts-expect-error updates are not registered
Rpc.subscription({ topic: ["room"], group: "g" })

// Handlers that are not written yet need nothing, and leave those that are written their types.
type None = Layer.Layer<never, PsrpcError.PsrpcError, MessageBus>
const none = Server.layer(Rooms, Server.unimplemented(Rooms))
same<typeof none, None>(true)
const some = Server.layer(
  Rooms,
  {
    ...Server.unimplemented(Rooms),
    mute: (who, call) => {
      same<typeof who, string>(true)
      same<typeof call.topic, { readonly room: string }>(true)
      return Effect.void
    },
    load: { affinity: () => 1, handle: () => Effect.succeed(1) }
  },
  { groups: { room: [{ room: "lobby" }] }, topics: { reload: [{ node: "n1" }] } }
)
same<typeof some, None>(true)
// @ts-expect-error the wrong answer
Server.layer(Rooms, { ...Server.unimplemented(Rooms), load: { affinity: 1, handle: () => Effect.succeed("1") } })
// @ts-expect-error no method of the service
Server.layer(Rooms, { ...Server.unimplemented(Rooms), mutes: () => Effect.void })
// @ts-expect-error a subscription has no handler
Server.layer(Rooms, { ...Server.unimplemented(Rooms), changed: () => Effect.void })
// @ts-expect-error the topics of a group are given by group
Server.layer(Rooms, Server.unimplemented(Rooms), { topics: { mute: [{ room: "lobby" }] } })

// Topics of methods that have none, or that do not exist, are refused also where no method has a topic.
class Plain extends Service.make("Plain", { hello: Rpc.unary() }) {}
// @ts-expect-error no such method
Server.layer(Plain, { hello: () => Effect.void }, { topics: { hallo: [{ node: "n1" }] } })
// @ts-expect-error it has no topic
Server.layer(Plain, { hello: () => Effect.void }, { topics: { hello: [{}] } })
// @ts-expect-error no such group
Server.layer(Plain, { hello: () => Effect.void }, { groups: { room: [{ room: "lobby" }] } })
