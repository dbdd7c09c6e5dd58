/** Calls that fail: errors of handlers, malformed payloads, cancellation, timeouts, no servers. */
import { Effect, Fiber, Schema, Scope } from "effect"
import * as Client from "../../../../Client.ts"
import * as PsrpcError from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../harness/assertions.ts"
import { CallLog, neverEnding } from "./callLog.ts"
import { failsWith } from "./errorAssertions.ts"
import { clientOptions, collectWindow, compareAll, on, text } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"

class Taken extends Schema.TaggedError<Taken>()("Taken", { name: Schema.String, by: Schema.Finite }) {}

const errors: ServiceCase = {
  name: "a call fails with the error of its handler, and a defect exposes nothing",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Names = Service.make(run.service, {
      queue: Rpc.unary({ ...text, error: Taken }),
      single: Rpc.unary({ ...text, error: Taken, singleServer: true }),
      affinity: Rpc.unary({ ...text, error: Taken, routing: "affinity" }),
      missing: Rpc.unary(text)
    })
    const [a, b] = yield* run.connections(3)
    const detail = { typeUrl: "type.googleapis.com/test.Detail", value: new Uint8Array([1, 2, 3]) }
    const handle = (how: string) => {
      if (how === "own") return Effect.fail(new Taken({ name: "Ada", by: 7 }))
      if (how === "code")
        return Effect.fail(new PsrpcError.AlreadyExists({ message: "there is one", details: [detail] }))
      if (how === "die") return Effect.die(new Error("a secret of the server"))
      if (how === "throw") throw new Error("a secret of the server")
      return Effect.interrupt
    }
    yield* on(a)(
      Server.make(Names, {
        ...Server.unimplemented(Names),
        queue: handle,
        single: handle,
        affinity: { affinity: 1, handle }
      })
    )
    const client = yield* on(b)(Client.make(Names, clientOptions(run)))
    for (const method of ["queue", "single", "affinity"] as const) {
      const call = client[method]
      const own = yield* Effect.flip(call("own"))
      yield* equal(
        `${method}: the method's own error`,
        own instanceof Taken ? `${own.name} by ${own.by}` : String(own),
        "Ada by 7"
      )
      const coded = yield* Effect.flip(call("code"))
      yield* failsWith(method, Effect.fail(coded), {
        code: "already_exists",
        message: "there is one",
        mayHaveRun: true
      })
      const details = PsrpcError.is(coded) ? coded.details : []
      yield* equal(
        `${method}: details of the error`,
        details.map(({ typeUrl, value }) => `${typeUrl} ${value.join(" ")}`),
        [`${detail.typeUrl} 1 2 3`]
      )
      for (const how of ["die", "throw"]) {
        yield* failsWith(`${method}, ${how}`, call(how), { code: "internal", message: "internal error" })
      }
      yield* failsWith(`${method}, interrupted`, call("interrupt"), { code: "canceled" })
    }
    yield* failsWith("an unimplemented method", client.missing("?"), { code: "unimplemented" })
  })
}

const malformed: ServiceCase = {
  name: "requests and responses that do not encode or decode are errors",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Served = Service.make(run.service, {
      queue: Rpc.unary({ request: Schema.Finite, response: Schema.Finite }),
      single: Rpc.unary({ request: Schema.Finite, response: Schema.Finite, singleServer: true }),
      affinity: Rpc.unary({ request: Schema.Finite, response: Schema.Finite, routing: "affinity" })
    })
    const other = { request: Schema.Union([Schema.Finite, Schema.String]), response: Schema.String } as const
    const Called = Service.make(run.service, {
      queue: Rpc.unary(other),
      single: Rpc.unary({ ...other, singleServer: true }),
      affinity: Rpc.unary({ ...other, routing: "affinity" })
    })
    const [a, b] = yield* run.connections(3)
    const log = new CallLog()
    const handle = (n: number) =>
      Effect.sync(() => {
        log.record(String(n))
        return n
      })
    yield* on(a)(Server.make(Served, { queue: handle, single: handle, affinity: { affinity: 1, handle } }))
    const client = yield* on(b)(Client.make(Called, clientOptions(run)))
    for (const method of ["queue", "single", "affinity"] as const) {
      const call = (request: string | number) =>
        method === "affinity" ? client.affinity(request, { selection: compareAll(run) }) : client[method](request)
      yield* failsWith(`${method}: a request that does not encode`, call(Number.NaN), {
        code: "malformed_request",
        reason: "not_sent",
        mayHaveRun: false
      })
      yield* failsWith(`${method}: a request that does not decode`, call("text"), { code: "malformed_request" })
      yield* failsWith(`${method}: a response that does not decode`, call(1), { code: "malformed_result" })
    }
    yield* log.expect(["1", "1", "1"])
  })
}

