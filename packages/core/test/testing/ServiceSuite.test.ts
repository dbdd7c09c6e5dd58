import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import { ServiceSuite } from "../../src/testing/index.ts"

describe("the library on the local bus", () => {
  const local = Effect.runSync(LocalMessageBus.make)
  for (const test of ServiceSuite.make({ connect: Effect.succeed(local) })) {
    it.live(test.name, () => test.effect, 62_000)
  }
})
