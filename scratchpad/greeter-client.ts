// Calls every method of the Greeter, and prints a line for each call.
import { Client, PsrpcError, Publisher, Selection } from "@effect-psrpc/core"
import { Console, Effect, Stream } from "effect"
import { Greeter } from "./greeter.ts"

export class GreeterClient extends Client.Service<GreeterClient>()("scratchpad/GreeterClient", Greeter) {}

const title = (text: string) => Console.log(`\n${text}`)
const line = (call: string, outcome: string) => Console.log(`  ${call.padEnd(46)} → ${outcome}`)

export const tour = Effect.gen(function* () {
  const greeter = yield* GreeterClient

  yield* title("Queue: each call goes to one server, chosen by the broker")
  for (const name of ["Ada", "Grace", "Edsger", "Barbara"]) {
    const reply = yield* greeter.hello({ name })
    yield* line(`hello({ name: "${name}" })`, `"${reply.text}" from ${reply.server}`)
  }

  yield* title("Affinity: every server sends a claim, the client selects the best")
  const job = yield* greeter.render({ id: 1 })
  yield* line("render({ id: 1 })", `"${job.text}" by ${job.server}`)
  const quick = yield* greeter.render(
    { id: 2 },
    { selection: Selection.best({ maximumAffinity: 0.3, affinityTimeout: "200 millis" }) }
  )
  yield* line("render({ id: 2 }), accepts 0.3 immediately", `"${quick.text}" by ${quick.server}`)
  yield* greeter
    .render({ id: 3 }, { selection: Selection.best({ minimumAffinity: 0.99, affinityTimeout: "100 millis" }) })
    .pipe(
      Effect.catchTag("Unavailable", (error) =>
        line("render({ id: 3 }), at least 0.99", `${error._tag}: ${error.message}`)
      )
    )

  yield* title("Topic with a single server: no claim, half the messages")
  const reloaded = yield* greeter.reload({ topic: { node: "n2" } })
  yield* line(`reload({ topic: { node: "n2" } })`, `"${reloaded.text}" by ${reloaded.server}`)

  yield* title("Multi: every server responds, as a Stream")
  const loads = yield* greeter.load({ expect: 2, timeout: "1 second" }).pipe(Client.successes, Stream.runCollect)
  for (const { busy, node } of loads.toSorted((a, b) => a.node.localeCompare(b.node))) {
    yield* line("load({ expect: 2 })", `${node} is ${Math.round(busy * 100)} % busy`)
  }

  yield* title("Stream: messages in both directions, with one server; a send completes with its ack")
  yield* Effect.scoped(
    Effect.gen(function* () {
      const chat = yield* greeter.chat()
      for (const text of ["rain", "tea"]) {
        yield* chat.send(text)
        const [answer] = yield* chat.messages.pipe(Stream.take(1), Stream.runCollect)
        yield* line(`chat.send("${text}")`, `"${answer}"`)
      }
    })
  )
  const answers = yield* greeter.chat.through(Stream.make("one", "two")).pipe(Stream.runCollect)
  yield* line(`chat.through(Stream.make("one", "two"))`, answers.map((answer) => `"${answer}"`).join(", "))

  yield* title("Subscriptions: each update goes to one subscriber (queue) or to all (multi)")
  yield* Effect.scoped(
    Effect.gen(function* () {
      const updates = yield* Publisher.make(Greeter)
      const readers = yield* Effect.all([greeter.jobDone(), greeter.jobDone()])
      yield* greeter.render({ id: 4 })
      for (let i = 0; i < 2; i++) yield* updates.jobDone({ id: 5, by: "a publisher" })
      const taken = Stream.mergeAll(
        readers.map((reader, i) => Stream.map(reader, ({ by, id }) => `reader ${i + 1}: job ${id} done by ${by}`)),
        { concurrency: "unbounded" }
      )
      for (const text of yield* taken.pipe(Stream.take(3), Stream.runCollect)) yield* line("jobDone(), queue", text)

      const topic = { region: "eu" }
      const listeners = yield* Effect.all([greeter.regionChanged({ topic }), greeter.regionChanged({ topic })])
      yield* updates.regionChanged("n3 has joined", { topic })
      for (const [i, listener] of listeners.entries()) {
        const [text] = yield* listener.pipe(Stream.take(1), Stream.runCollect)
        yield* line(`regionChanged({ topic: { region: "eu" } })`, `listener ${i + 1}: ${text}`)
      }
    })
  )

  yield* title("Errors: the method's domain error, and a PsrpcError")
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
