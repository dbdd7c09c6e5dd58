/** The service of the tests of PsrpcTest: every kind of method. */
import { Schema } from "effect"
import * as Client from "../../../src/Client.ts"
import * as Rpc from "../../../src/Rpc.ts"
import * as Service from "../../../src/Service.ts"

export class NameTaken extends Schema.TaggedError<NameTaken>()("NameTaken", { name: Schema.String }) {}

export class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String, error: NameTaken }),
  render: Rpc.unary({ request: Schema.Int, response: Schema.String, routing: "affinity" }),
  reload: Rpc.unary({ response: Schema.String, topic: ["node", "part"], singleServer: true }),
  mute: Rpc.unary({ topic: { room: Schema.FiniteFromString }, group: "room" }),
  speak: Rpc.unary({ response: Schema.Finite, topic: { room: Schema.FiniteFromString }, group: "room" }),
  stats: Rpc.multi({ request: Schema.String, response: Schema.Int }),
  chat: Rpc.stream({ send: Schema.Int, receive: Schema.String }),
  news: Rpc.subscription({ message: Schema.String, topic: ["paper"], routing: "multi" }),
  job: Rpc.subscription({ message: Schema.Int })
}) {}

export class GreeterClient extends Client.Service<GreeterClient>()("test/GreeterClient", Greeter) {}
