import { freePort, TcpProxy } from "@effect-psrpc/test-servers"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { inspect } from "node:util"
import type { Broker, Options } from "./broker.ts"
import { live } from "./support.ts"

/** Returns every printed form of an error, a cause or a log line. */
export const shown = (value: unknown): string =>
  [
    String(value),
    JSON.stringify(value),
    inspect(value, { depth: 20, showHidden: true }),
    value instanceof Error ? String(value.stack) : ""
  ].join("\n")

/** Tests of buses that cannot connect. */
export const starting = (broker: Broker): void => {
  const failure = (address: string, options?: Options) => Effect.flip(Effect.scoped(broker.own(address, options)))

  live("a port without a server: Unavailable at once, with host and port", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const error = yield* failure(broker.address(port))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.reason, "connection")
      assert.isFalse(error.mayHaveRun)
      assert.include(error.message, `${broker.kind} at 127.0.0.1:${port}: cannot connect`)
      assert.include(error.message, "ECONNREFUSED")
      // at once, without a wait for connectTimeout
      assert.notMatch(error.message, /\d ms/)
    })
  )

  live("a host that does not exist: Unavailable, with its name", () =>
    Effect.gen(function* () {
      const error = yield* failure(broker.address(4222, "no-such-host.invalid"), { connectTimeout: "4 seconds" })
      assert.strictEqual(error._tag, "Unavailable")
      assert.include(error.message, "no-such-host.invalid:4222")
    })
  )

  live("a server that accepts and sends nothing: fails after connectTimeout, with host and port", () =>
    Effect.gen(function* () {
      const proxy = yield* TcpProxy.make(yield* broker.server)
      proxy.hold("both")
      const error = yield* failure(broker.address(proxy.port), { connectTimeout: "300 millis" })
      assert.strictEqual(error._tag, "Unavailable")
      assert.include(error.message, `127.0.0.1:${proxy.port}`)
      // the error of another timeout has another text
      assert.include(error.message, "300 ms")
    })
  )
}
