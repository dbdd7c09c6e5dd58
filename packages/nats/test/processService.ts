import { Rpc, Service } from "@effect-psrpc/core"
import { Schema } from "effect"

const call = Rpc.unary({ request: Schema.String, response: Schema.String })

/** Queue methods that different processes serve, and a queue subscription: one group on NATS. */
export class Works extends Service.make("Works", {
  one: call,
  two: call,
  three: call,
  done: Rpc.subscription({ message: Schema.String })
}) {}

export const methods = ["one", "two", "three"] as const
export type Method = (typeof methods)[number]

/** The same service, for a process that serves one method of it. */
export const parts = {
  one: Service.make("Works", { one: call }),
  two: Service.make("Works", { two: call }),
  three: Service.make("Works", { three: call })
}
