// A Greeter server as a Layer. Its idle CPU is its affinity.
import { Publisher, Server } from "@effect-psrpc/core"
import { Effect, Stream } from "effect"
import { Greeter, NameTaken } from "./greeter.ts"

export const layer = (options: { readonly node: string; readonly idleCpu: number }) =>
  Server.layer(
    Greeter,
    Effect.gen(function* () {
      const updates = yield* Publisher.make(Greeter)
      return Greeter.of({
        hello: ({ name }) =>
          name === "Bob"
            ? Effect.fail(new NameTaken({ wanted: name, holder: "Bobby" }))
            : Effect.succeed({ text: `Hello ${name}`, server: options.node }),
        render: {
          affinity: () => options.idleCpu,
          handle: (job) =>
            Effect.succeed({ text: `job ${job.id} rendered`, server: options.node }).pipe(
              Effect.delay(20),
              Effect.tap(() => updates.jobDone({ id: job.id, by: options.node }))
            )
        },
        reload: () => Effect.succeed({ text: "configuration reloaded", server: options.node }),
        load: () => Effect.succeed({ node: options.node, busy: 1 - options.idleCpu }),
        chat: (stream) => Stream.runForEach(stream.messages, (text) => stream.send(`${options.node}: ${text}, indeed`))
      })
    }),
    { serverId: `SRV_${options.node}`, topics: { reload: [{ node: options.node }] } }
  )
