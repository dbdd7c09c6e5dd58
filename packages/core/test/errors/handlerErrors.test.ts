import { create } from "@bufbuild/protobuf"
import { type Duration, DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, fakeServers, json, Logs, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class NameTaken extends Schema.TaggedError<NameTaken>()(
  "NameTaken",
  { name: Schema.String, since: Schema.Date },
  { psrpcCode: "already_exists" }
) {}
class TooLong extends Schema.TaggedError<TooLong>()("TooLong", { limit: Schema.Int }) {}

class Failing extends Service.make("Failing", {
  plain: Rpc.unary({ request: Schema.String, response: Schema.String }),
  one: Rpc.unary({ request: Schema.String, response: Schema.String, error: NameTaken }),
  union: Rpc.unary({ request: Schema.String, response: Schema.String, error: Schema.Union([NameTaken, TooLong]) }),
  message: Rpc.unary({ request: Schema.String, response: Schema.String, error: DurationSchema }),
  told: Rpc.unary({
    response: Schema.String,
    error: PsrpcError.protobuf(DurationSchema, { code: "unavailable", message: (m) => `in ${m.seconds} s` }),
    singleServer: true
  })
}) {}

const fine = () => Effect.succeed("fine")
const handlers = Failing.of({ plain: fine, one: fine, union: fine, message: fine, told: fine })
const since = new Date(86_400_000)

/** Serves `plain` with one outcome, and calls it. */
const outcome = Effect.fnUntraced(function* (result: Effect.Effect<string, PsrpcError.PsrpcError>) {
  yield* Server.make(Failing, { ...handlers, plain: () => result })
  const client = yield* Client.make(Failing)
  return yield* Effect.flip(client.plain("x"))
})

describe("an error of a handler", () => {
  for (const code of PsrpcError.codes) {
    it.effect(`${code} reaches the caller with its message and details`, () =>
      Effect.gen(function* () {
        const details = [
          PsrpcError.detail(DurationSchema, { seconds: 5n }),
          PsrpcError.detail(StringValueSchema, { value: "é" })
        ]
        const error = yield* outcome(
          PsrpcError.fromCode(code, { message: "wörds 🚀", details, mayHaveRun: false, reason: "timeout", cause: 1 })
        )
        assert.strictEqual(error.code, code)
        assert.isTrue(PsrpcError.is(error))
        assert.strictEqual(error.message, "wörds 🚀")
        assert.deepStrictEqual(
          error.details.map(({ typeUrl, value }) => ({ typeUrl, value: Array.from(value) })),
          details.map(({ typeUrl, value }) => ({ typeUrl, value: Array.from(value) }))
        )
        assert.strictEqual(PsrpcError.findDetails(error, DurationSchema)[0]?.seconds, 5n)
        // what the server's process knows stays there
        assert.isTrue(error.mayHaveRun)
        assert.isUndefined(error.reason)
        assert.isUndefined(error.cause)
      }).pipe(onBus)
    )
  }

  it.effect("is caught by its tag", () =>
    Effect.gen(function* () {
      yield* Server.make(Failing, { ...handlers, plain: () => new PsrpcError.NotFound({ message: "no such" }) })
      const client = yield* Client.make(Failing)
      const caught = client.plain("x").pipe(Effect.catchTag("NotFound", (error) => Effect.succeed(error.message)))
      assert.strictEqual(yield* caught, "no such")
    }).pipe(onBus)
  )

  it.effect("whose message was emptied is still an error on the wire, with its code for a message", () =>
    Effect.gen(function* () {
      const emptied = Object.assign(new PsrpcError.DataLoss({ message: "x" }), { message: "" })
      const error = yield* outcome(Effect.fail(emptied))
      assert.strictEqual(error._tag, "DataLoss")
      assert.strictEqual(error.message, "data_loss")
    }).pipe(onBus)
  )

  it.effect("made with an empty message has its code for one", () =>
    Effect.gen(function* () {
      const error = yield* outcome(new PsrpcError.Aborted({ message: "" }))
      assert.strictEqual(error._tag, "Aborted")
      assert.strictEqual(error.message, "aborted")
    }).pipe(onBus)
  )

  it.effect("with a code that nobody knows keeps it as text", () =>
    Effect.gen(function* () {
      const error = yield* outcome(new PsrpcError.Unknown({ message: "new in v9", peerCode: "quantum_error" }))
      assert.strictEqual(error._tag, "Unknown")
      assert.strictEqual(error._tag === "Unknown" && error.peerCode, "quantum_error")
      assert.strictEqual(error.message, "new in v9")
    }).pipe(onBus)
  )

  it.effect("that is none of psrpc's (without types) is unknown, with its message and no stack", () =>
    Effect.gen(function* () {
      const error = yield* outcome(Effect.fail(new Error("disk full")) as never)
      assert.strictEqual(error._tag, "Unknown")
      assert.strictEqual(error.message, "disk full")
      assert.deepStrictEqual(error.details, [])
    }).pipe(onBus)
  )
})

describe("the errors of a peer", () => {
  const answered = Effect.fnUntraced(function* (answer: { readonly error: string; readonly code: string }) {
    const client = yield* Client.make(Failing)
    const servers = yield* fakeServers("Failing", "Plain", { queue: true })
    const call = yield* start(client.plain("x"))
    yield* settle
    servers.claim("a")
    yield* settle
    servers.answer("a", { ...answer, raw: json("fine") })
    yield* settle
    return call
  })

  it.effect("an empty code reads as unknown", () =>
    Effect.gen(function* () {
      const error = errorOf(yield* answered({ error: "boo", code: "" }))
      assert.strictEqual(error._tag, "Unknown")
      assert.strictEqual(error.message, "boo")
      assert.isFalse("peerCode" in error && error.peerCode !== undefined)
    }).pipe(onBus)
  )

  it.effect("a code without an error is an answer, whatever it says", () =>
    Effect.gen(function* () {
      const call = yield* answered({ error: "", code: "internal" })
      assert.deepStrictEqual(call.pollUnsafe(), Exit.succeed("fine"))
    }).pipe(onBus)
  )
})

describe("a defect in a handler", () => {
  const secret = "password=hunter2"
  for (const [name, defect] of [
    ["an error", new Error(secret)],
    ["a text", secret],
    ["an object", { message: secret, stack: secret, code: "not_found" }],
    ["an error of psrpc", new PsrpcError.NotFound({ message: secret })]
  ] as const) {
    it.effect(`${name}: the caller is told internal and nothing else, the log has it all`, () =>
      Effect.gen(function* () {
        const traffic = yield* Traffic
        const logs = yield* Logs
        const error = yield* outcome(Effect.die(defect))
        assert.strictEqual(error._tag, "Internal")
        assert.strictEqual(error.message, "internal error")
        assert.deepStrictEqual(error.details, [])
        for (const { message } of traffic) assert.notInclude(new TextDecoder().decode(message), "hunter2")
        const logged = logs.find(({ level }) => level === "Error")
        assert.include(logged?.text, "Failing.Plain")
        const [reason] = logged!.cause.reasons
        assert.isTrue(reason?._tag === "Die" && reason.defect === defect)
      }).pipe(onBus)
    )
  }

  it.effect("beside a failure: the failure is answered, the defect logged", () =>
    Effect.gen(function* () {
      const logs = yield* Logs
      const error = yield* outcome(
        Effect.failCause(
          Cause.combine(Cause.fail(new PsrpcError.NotFound({ message: "no such" })), Cause.die(new Error(secret)))
        )
      )
      assert.strictEqual(error._tag, "NotFound")
      assert.strictEqual(error.message, "no such")
      const logged = logs.filter(({ level }) => level === "Error")
      assert.strictEqual(logged.length, 1)
      assert.isTrue(Cause.hasDies(logged[0]!.cause))
    }).pipe(onBus)
  )

  it.effect("an ordinary failure is no matter for the log", () =>
    Effect.gen(function* () {
      const logs = yield* Logs
      yield* outcome(new PsrpcError.NotFound({ message: "no such" }))
      assert.deepStrictEqual(
        logs.filter(({ level }) => level !== "Debug" && level !== "Trace"),
        []
      )
    }).pipe(onBus)
  )

  it.effect("interruption inside of it is canceled to the caller", () =>
    Effect.gen(function* () {
      const error = yield* outcome(Effect.interrupt)
      assert.strictEqual(error._tag, "Canceled")
      assert.isTrue(PsrpcError.isCanceled(error))
    }).pipe(onBus)
  )
})

describe("the errors that a method declares", () => {
  it.effect("a tagged error class comes back as itself", () =>
    Effect.gen(function* () {
      yield* Server.make(Failing, { ...handlers, one: (name) => new NameTaken({ name, since }) })
      const client = yield* Client.make(Failing)
      const error = yield* Effect.flip(client.one("Ada"))
      assert.instanceOf(error, NameTaken)
      assert.strictEqual(error._tag === "NameTaken" && error.name, "Ada")
      assert.strictEqual(error._tag === "NameTaken" && error.since.getTime(), since.getTime())
      const caught = client.one("Ada").pipe(Effect.catchTag("NameTaken", (taken) => Effect.succeed(taken.name)))
      assert.strictEqual(yield* caught, "Ada")
    }).pipe(onBus)
  )

  it.effect("so does each member of a union, and a PsrpcError beside them", () =>
    Effect.gen(function* () {
      yield* Server.make(Failing, {
        ...handlers,
        union: (which) => {
          if (which === "taken") return new NameTaken({ name: "Ada", since })
          return which === "long" ? new TooLong({ limit: 8 }) : new PsrpcError.Aborted({ message: which })
        }
      })
      const client = yield* Client.make(Failing)
      assert.instanceOf(yield* Effect.flip(client.union("taken")), NameTaken)
      const long = yield* Effect.flip(client.union("long"))
      assert.strictEqual(long._tag === "TooLong" && long.limit, 8)
      assert.strictEqual((yield* Effect.flip(client.union("other")))._tag, "Aborted")
    }).pipe(onBus)
  )

  it.effect("so does a protobuf message, under the code that it was given", () =>
    Effect.gen(function* () {
      const fails = () => Effect.fail(create(DurationSchema, { seconds: 7n }))
      yield* Server.make(Failing, { ...handlers, message: fails, told: fails })
      const client = yield* Client.make(Failing)
      const error = (yield* Effect.flip(client.message("x"))) as Duration
      assert.strictEqual(error.$typeName, "google.protobuf.Duration")
      assert.strictEqual(error.seconds, 7n)
      assert.strictEqual(((yield* Effect.flip(client.told())) as Duration).seconds, 7n)
    }).pipe(onBus)
  )

  it.effect("a caller that does not know them gets code, message and detail", () =>
    Effect.gen(function* () {
      class Older extends Service.make("Failing", {
        one: Failing.methods.plain,
        told: Rpc.unary({ response: Schema.String, singleServer: true })
      }) {}
      yield* Server.make(Failing, {
        ...handlers,
        one: (name) => new NameTaken({ name, since }),
        told: () => Effect.fail(create(DurationSchema, { seconds: 7n }))
      })
      const client = yield* Client.make(Older)
      const taken = yield* Effect.flip(client.one("Ada"))
      assert.strictEqual(taken._tag, "AlreadyExists")
      assert.strictEqual(taken.message, "NameTaken")
      assert.strictEqual(taken.details[0]?.typeUrl, "type.googleapis.com/effect_psrpc.TypedError")
      const told = yield* Effect.flip(client.told())
      assert.strictEqual(told._tag, "Unavailable")
      assert.strictEqual(told.message, "in 7 s")
      assert.strictEqual(PsrpcError.findDetails(told, DurationSchema)[0]?.seconds, 7n)
    }).pipe(onBus)
  )

  it.effect("the error of another method (without types) goes out as unknown", () =>
    Effect.gen(function* () {
      yield* Server.make(Failing, { ...handlers, one: () => Effect.fail(new TooLong({ limit: 8 }) as never) })
      const client = yield* Client.make(Failing)
      const error = yield* Effect.flip(client.one("Ada"))
      assert.strictEqual(error._tag, "Unknown")
    }).pipe(onBus)
  )

  it.effect("a message function that throws is answered internal, and logged", () =>
    Effect.gen(function* () {
      class Bug extends Service.make("Bug", {
        told: Rpc.unary({
          error: PsrpcError.protobuf(DurationSchema, {
            message: () => {
              throw new Error("a bug of the definition")
            }
          })
        })
      }) {}
      const logs = yield* Logs
      yield* Server.make(Bug, { told: () => Effect.fail(create(DurationSchema)) })
      const client = yield* Client.make(Bug)
      const error = yield* Effect.flip(client.told())
      assert.isTrue(PsrpcError.is(error) && error.code === "internal")
      assert.strictEqual(logs.filter(({ level }) => level === "Error").length, 1)
    }).pipe(onBus)
  )
})

describe("mayHaveRun", () => {
  it.effect("is false where no server was chosen, and true from then on", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Failing)
      const servers = yield* fakeServers("Failing", "Plain", { queue: true })
      const unclaimed = yield* start(client.plain("x", { timeout: 100 }))
      yield* TestClock.adjust(100)
      assert.isFalse(errorOf(unclaimed).mayHaveRun)
      assert.isTrue(PsrpcError.hasNotRun(errorOf(unclaimed)))
      const chosen = yield* start(client.plain("x", { timeout: 100 }))
      yield* settle
      servers.claim("a")
      yield* TestClock.adjust(100)
      assert.strictEqual(errorOf(chosen)._tag, "DeadlineExceeded")
      assert.isTrue(errorOf(chosen).mayHaveRun)
      assert.strictEqual(errorOf(chosen).reason, "timeout")
    }).pipe(onBus)
  )

  it.effect("is true for a timeout of a method that nobody claims", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Failing)
      yield* fakeServers("Failing", "Told", { queue: true })
      const call = yield* start(client.told({ timeout: 100 }))
      yield* TestClock.adjust(100)
      const error = errorOf(call)
      assert.isTrue(PsrpcError.is(error) && error.code === "deadline_exceeded" && error.mayHaveRun)
    }).pipe(onBus)
  )
})
