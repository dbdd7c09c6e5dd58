import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LocalMessageBus from "../../src/LocalMessageBus.ts"
import { MessageBusSuite } from "../../src/testing/index.ts"

describe("the local bus", () => {
  const local = Effect.runSync(LocalMessageBus.make)
  for (const test of MessageBusSuite.make({ connect: Effect.succeed(local) })) it.live(test.name, () => test.effect)
})
