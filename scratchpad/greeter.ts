// The service of the demo, with every kind of method.
import { Rpc, Service } from "@effect-psrpc/core"
import { Schema } from "effect"

export class Hello extends Schema.Class<Hello>("Hello")({ name: Schema.String }) {}
export class Reply extends Schema.Class<Reply>("Reply")({ text: Schema.String, server: Schema.String }) {}
export class Job extends Schema.Class<Job>("Job")({ id: Schema.Int }) {}
export class Load extends Schema.Class<Load>("Load")({ node: Schema.String, busy: Schema.Finite }) {}
export class JobDone extends Schema.Class<JobDone>("JobDone")({ id: Schema.Int, by: Schema.String }) {}

/** A domain error. Callers receive an instance of this class; a Go peer reads its code and message. */
export class NameTaken extends Schema.TaggedError<NameTaken>()(
  "NameTaken",
  { wanted: Schema.String, holder: Schema.String },
  { psrpcCode: "already_exists" }
) {
  override get message() {
    return `${this.wanted} is ${this.holder}'s name`
  }
}

export class Greeter extends Service.make("Greeter", {
  /** One server responds. */
  hello: Rpc.unary({ request: Hello, response: Reply, error: NameTaken }),
  /** The server with the best claim responds. */
  render: Rpc.unary({ request: Job, response: Reply, routing: "affinity" }),
  /** The only server of the node responds, without a claim. */
  reload: Rpc.unary({ response: Reply, topic: ["node"], singleServer: true }),
  /** Every server responds. */
  load: Rpc.multi({ response: Load }),
  /** Messages in both directions, with one server. */
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  /** Each update goes to one subscriber. */
  jobDone: Rpc.subscription({ message: JobDone }),
  /** Each update goes to all subscribers of its region. */
  regionChanged: Rpc.subscription({ message: Schema.String, topic: ["region"], routing: "multi" })
}) {}
