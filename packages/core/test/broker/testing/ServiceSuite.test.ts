import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LocalMessageBus from "../../../src/LocalMessageBus.ts"
import type { MessageBus } from "../../../src/MessageBus.ts"
import * as PsrpcError from "../../../src/PsrpcError.ts"
import * as ServiceSuite from "../../../src/broker/testing/ServiceSuite.ts"

const local = Effect.runSync(LocalMessageBus.make)

/** The local bus with a maximum size as brokers have it, which reports no receivers. */
const limited = (maxPayload: number): MessageBus["Service"] => ({
  ...local,
  publishUnsafe: (target, message, expiry, delivery) => {
    if (message.length > maxPayload) {
      const error = { message: "too large", reason: "too_large", mayHaveRun: false } as const
      return delivery.undelivered(PsrpcError.fromCode("resource_exhausted", error))
    }
    local.publishUnsafe(target, message, expiry, {
      wanted: () => delivery.wanted(),
      delivered: () => delivery.delivered(-1),
      undelivered: (error) => delivery.undelivered(error)
    })
  }
})

describe.concurrent("the library on the local bus", () => {
  for (const test of ServiceSuite.make({ connect: Effect.succeed(local) })) {
    it.live(test.name, () => test.effect, 62_000)
  }
})

describe.concurrent("the library on a bus with a maximum size that reports no receivers", () => {
  const maxPayload = 65_536
  const connect = Effect.succeed(limited(maxPayload))
  for (const test of ServiceSuite.make({ connect, maxPayload, reportsNoListeners: false })) {
    // the tests that depend on these properties
    if (/large|near the maximum|without servers|does not read|dereg/.test(test.name))
      it.live(test.name, () => test.effect, 62_000)
  }
})

it("the suite refuses invalid options", () => {
  const connect = Effect.succeed(local)
  for (const maxPayload of [0, 1000, 100_000.5, Number.NaN]) {
    assert.throws(() => ServiceSuite.make({ connect, maxPayload }), TypeError, /maxPayload: .*65536 at least/)
  }
  assert.throws(() => ServiceSuite.make({ connect, timeout: "soon" as never }), TypeError, /timeout/)
})