const interruption: ServiceCase = {
  name: "a call that is canceled or times out interrupts its handler",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary(text),
      single: Rpc.unary({ ...text, singleServer: true }),
      affinity: Rpc.unary({ ...text, routing: "affinity" })
    })
    const [a, b] = yield* run.connections(3)
    const { handle, interrupted, started } = neverEnding()
    yield* on(a)(Server.make(Work, { queue: handle, single: handle, affinity: { affinity: 1, handle } }))
    const client = yield* on(b)(Client.make(Work, clientOptions(run)))
    const methods = ["queue", "single", "affinity"] as const
    const cancelAndTimeOut = Effect.fnUntraced(function* (method: (typeof methods)[number]) {
      const fiber = yield* Effect.forkScoped(client[method](method))
      yield* run.waitUntil("the handler to run", () => started.has(method))
      yield* run.step("the call to be canceled", Fiber.interrupt(fiber))
      yield* run.waitUntil("the handler to be interrupted", () => interrupted.has(method))
      const options = { timeout: collectWindow(run) }
      yield* failsWith(`${method} that times out`, client[method](`late ${method}`, options), {
        code: "deadline_exceeded"
      })
      yield* run.waitUntil("the handler to be interrupted", () => interrupted.has(`late ${method}`))
    })
    yield* Effect.forEach(methods, cancelAndTimeOut, { concurrency: "unbounded", discard: true })
    yield* interrupted.expect(
      methods.flatMap((method) => [method, `late ${method}`]),
      "interrupted handlers"
    )
  })
}

const noServers: ServiceCase = {
  name: "calls without servers fail, with mayHaveRun false",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary({ ...text, topic: ["region"] }),
      affinity: Rpc.unary({ ...text, topic: ["region"], routing: "affinity" }),
      single: Rpc.unary({ ...text, topic: ["region"], singleServer: true }),
      talk: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["region"] })
    })
    const [a, b] = yield* run.connections(3)
    const echo = (text: string) => Effect.succeed(text)
    const eu = [{ region: "eu" }]
    const handlers = {
      queue: echo,
      affinity: { affinity: 1, handle: echo },
      single: echo,
      talk: () => Effect.void
    }
    // a server registers them for another topic
    yield* on(a)(Server.make(Work, handlers, { topics: { queue: eu, affinity: eu, single: eu, talk: eu } }))
    const client = yield* on(b)(Client.make(Work))
    const options = { topic: { region: "us" }, timeout: collectWindow(run) } as const
    const calls = {
      queue: client.queue("hello", options),
      affinity: client.affinity("hello", options),
      talk: Effect.scoped(Effect.asVoid(client.talk(options)))
    }
    for (const [method, call] of Object.entries<Effect.Effect<unknown, unknown>>(calls)) {
      yield* failsWith(method, run.step(method, call), { code: "unavailable", mayHaveRun: false })
    }
    const { reportsNoListeners } = run.bus
    yield* failsWith("single", run.step("single", client.single("hello", options)), {
      code: reportsNoListeners ? "unavailable" : "deadline_exceeded"
    })
    yield* equal("response for the registered topic", yield* client.queue("hello", { topic: eu[0]! }), "hello")
  })
}

const closed: ServiceCase = {
  name: "a closed client fails its pending and later calls at once",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, { call: Rpc.unary(text) })
    const [a, b] = yield* run.connections(3)
    const { handle, interrupted, started } = neverEnding()
    yield* on(a)(Server.make(Work, { call: handle }))
    const { close, scope } = yield* run.closable
    const client = yield* Client.make(Work, clientOptions(run)).pipe(on(b), Scope.provide(scope))
    const fiber = yield* Effect.forkScoped(Effect.exit(client.call("one")))
    yield* started.waitForCount(run, 1)
    yield* close
    const expected = { code: "canceled", reason: "client_closed" } as const
    yield* failsWith("a pending call", yield* run.step("the call to fail", Fiber.join(fiber)), expected)
    yield* failsWith("a later call", client.call("two"), { ...expected, mayHaveRun: false })
    yield* interrupted.waitForCount(run, 1, "handlers to be interrupted")
  })
}

export const callFailures: ReadonlyArray<ServiceCase> = [errors, malformed, interruption, noServers, closed]
