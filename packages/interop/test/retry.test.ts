import { Client, Metadata, PsrpcError, Idempotency, Retry, Rpc, Server, Service } from "@effect-psrpc/core"
import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import {
  ask,
  eventually,
  goError,
  goPeer,
  handlers,
  interop,
  methods,
  newServiceName,
  onBus,
  report
} from "./support.ts"

/** `echo` may be repeated, `raw` not. */
const retryable = () =>
  Service.make(newServiceName(), {
    ...methods,
    echo: Rpc.unary({ request: StringValueSchema, response: StringValueSchema, idempotent: true }),
    chat: Rpc.stream({ send: StringValueSchema, receive: StringValueSchema, idempotent: true })
  })

const schedule = Schedule.spaced("50 millis")

interop("our retries of calls to a Go server", (it) => {
  it.effect("go on while it fails, where the method is idempotent", () =>
    Effect.gen(function* () {
      const service = retryable()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Echo", "Raw"] })
      const client = yield* onBus(Client.make(service, { interceptors: [Retry.unary({ schedule })] }))
      const busy = ask({ do: "fail", first: 2, text: "echo", code: "unavailable", message: "busy" })
      assert.strictEqual(report(yield* client.echo(busy)).text, "echo")
      const once = ask({ do: "fail", first: 2, text: "raw", code: "unavailable", message: "busy" })
      const error = yield* Effect.flip(client.raw(once))
      assert.strictEqual(error.message, "busy")
      assert.isTrue(error.mayHaveRun)
      assert.deepInclude((yield* server.handled).counts, { Echo: 3, Raw: 1 })
    })
  )

  it.effect("give it the time of each attempt, and answer with one that comes in time", () =>
    Effect.gen(function* () {
      const service = retryable()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Echo"] })
      const interceptors = [Retry.unary({ schedule, attempts: 4, timeout: "300 millis", timeoutGrowth: 3 })]
      const client = yield* onBus(Client.make(service, { timeout: "10 seconds", interceptors }))
      const answer = report(yield* client.echo(ask({ do: "sleep", first: 2, ms: 60_000, text: "slow" })))
      // the third of 300, 900 and 2700 ms
      assert.isAtMost(answer.deadlineMs, 2700)
      assert.isAbove(answer.deadlineMs, 900)
      const { counts, ended } = yield* eventually(server.handled, ({ ended }) => ended["Echo"] === 2)
      assert.strictEqual(counts["Echo"], 3)
      assert.strictEqual(ended["Echo"], 2)
    })
  )

  it.effect("wait for it to come up, whatever the method: calls and streams", () =>
    Effect.gen(function* () {
      const service = retryable()
      const go = yield* goPeer(service)
      const many = { schedule, attempts: Infinity, timeout: "1 second" } as const
      const client = yield* onBus(
        Client.make(service, { timeout: "20 seconds", interceptors: [Retry.unary(many), Retry.stream(many)] })
      )
      const error = yield* Effect.flip(client.raw({ value: "early" }, { timeout: "200 millis" }))
      assert.isFalse(error.mayHaveRun)
      const call = yield* Effect.forkChild(client.raw({ value: "early" }), { startImmediately: true })
      const opening = yield* Effect.forkChild(client.chat(), { startImmediately: true })
      yield* Effect.sleep("200 millis")
      assert.isUndefined(call.pollUnsafe())
      assert.isUndefined(opening.pollUnsafe())
      const server = yield* go.serve({ methods: ["Raw", "Chat"] })
      assert.strictEqual((yield* Fiber.join(call)).value, "go:early")
      const stream = yield* Fiber.join(opening)
      yield* stream.send({ value: "hello" })
      const [message] = yield* Stream.runCollect(Stream.take(stream.messages, 1))
      assert.strictEqual(message!.value, "go:hello")
      assert.strictEqual((yield* server.handled).counts["Raw"], 1)
    })
  )

  it.effect("tell it the idempotency key, also in the attempts after the first", () =>
    Effect.gen(function* () {
      const service = retryable()
      const go = yield* goPeer(service)
      const server = yield* go.serve({ methods: ["Echo", "Raw"] })
      const client = yield* onBus(
        Client.make(service, { interceptors: [Retry.unary({ schedule, idempotencyKey: true })] })
      )
      const own = report(yield* client.raw(ask({ do: "echo", text: "own" })))
      assert.match(own.metadata[Idempotency.key]!, /^KEY_[0-9A-Za-z]{24}$/)
      // a method that is not idempotent is tried again as if it were
      const busy = ask({ do: "fail", first: 1, text: "busy", code: "unavailable", message: "busy" })
      const given = client.raw(busy).pipe(Metadata.with({ [Idempotency.key]: "order-1" }))
      assert.strictEqual(report(yield* given).metadata[Idempotency.key], "order-1")
      assert.strictEqual((yield* server.handled).counts["Raw"], 3)
    })
  )
})

