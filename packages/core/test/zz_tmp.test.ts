import { it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../src/Client.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Server from "../src/Server.ts"
import * as Service from "../src/Service.ts"
import { onBus, start } from "./support.ts"
import * as Fs from "node:fs"
      class Jobs extends Service.make("Jobs", {
        render: Rpc.unary({ response: Schema.String, routing: "affinity" })
      }) {}
it.effect("x", () => Effect.gen(function* () {
      let weighed = 0
      const affinity = () => Effect.delay(Effect.sync(() => (weighed++, 1)), 50)
      const handle = () => Effect.succeed("rendered")
      yield* Server.make(Jobs, { render: { affinity, handle } }, { bufferSize: 3 })
      const client = yield* Client.make(Jobs)
      const calls = yield* start(
        Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(client.render()), { concurrency: "unbounded" })
      )
      for (let i = 0; i < 200; i++) {
      Fs.writeSync(1, `${i*10}\n`)
      yield* TestClock.adjust(10)
      }
      Fs.writeSync(1, "adjusted\n")
      const exits = yield* Fiber.join(calls)
      Fs.writeSync(1, "joined\n")
}).pipe(onBus))
