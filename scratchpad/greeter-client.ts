// What a client does with the Greeter, told line by line.
import { Client, PsrpcError, Selection } from "@effect-psrpc/core"
import { Console, Effect } from "effect"
import { Greeter } from "./greeter.ts"

export class GreeterClient extends Client.Service<GreeterClient>()("scratchpad/GreeterClient", Greeter) {}

const title = (text: string) => Console.log(`\n${text}`)
const line = (call: string, outcome: string) => Console.log(`  ${call.padEnd(46)} → ${outcome}`)

export const tour = Effect.gen(function* () {
  const greeter = yield* GreeterClient

  yield* title("A queue: each call goes to one server, whichever is free")
  for (const name of ["Ada", "Grace", "Edsger", "Barbara"]) {
    const reply = yield* greeter.hello({ name })
    yield* line(`hello({ name: "${name}" })`, `"${reply.text}" from ${reply.server}`)
  }

  yield* title("Affinity: every server says how well it fits, the client takes the best")
  const job = yield* greeter.render({ id: 1 })
  yield* line("render({ id: 1 })", `"${job.text}" by ${job.server}`)
  const quick = yield* greeter.render({ id: 2 }, { selection: Selection.best({ enough: 0.3, within: "200 millis" }) })
  yield* line("render({ id: 2 }), 0.3 is enough", `"${quick.text}" by ${quick.server}`)
  yield* greeter
    .render({ id: 3 }, { selection: Selection.best({ minimum: 0.99, within: "100 millis" }) })
    .pipe(
      Effect.catchTag("Unavailable", (error) =>
        line("render({ id: 3 }), at least 0.99", `${error._tag}: ${error.message}`)
      )
    )

  yield* title("A topic: the one server of a node, in half the messages")
  const reloaded = yield* greeter.reload({ topic: { node: "n2" } })
  yield* line(`reload({ topic: { node: "n2" } })`, `"${reloaded.text}" by ${reloaded.server}`)

  yield* title("Errors are values with types: the method's own, and psrpc's")
  yield* greeter
    .hello({ name: "Bob" })
    .pipe(Effect.catchTag("NameTaken", (error) => line(`hello({ name: "Bob" })`, `NameTaken: ${error.message}`)))
  yield* greeter
    .reload({ topic: { node: "n9" }, timeout: "200 millis" })
    .pipe(
      Effect.catchIf(PsrpcError.is, (error) =>
        line(`reload({ topic: { node: "n9" } })`, `${error._tag}: ${error.message}; may have run: ${error.mayHaveRun}`)
      )
    )
})
