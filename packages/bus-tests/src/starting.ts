import { freePort, TcpProxy } from "@effect-psrpc/test-servers"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { inspect } from "node:util"
import type { Broker, Options } from "./broker.ts"
import { live } from "./support.ts"

/** Every form in which an error, a cause or a log line could show what it holds. */
export const shown = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value),
    inspect(value, { depth: 20, showHidden: true }),
    value instanceof Error ? String(value.stack) : ""
  ].join("\n")

/** Buses that cannot be made, since no broker answers. */
export const starting = (broker: Broker): void => {
  const failure = (address: string, options?: Options) => Effect.flip(Effect.scoped(broker.own(address, options)))

  live("nobody listens there: Unavailable at once, with host and port", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const error = yield* failure(broker.address(port))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.reason, "connection")
      assert.isFalse(error.mayHaveRun)
      assert.include(error.message, `${broker.kind} at 127.0.0.1:${port}: cannot connect`)
      assert.include(error.message, "ECONNREFUSED")
      // at once: it did not wait for connectTimeout
      assert.notMatch(error.message, /\d ms/)
    })
  )

  live("no such host", () =>
    Effect.gen(function* () {
      const error = yield* failure(broker.address(4222, "no-such-host.invalid"), { connectTimeout: "4 seconds" })
      assert.strictEqual(error._tag, "Unavailable")
      assert.include(error.message, "no-such-host.invalid:4222")
    })
  )

  live("somebody accepts and does not answer: fails after connectTimeout, and says which", () =>
    Effect.gen(function* () {
      const proxy = yield* TcpProxy.make(yield* broker.server)
      proxy.hold("both")
      const error = yield* failure(broker.address(proxy.port), { connectTimeout: "300 millis" })
      assert.strictEqual(error._tag, "Unavailable")
      assert.include(error.message, `127.0.0.1:${proxy.port}`)
      // another timeout's error has other words
      assert.include(error.message, "300 ms")
    })
  )
}
