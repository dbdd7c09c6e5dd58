import { Client, MessageBus, type PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import { TcpProxy } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Schema } from "effect"
import type { Broker, Bus, Ways } from "./broker.ts"
import { live, sleep, until } from "./support.ts"

/** A queue method with claims, and a method of a single server without. */
export class Work extends Service.make("Work", {
  claimed: Rpc.unary({ request: Schema.String, response: Schema.String }),
  single: Rpc.unary({ request: Schema.String, response: Schema.String, singleServer: true })
}) {}

/** The names of its methods. */
export const methods = ["claimed", "single"] as const

/** A server that counts the runs of each request. */
export const serve = Effect.fnUntraced(function* (bus: Bus, wait: (request: string) => number = () => 0) {
  const runs = new Map<string, number>()
  const run = (request: string) =>
    Effect.gen(function* () {
      runs.set(request, (runs.get(request) ?? 0) + 1)
      const millis = wait(request)
      if (millis > 0) yield* sleep(millis)
      return `${request} done`
    })
  yield* Server.make(Work, { claimed: run, single: run }).pipe(Effect.provideService(MessageBus.MessageBus, bus))
  return runs
})

/** A client of the same service. */
export const call = (bus: Bus, options: Client.Options) =>
  Client.make(Work, options).pipe(Effect.provideService(MessageBus.MessageBus, bus))

/** Tests of calls whose connection is lost or down. */
export const calls = (broker: Broker, ways: Ways): void => {
  for (const [way, make] of Object.entries(ways)) {
    // each test has its own servers, and mostly waits
    describe.concurrent(`calls on ${way}`, () => {
      live(
        "made while the broker restarts all succeed, in any order of reconnects",
        () =>
          Effect.gen(function* () {
            const server = yield* broker.server
            const runs = yield* serve(yield* make(broker.address(server.port)))
            const bus = yield* make(broker.address(server.port))
            const client = yield* call(bus, { timeout: "5 seconds" })
            for (let round = 0; round < 5; round++) {
              yield* server.stop({ kill: true })
              yield* until(() => bus.failure() !== undefined, "the bus notices it")
              const calls = yield* Effect.forEach(methods, (method) =>
                Effect.forEach([1, 2, 3], (i) =>
                  Effect.forkChild(client[method](`${method} ${round}.${i}`), { startImmediately: true })
                )
              )
              yield* sleep(100 * round)
              yield* server.restart
              for (const fiber of calls.flat()) assert.include(yield* Fiber.join(fiber), "done")
            }
            assert.deepStrictEqual([...new Set(runs.values())], [1])
            assert.strictEqual(runs.size, 30)
          }),
        60_000
      )

      live("wait for a connection that is down until their own deadline, and fail with the reason", () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const bus = yield* make(broker.address(server.port))
          const runs = yield* serve(yield* make(broker.address(server.port)))
          const client = yield* call(bus, { timeout: "1500 millis" })
          yield* server.stop({ kill: true })
          yield* until(() => bus.failure() !== undefined, "the bus notices it")
          yield* Effect.forEach(
            methods,
            Effect.fnUntraced(function* (method) {
              const patient = yield* Effect.forkChild(client[method]("x", { timeout: "1 hour" }), {
                startImmediately: true
              })
              const [took, error] = yield* Effect.timed(Effect.flip(client[method]("x")))
              assert.strictEqual(error._tag, "Unavailable")
              assert.strictEqual(error.reason, "connection")
              assert.match(error.message, /connection is down/)
              assert.isAtLeast(Duration.toMillis(took), 1400)
              // the deadline of the other call has not ended it
              assert.isUndefined(patient.pollUnsafe())
              yield* Fiber.interrupt(patient)
            }),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(runs.size, 0)
        })
      )
    })
  }

  describe.concurrent("a connection that is lost between a message and its confirmation", () => {
    const reconnect = { minDelay: 10, maxDelay: 50 } as const

    live("the handler has run once, and a response after the reconnect is accepted", () =>
      Effect.gen(function* () {
        const server = yield* broker.server
        const proxy = yield* TcpProxy.make(server)
        const runs = yield* serve(yield* broker.own(broker.address(server.port)), () => 400)
        const bus = yield* broker.own(broker.address(proxy.port), { reconnect })
        const { single } = yield* call(bus, { timeout: "25 seconds" })
        for (let round = 0; round < 5; round++) {
          const request = `single ${round}`
          proxy.hold("replies")
          const fiber = yield* Effect.forkChild(single(request), { startImmediately: true })
          yield* until(() => runs.has(request), "the handler runs")
          proxy.cut()
          proxy.hold("none")
          assert.strictEqual(yield* Fiber.join(fiber), `${request} done`)
        }
        assert.deepStrictEqual([...runs.values()], [1, 1, 1, 1, 1])
      })
    )

    live("the handler has run once, and a call whose response is lost fails at its deadline with mayHaveRun", () =>
      Effect.gen(function* () {
        const server = yield* broker.server
        const proxy = yield* TcpProxy.make(server)
        const runs = yield* serve(yield* broker.own(broker.address(server.port)))
        const bus = yield* broker.own(broker.address(proxy.port), { reconnect })
        const { single } = yield* call(bus, { timeout: "1500 millis" })
        proxy.hold("replies")
        const fiber = yield* Effect.forkChild(Effect.timed(Effect.flip(single("x"))), { startImmediately: true })
        yield* until(() => runs.has("x"), "the handler runs")
        proxy.cut()
        proxy.hold("none")
        const [took, error] = yield* Fiber.join(fiber)
        assert.include(["Unavailable", "DeadlineExceeded"], error._tag)
        assert.isTrue(error.mayHaveRun)
        assert.isAtLeast(Duration.toMillis(took), 1400)
        assert.strictEqual(bus.failure(), undefined)
        assert.strictEqual(yield* single("y"), "y done")
        assert.deepStrictEqual([...runs.values()], [1, 1])
      })
    )

    live(
      "at any moment: no handler runs twice, and no call whose handler ran fails without mayHaveRun",
      () =>
        Effect.gen(function* () {
          const server = yield* broker.server
          const proxy = yield* TcpProxy.make(server)
          const runs = yield* serve(yield* broker.own(broker.address(server.port)), () => 20)
          const bus = yield* broker.own(broker.address(proxy.port), { reconnect })
          const work = yield* call(bus, { timeout: "500 millis" })
          const ends = new Map<string, Exit.Exit<string, PsrpcError.PsrpcError>>()
          for (let round = 0; round < 25; round++) {
            proxy.delay(5)
            const calls = methods.map((method) => {
              const request = `${method} ${round}`
              return Effect.forkChild(
                Effect.map(Effect.exit(work[method](request)), (exit) => ends.set(request, exit)),
                { startImmediately: true }
              )
            })
            const fibers = yield* Effect.all(calls)
            // request, claim, claim response and response take 10 milliseconds each
            yield* sleep(round * 3)
            proxy.hold("replies")
            yield* sleep(10)
            proxy.cut()
            proxy.hold("none")
            proxy.delay(0)
            yield* Fiber.joinAll(fibers)
          }
          for (const [request, exit] of ends) {
            const ran = runs.get(request) ?? 0
            assert.isAtMost(ran, 1, request)
            if (Exit.isSuccess(exit)) assert.strictEqual(ran, 1, request)
            else if (ran > 0) {
              const error = yield* Effect.flip(exit)
              assert.isTrue(error.mayHaveRun, request)
            }
          }
          assert.strictEqual(ends.size, 50)
        }),
      60_000
    )
  })
}
