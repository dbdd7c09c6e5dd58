// A wall clock that is corrected in the middle of a call neither ends it early nor holds it up.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, fakeServers, isRunning, onBus, settle, start } from "../helpers/harness.ts"
import { movableClock } from "../helpers/clocks.ts"

class Jobs extends Service.make("Jobs", {
  render: Rpc.unary({ response: Schema.String, routing: "affinity" })
}) {}

describe("a call whose time for claims is over", () => {
  for (const [how, by] of [
    ["forward", 3_600_000],
    ["back", -3_600_000]
  ] as const) {
    it.effect(`ends at its timeout, though the wall clock goes an hour ${how}`, () =>
      Effect.gen(function* () {
        const { moved, wall } = yield* movableClock
        const client = yield* Effect.provideService(Client.make(Jobs), Clock.Clock, wall)
        const servers = yield* fakeServers("Jobs", "Render")
        // a choice that does not end by itself
        const selection = Selection.make({ affinityTimeout: 1000, selectionFunc: () => Effect.never })
        const call = yield* start(client.render({ selection, timeout: 3000 }))
        yield* settle
        servers.claim("a")
        yield* TestClock.adjust(500)
        moved.by = by
        yield* TestClock.adjust(2499)
        yield* settle
        assert.isTrue(isRunning(call))
        yield* TestClock.adjust(1)
        yield* settle
        assert.strictEqual(errorOf(call)._tag, "DeadlineExceeded")
      }).pipe(onBus)
    )
  }
})
