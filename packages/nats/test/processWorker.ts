// Serves one method of a service in its own process, until SIGTERM: `worker.ts <url> <method>`.
import { MessageBus, Server } from "@effect-psrpc/core"
import { Effect, type Scope } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { type Method, parts } from "./processService.ts"

const [url, method] = process.argv.slice(2) as [string, Method]
const handle = (request: string) => Effect.succeed(`${request} by ${process.pid}`)

const program = Effect.gen(function* () {
  const bus = yield* NatsMessageBus.make({ servers: url })
  const serve = {
    one: Server.make(parts.one, { one: handle }),
    two: Server.make(parts.two, { two: handle }),
    three: Server.make(parts.three, { three: handle })
  }
  const served: Effect.Effect<unknown, unknown, MessageBus.MessageBus | Scope.Scope> = serve[method]
  yield* Effect.provideService(served, MessageBus.MessageBus, bus)
  process.send!("ready")
  yield* Effect.callback<void>((resume) => {
    for (const event of ["message", "disconnect"]) process.once(event, () => resume(Effect.void))
  })
})

await Effect.runPromise(Effect.scoped(program))
if (process.connected) process.disconnect()
