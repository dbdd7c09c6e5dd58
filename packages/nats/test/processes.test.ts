import { live } from "@effect-psrpc/bus-tests"
import { Client, MessageBus, Publisher } from "@effect-psrpc/core"
import { NatsServer } from "@effect-psrpc/test-servers"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import { connect3 } from "./support.ts"
import { NatsMessageBus } from "../src/index.ts"
import { type Method, methods, Works } from "./processService.ts"

const exited = (child: ChildProcess): Effect.Effect<number | null> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("exit", (code) => resume(Effect.succeed(code)))
  })

/** Starts a process that serves one method. */
const work = (url: string, method: Method) =>
  Effect.acquireRelease(
    Effect.callback<ChildProcess>((resume) => {
      const child = fork(join(import.meta.dirname, "processWorker.ts"), [url, method], {
        execArgv: ["--conditions=@effect-psrpc/source"]
      })
      child.once("message", () => resume(Effect.succeed(child)))
      child.once("exit", (code) => resume(Effect.die(new Error(`the worker ended: ${code}`))))
    }),
    (child) =>
      Effect.andThen(
        Effect.sync(() => child.kill("SIGKILL")),
        exited(child)
      )
  )

const ways = {
  "a connection that the bus opens": (servers: string) => NatsMessageBus.make({ servers }),
  "a connection of nats 3": (servers: string) =>
    Effect.flatMap(connect3(servers), (connection) => NatsMessageBus.makeConnection({ connection }))
}

describe("three processes that serve different methods of one service, and a queue subscriber of it", () => {
  for (const [way, make] of Object.entries(ways)) {
    live(
      `lose nothing, the subscriber on ${way}`,
      () =>
        Effect.gen(function* () {
          const { url } = yield* NatsServer.make()
          yield* Effect.forEach(methods, (method) => work(url, method), { concurrency: 3 })
          const calling = yield* NatsMessageBus.make({ servers: url })
          const subscribing = yield* make(url)
          const works = yield* Client.make(Works, { timeout: "10 seconds" }).pipe(
            Effect.provideService(MessageBus.MessageBus, calling)
          )
          const subscriber = yield* Client.make(Works).pipe(Effect.provideService(MessageBus.MessageBus, subscribing))
          const publisher = yield* Publisher.make(Works).pipe(Effect.provideService(MessageBus.MessageBus, calling))
          const calls = 1000
          const done = yield* subscriber.done({ subscriptionBufferSize: 2 * calls })
          const updates = yield* Effect.forkChild(Stream.runCollect(Stream.take(done, calls)))
          const handled = yield* Effect.forEach(
            Array.from({ length: calls }, (_, i) => i),
            (i) =>
              Effect.all([...methods.map((method) => works[method](String(i))), publisher.done(String(i))], {
                concurrency: "unbounded"
              }),
            { concurrency: 32 }
          )
          const numbers = Array.from({ length: calls }, (_, i) => String(i))
          for (const [at] of methods.entries()) {
            assert.deepStrictEqual(
              handled.map((answers) => String(answers[at]).split(" by ")[0]),
              numbers
            )
            assert.strictEqual(new Set(handled.map((answers) => String(answers[at]).split(" by ")[1])).size, 1)
          }
          const got = yield* Fiber.join(updates)
          assert.deepStrictEqual(
            got.toSorted((a, b) => Number(a) - Number(b)),
            numbers
          )
        }),
      60_000
    )
  }

  live(
    "drain on SIGTERM, and answer their in-flight requests",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.make()
        const [first, second] = yield* Effect.all([work(url, "one"), work(url, "one")], { concurrency: 2 })
        const bus = yield* NatsMessageBus.make({ servers: url })
        const works = yield* Client.make(Works, { timeout: "10 seconds" }).pipe(
          Effect.provideService(MessageBus.MessageBus, bus)
        )
        const calls = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 1000 }), (_, i) => works.one(String(i)), { concurrency: 16 }),
          { startImmediately: true }
        )
        yield* works.one("warm")
        first.send("end")
        assert.strictEqual(yield* exited(first), 0)
        const by = new Set((yield* Fiber.join(calls)).map((answer) => answer.split(" by ")[1]))
        assert.isTrue(by.has(String(second.pid)))
        second.send("end")
        assert.strictEqual(yield* exited(second), 0)
        const error = yield* Effect.flip(works.one("nobody"))
        assert.strictEqual(error._tag, "Unavailable")
        assert.strictEqual(error.reason, "no_listeners")
      }),
    60_000
  )
})
