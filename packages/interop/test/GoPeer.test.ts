import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { GoError, GoPeer, GoPeerError } from "../src/index.ts"
import { eventually, goPeer, interop, newService } from "./support.ts"

interop(
  "the Go peer",
  (it) => {
    it.effect("calls itself", () =>
      Effect.gen(function* () {
        const go = yield* goPeer(newService(), { clientId: "CLI_own" })
        yield* go.serve()
        assert.strictEqual(go.clientId, "CLI_own")
        assert.strictEqual(yield* go.call("Echo", "hello"), "go:hello")
      })
    )

    it.effect("fails a call as Go's client does", () =>
      Effect.gen(function* () {
        const go = yield* goPeer(newService())
        const error = yield* Effect.flip(go.call("Echo", "hello", { timeoutMs: 300 }))
        assert.instanceOf(error, GoError)
        assert.strictEqual(error.code, "unavailable")
      })
    )

    it.effect("says what is wrong with a command", () =>
      Effect.gen(function* () {
        const go = yield* goPeer(newService())
        const error = yield* Effect.flip(go.command("setAffinity", { server: 99 }))
        assert.instanceOf(error, GoPeerError)
        assert.include(error.message, "99")
      })
    )

    it.effect("tells of events, those of the past first", () =>
      Effect.gen(function* () {
        const go = yield* goPeer(newService())
        yield* go.serve({ events: true })
        const later = yield* Effect.forkChild(
          go.event("handling", ({ text }) => text === "second"),
          { startImmediately: true }
        )
        yield* go.call("Echo", "first")
        yield* go.call("Raw", "second")
        assert.strictEqual((yield* Fiber.join(later)).method, "Raw")
        assert.strictEqual((yield* go.event("handling")).text, "first")
      })
    )

    it.effect("cancels a call that is interrupted", () =>
      Effect.gen(function* () {
        const go = yield* goPeer(newService())
        const server = yield* go.serve({ affinity: 0.5, affinityDelayMs: 500 })
        const call = yield* Effect.forkChild(go.call("Work", "never", { selection: { affinityTimeoutMs: 800 } }), {
          startImmediately: true
        })
        yield* Fiber.interrupt(call)
        // the server would have been chosen for the first long before it is for the second
        yield* go.call("Work", "next", { selection: { affinityTimeoutMs: 1500 } })
        assert.deepStrictEqual(yield* server.texts("Work"), ["next"])
      })
    )

    it.effect("that cannot start says why", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(GoPeer.make({ bus: "redis", url: "redis://127.0.0.1:1", service: "Interop" }))
        assert.include(error.message, "exit code 1")
        assert.include(error.message, "connection refused")
      })
    )

    it.effect("that dies fails what waits for it, with what it has written to stderr", () =>
      Effect.gen(function* () {
        const go = yield* goPeer(newService())
        yield* go.serve({ recover: false })
        const waiting = yield* Effect.forkChild(Effect.flip(go.event("handling")), { startImmediately: true })
        const error = yield* Effect.flip(go.call("Echo", JSON.stringify({ do: "panic" })))
        assert.instanceOf(error, GoPeerError)
        assert.include(error.message, "asked to panic")
        assert.strictEqual((yield* Fiber.join(waiting)).message, error.message)
        assert.strictEqual((yield* Effect.flip(go.call("Echo", "anybody?"))).message, error.message)
      })
    )

    it.effect("is gone when its scope is closed", () =>
      Effect.gen(function* () {
        const pid = yield* Effect.scoped(Effect.map(goPeer(newService()), ({ pid }) => pid))
        yield* eventually(
          Effect.sync(() => {
            try {
              return process.kill(pid, 0)
            } catch {
              return false
            }
          }),
          (alive) => !alive
        )
      })
    )
  },
  ["redis"]
)
