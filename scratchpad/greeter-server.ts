// A server of the Greeter as a Layer; how busy it is decides what it offers for a job.
import { Server } from "@effect-psrpc/core"
import { Effect } from "effect"
import { Greeter, NameTaken } from "./greeter.ts"

export const layer = (options: { readonly node: string; readonly idleCpu: number }) =>
  Server.layer(
    Greeter,
    {
      hello: ({ name }) =>
        name === "Bob"
          ? Effect.fail(new NameTaken({ wanted: name, holder: "Bobby" }))
          : Effect.succeed({ text: `Hello ${name}`, server: options.node }),
      render: {
        affinity: () => options.idleCpu,
        handle: (job) => Effect.succeed({ text: `job ${job.id} rendered`, server: options.node }).pipe(Effect.delay(20))
      },
      reload: () => Effect.succeed({ text: "configuration read again", server: options.node })
    },
    { serverId: `SRV_${options.node}`, topics: { reload: [{ node: options.node }] } }
  )
