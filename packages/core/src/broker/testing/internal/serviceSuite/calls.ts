import { Effect, Fiber, Schema, Scope } from "effect"
import * as Client from "../../../../Client.ts"
import * as PsrpcError from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../busSuite/failure.ts"
import type { Case } from "../busSuite/run.ts"
import { compared, endless, failsWith, Ledger, on, patient, text, three } from "./stage.ts"

class Taken extends Schema.TaggedError<Taken>()("Taken", { name: Schema.String, by: Schema.Finite }) {}

const errors: Case = {
  name: "a call fails with what its handler fails with, and a defect tells nothing",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const Names = Service.make(run.service, {
      queue: Rpc.unary({ ...text, error: Taken }),
      single: Rpc.unary({ ...text, error: Taken, singleServer: true }),
      affinity: Rpc.unary({ ...text, error: Taken, routing: "affinity" }),
      missing: Rpc.unary(text)
    })
    const [a, b] = yield* three(run)
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
    const client = yield* on(b)(Client.make(Names, patient))
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
        `${method}: the error's details`,
        details.map(({ typeUrl, value }) => `${typeUrl} ${value.join(" ")}`),
        [`${detail.typeUrl} 1 2 3`]
      )
      for (const how of ["die", "throw"]) {
        yield* failsWith(`${method}, ${how}`, call(how), { code: "internal", message: "internal error" })
      }
      yield* failsWith(`${method}, interrupted`, call("interrupt"), { code: "canceled" })
    }
    yield* failsWith("what is not written yet", client.missing("?"), { code: "unimplemented" })
  })
}

const malformed: Case = {
  name: "requests and answers that do not fit are errors that say so",
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
    const [a, b] = yield* three(run)
    const ledger = new Ledger()
    const handle = (n: number) =>
      Effect.sync(() => {
        ledger.handled(String(n))
        return n
      })
    yield* on(a)(Server.make(Served, { queue: handle, single: handle, affinity: { affinity: 1, handle } }))
    const client = yield* on(b)(Client.make(Called, patient))
    for (const method of ["queue", "single", "affinity"] as const) {
      const call = (request: string | number) =>
        method === "affinity" ? client.affinity(request, { selection: compared }) : client[method](request)
      yield* failsWith(`${method}: a request that does not encode`, call(Number.NaN), {
        code: "malformed_request",
        reason: "not_sent",
        mayHaveRun: false
      })
      yield* failsWith(`${method}: a request that does not decode`, call("text"), { code: "malformed_request" })
      yield* failsWith(`${method}: an answer that does not decode`, call(1), { code: "malformed_result" })
    }
    yield* ledger.once(["1", "1", "1"])
  })
}

const given: Case = {
  name: "a call that is given up, or whose time is over, interrupts its handler",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary(text),
      single: Rpc.unary({ ...text, singleServer: true }),
      affinity: Rpc.unary({ ...text, routing: "affinity" })
    })
    const [a, b] = yield* three(run)
    const { handle, interrupted, started } = endless()
    yield* on(a)(Server.make(Work, { queue: handle, single: handle, affinity: { affinity: 1, handle } }))
    const client = yield* on(b)(Client.make(Work, patient))
    const methods = ["queue", "single", "affinity"] as const
    const giveUp = Effect.fnUntraced(function* (method: (typeof methods)[number]) {
      const fiber = yield* Effect.forkScoped(client[method](method))
      yield* run.until("the handler to run", () => started.has(method))
      yield* run.step("the call to be given up", Fiber.interrupt(fiber))
      yield* run.until("the handler to be interrupted", () => interrupted.has(method))
      // long enough for a claim
      yield* failsWith(`${method} whose time is over`, client[method](`late ${method}`, { timeout: "2 seconds" }), {
        code: "deadline_exceeded"
      })
      yield* run.until("the handler to be interrupted", () => interrupted.has(`late ${method}`))
    })
    yield* Effect.forEach(methods, giveUp, { concurrency: "unbounded", discard: true })
    yield* interrupted.once(methods.flatMap((method) => [method, `late ${method}`]))
  })
}

const nobody: Case = {
  name: "calls that nobody serves fail, and say that no handler has run",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, {
      queue: Rpc.unary({ ...text, topic: ["region"] }),
      affinity: Rpc.unary({ ...text, topic: ["region"], routing: "affinity" }),
      single: Rpc.unary({ ...text, topic: ["region"], singleServer: true }),
      talk: Rpc.stream({ send: Schema.String, receive: Schema.String, topic: ["region"] })
    })
    const [a, b] = yield* three(run)
    const echo = (text: string) => Effect.succeed(text)
    const eu = [{ region: "eu" }]
    const handlers = {
      queue: echo,
      affinity: { affinity: 1, handle: echo },
      single: echo,
      talk: () => Effect.void
    }
    // somebody serves them, somewhere else
    yield* on(a)(Server.make(Work, handlers, { topics: { queue: eu, affinity: eu, single: eu, talk: eu } }))
    const client = yield* on(b)(Client.make(Work))
    const options = { topic: { region: "us" }, timeout: "2 seconds" } as const
    const calls = {
      queue: client.queue("hello", options),
      affinity: client.affinity("hello", options),
      talk: Effect.scoped(Effect.asVoid(client.talk(options)))
    }
    for (const [method, call] of Object.entries<Effect.Effect<unknown, unknown>>(calls)) {
      yield* failsWith(method, run.step(method, call), { code: "unavailable", mayHaveRun: false })
    }
    const { reportsNoListeners } = run.traits
    yield* failsWith("single", run.step("single", client.single("hello", options)), {
      code: reportsNoListeners ? "unavailable" : "deadline_exceeded"
    })
    yield* equal("the topic that is served", yield* client.queue("hello", { topic: eu[0]! }), "hello")
  })
}

const closed: Case = {
  name: "a client that is closed fails its calls at once, those under way and those to come",
  body: Effect.fnUntraced(function* (run) {
    const Work = Service.make(run.service, { call: Rpc.unary(text) })
    const [a, b] = yield* three(run)
    const { handle, interrupted, started } = endless()
    yield* on(a)(Server.make(Work, { call: handle }))
    const { close, scope } = yield* run.closable
    const client = yield* Client.make(Work, patient).pipe(on(b), Scope.provide(scope))
    const fiber = yield* Effect.forkScoped(Effect.exit(client.call("one")))
    yield* started.reached(run, 1)
    yield* close
    const expected = { code: "canceled", reason: "client_closed" } as const
    yield* failsWith("a call under way", yield* run.step("the call to fail", Fiber.join(fiber)), expected)
    yield* failsWith("a call to come", client.call("two"), { ...expected, mayHaveRun: false })
    yield* interrupted.reached(run, 1, "handlers to be interrupted")
  })
}

export const calls: ReadonlyArray<Case> = [errors, malformed, given, nobody, closed]
