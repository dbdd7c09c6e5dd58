// One service, defined once: what servers answer and clients call.
import { Rpc, Service } from "@effect-psrpc/core"
import { Schema } from "effect"

export class Hello extends Schema.Class<Hello>("Hello")({ name: Schema.String }) {}
export class Reply extends Schema.Class<Reply>("Reply")({ text: Schema.String, server: Schema.String }) {}
export class Job extends Schema.Class<Job>("Job")({ id: Schema.Int }) {}
export class Load extends Schema.Class<Load>("Load")({ node: Schema.String, busy: Schema.Finite }) {}
export class JobDone extends Schema.Class<JobDone>("JobDone")({ id: Schema.Int, by: Schema.String }) {}

/** An error of the domain: it crosses the wire as itself, and a Go peer reads its code and message. */
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
  /** Whichever server is free answers. */
  hello: Rpc.unary({ request: Hello, response: Reply, error: NameTaken }),
  /** The server that fits best answers. */
  render: Rpc.unary({ request: Job, response: Reply, routing: "affinity" }),
  /** The one server of the node answers: nothing has to be claimed. */
  reload: Rpc.unary({ response: Reply, topic: ["node"], singleServer: true }),
  /** Every server answers. */
  load: Rpc.multi({ response: Load }),
  /** Messages both ways, with one server. */
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  /** Each update goes to one of those who listen. */
  jobDone: Rpc.subscription({ message: JobDone }),
  /** Each update goes to all who listen, region by region. */
  regionChanged: Rpc.subscription({ message: Schema.String, topic: ["region"], routing: "multi" })
}) {}
