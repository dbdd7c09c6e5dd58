// Handlers that an Effect makes have their types without an annotation under TypeScript 7; 5.9 infers none there, so its check leaves this file out.
import { Context, Effect, Schema } from "effect"
import { Rpc, Server, Service } from "../src/index.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => {}

class Db extends Context.Service<Db, { readonly find: Effect.Effect<string> }>()("test/Db") {}
class Greeter extends Service.make("Greeter", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String })
}) {}

Server.layer(
  Greeter,
  Effect.map(Db, ({ find }) => ({
    hello: (name) => {
      same<typeof name, string>(true)
      return find
    }
  }))
)
