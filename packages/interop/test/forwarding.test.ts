import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { MessageBus, Publisher, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { goPeer, interop, newServiceName, numbers, onBus } from "./support.ts"
import { subscribeGo, together } from "./subscriptionSupport.ts"

interop(
  "updates to a Go subscriber, in one queue with a server of ours",
  (it) => {
    it.effect("all arrive, and membership probes do not disturb Go", () =>
      Effect.gen(function* () {
        const name = newServiceName()
        const text = { request: StringValueSchema, response: StringValueSchema }
        yield* onBus(Server.make(Service.make(name, { echo: Rpc.unary(text) }), { echo: Effect.succeed }))
        const go = yield* goPeer({ serviceName: name })
        const reader = yield* subscribeGo(go, "JobDone")
        const probes: Array<string> = []
        yield* onBus(
          Effect.flatMap(MessageBus.MessageBus, (bus) =>
            bus.subscribe({ name: "", subject: `SRV.${name}.Q`, route: "@walk" }, () => probes.push("probe"))
          )
        )
        const updates = Service.make(name, { jobDone: Rpc.subscription({ message: StringValueSchema }) })
        const publisher = yield* onBus(Publisher.make(updates))
        const texts = numbers(600)
        yield* Effect.forEach(texts, (value) => publisher.jobDone({ value }), { concurrency: 20, discard: true })
        assert.deepStrictEqual((yield* together([reader], 600)).toSorted(), texts.toSorted())
        assert.isAbove(probes.length, 0)
        yield* publisher.jobDone({ value: "last" })
        yield* together([reader], 601)
      })
    )
  },
  ["nats"]
)