/** Our server, whose `raw` counts its runs, and takes so long for them. */
const counting = (millis: number, options: { readonly fails?: number } = {}) =>
  Effect.gen(function* () {
    const service = Service.make(newServiceName(), methods)
    let runs = 0
    const raw = ({ value }: { readonly value: string }) =>
      Effect.suspend(() => {
        const run = ++runs
        return run <= (options.fails ?? 0)
          ? Effect.fail(PsrpcError.fromCode("unavailable", { message: `busy ${run}` }))
          : Effect.delay(Effect.succeed({ value: `${value} ${run}` }), millis)
      })
    yield* onBus(Server.make(service, { ...handlers, raw }, { interceptors: [Idempotency.interceptor()] }))
    return { go: yield* goPeer(service), runs: () => runs }
  })

const key = (value: string) => ({ metadata: { [Idempotency.key]: value } })

interop("our server's window, and a Go client", (it) => {
  it.effect("that sends one key twice: one run, and one answer twice", () =>
    Effect.gen(function* () {
      const { go, runs } = yield* counting(100)
      const both = yield* Effect.all([go.call("Raw", "tea", key("a")), go.call("Raw", "tea", key("a"))], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(both, ["tea 1", "tea 1"])
      assert.strictEqual(yield* go.call("Raw", "tea", key("a")), "tea 1")
      assert.strictEqual(runs(), 1)
      assert.strictEqual(yield* go.call("Raw", "tea", key("b")), "tea 2")
      assert.strictEqual(yield* go.call("Raw", "tea"), "tea 3")
      const error = goError(yield* Effect.flip(go.call("Raw", "coffee", key("a"))))
      assert.strictEqual(error.code, "invalid_argument")
      assert.match(error.message, /used for another request/)
    })
  )

  it.effect("whose own retries time out first: one run, and its answer", () =>
    Effect.gen(function* () {
      const { go, runs } = yield* counting(700)
      const retry = { maxAttempts: 4, timeoutMs: 300, backoffMs: 200 }
      // 300, 500: answered in the second
      assert.strictEqual(yield* go.call("Raw", "tea", { retry, ...key("a") }), "tea 1")
      assert.strictEqual(runs(), 1)
    })
  )
})

interop("Go's own retries of calls to our server", (it) => {
  it.effect("go on while it is unavailable, and stop at what it answers", () =>
    Effect.gen(function* () {
      const { go, runs } = yield* counting(0, { fails: 2 })
      const retry = { maxAttempts: 3, timeoutMs: 2000 }
      assert.strictEqual(yield* go.call("Raw", "tea", { retry }), "tea 3")
      assert.strictEqual(runs(), 3)
    })
  )

  it.effect("fail with the last failure", () =>
    Effect.gen(function* () {
      const { go, runs } = yield* counting(0, { fails: 9 })
      const error = goError(yield* Effect.flip(go.call("Raw", "tea", { retry: { maxAttempts: 2, timeoutMs: 2000 } })))
      assert.strictEqual(error.code, "unavailable")
      assert.strictEqual(error.message, "busy 2")
      assert.strictEqual(runs(), 2)
    })
  )

  it.effect("interrupt our handler at the end of each attempt", () =>
    Effect.gen(function* () {
      const service = Service.make(newServiceName(), methods)
      let runs = 0
      let interrupted = 0
      const raw = () =>
        ++runs < 3
          ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
          : Effect.succeed({ value: "at last" })
      yield* onBus(Server.make(service, { ...handlers, raw }))
      const go = yield* goPeer(service)
      const retry = { maxAttempts: 5, timeoutMs: 300 }
      assert.strictEqual(yield* go.call("Raw", "tea", { retry }), "at last")
      assert.strictEqual(runs, 3)
      // its deadline may come a moment after that of the caller, by its own clock
      yield* eventually(
        Effect.sync(() => interrupted),
        (count) => count === 2
      )
    })
  )
})
