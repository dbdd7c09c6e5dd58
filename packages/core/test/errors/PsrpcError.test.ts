import { DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Schema } from "effect"
import { inspect } from "node:util"
import * as ErrorConversions from "../../src/ErrorConversions.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"

// The table of docs/wire.md, with the tag in front and Twirp behind.
const rows = [
  ["Canceled", "canceled", 503, 1, "canceled"],
  ["MalformedRequest", "malformed_request", 400, 3, "malformed"],
  ["MalformedResult", "malformed_result", 500, 13, "malformed"],
  ["DeadlineExceeded", "deadline_exceeded", 503, 4, "deadline_exceeded"],
  ["Unavailable", "unavailable", 503, 14, "unavailable"],
  ["Unknown", "unknown", 500, 2, "unknown"],
  ["InvalidArgument", "invalid_argument", 400, 3, "invalid_argument"],
  ["NotFound", "not_found", 404, 5, "not_found"],
  ["NotAcceptable", "not_acceptable", 406, 2, "unknown"],
  ["AlreadyExists", "already_exists", 409, 6, "already_exists"],
  ["PermissionDenied", "permission_denied", 403, 7, "permission_denied"],
  ["ResourceExhausted", "resource_exhausted", 429, 8, "resource_exhausted"],
  ["FailedPrecondition", "failed_precondition", 412, 9, "failed_precondition"],
  ["Aborted", "aborted", 409, 10, "aborted"],
  ["OutOfRange", "out_of_range", 416, 11, "out_of_range"],
  ["Unimplemented", "unimplemented", 501, 12, "unimplemented"],
  ["Internal", "internal", 500, 13, "internal"],
  ["DataLoss", "data_loss", 500, 15, "data_loss"],
  ["Unauthenticated", "unauthenticated", 401, 16, "unauthenticated"],
  ["UnprocessableEntity", "unprocessable_entity", 422, 2, "unknown"],
  ["UpstreamServerError", "upstream_server_error", 502, 13, "internal"],
  ["UpstreamClientError", "upstream_client_error", 424, 3, "invalid_argument"]
] as const

describe("the codes", () => {
  it("are the 22 of psrpc", () => {
    assert.deepStrictEqual(
      [...PsrpcError.codes],
      rows.map(([, code]) => code)
    )
  })

  for (const [tag, code, http, grpc, twirp] of rows) {
    it(`${code} is ${tag}, HTTP ${http}, gRPC ${grpc}, Twirp ${twirp}`, () => {
      const error = new PsrpcError[tag]({ message: "m" })
      assert.strictEqual(error._tag, tag)
      assert.strictEqual(error.code, code)
      assert.isTrue(PsrpcError.is(error))
      assert.isTrue(PsrpcError.isCode(code))
      for (const input of [error, code] as const) {
        assert.strictEqual(ErrorConversions.toHttpStatus(input), http)
        assert.strictEqual(ErrorConversions.toGrpcCode(input), grpc)
        assert.strictEqual(ErrorConversions.toTwirpCode(input), twirp)
      }
      const made = PsrpcError.fromCode(code, { message: "m" })
      assert.isTrue(made instanceof PsrpcError[tag])
      assert.deepStrictEqual(made.toJSON(), error.toJSON())
    })
  }

  it("is a code only when psrpc has it", () => {
    for (const text of ["", "ok", "NotFound", "toString", "__proto__", undefined, 5]) {
      assert.isFalse(PsrpcError.isCode(text))
    }
  })
})

describe("making an error", () => {
  it("needs a message and nothing else", () => {
    const error = new PsrpcError.NotFound({ message: "no such job" })
    assert.strictEqual(error.message, "no such job")
    assert.strictEqual(error._tag, "NotFound")
    assert.strictEqual(error.code, "not_found")
    assert.deepStrictEqual(error.details, [])
    assert.isTrue(error.mayHaveRun)
    assert.isFalse("cause" in error)
    assert.isFalse("reason" in error)
  })

  it("is an Error with a stack that starts where it was made", () => {
    const error = new PsrpcError.NotFound({ message: "no such job" })
    assert.instanceOf(error, Error)
    assert.strictEqual(String(error), "PsrpcError.NotFound: no such job")
    assert.include(error.stack, "PsrpcError.test.ts")
  })

  it("puts the code in the place of an empty message", () => {
    assert.strictEqual(new PsrpcError.NotFound({ message: "" }).message, "not_found")
    assert.strictEqual(PsrpcError.NotFound.make({ message: "" }).message, "not_found")
    assert.strictEqual(PsrpcError.fromCode("not_found").message, "not_found")
    assert.strictEqual(PsrpcError.fromCode("not_found", { message: "" }).message, "not_found")
  })

  it("keeps the cause as it was given", () => {
    const cause = new TypeError("boom")
    assert.strictEqual(new PsrpcError.Internal({ message: "m", cause }).cause, cause)
    assert.strictEqual(PsrpcError.fromCode("internal", { cause }).cause, cause)
  })

  it("refuses a message that is no text", () => {
    assert.throws(() => new PsrpcError.NotFound({ message: 1 as never }))
  })

  it.effect("fails a generator, and catchTag catches it", () =>
    Effect.gen(function* () {
      const program: Effect.Effect<never, PsrpcError.NotFound | PsrpcError.Aborted> = Effect.gen(function* () {
        return yield* new PsrpcError.NotFound({ message: "no such job" })
      })
      const message = yield* program.pipe(Effect.catchTag("NotFound", (error) => Effect.succeed(error.message)))
      assert.strictEqual(message, "no such job")
    })
  )

  it.effect("an error from a code can be yielded too", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Effect.gen(function* () {
          return yield* PsrpcError.fromCode("aborted", { message: "try again" })
        })
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "PsrpcError.Aborted: try again")
    })
  )
})

describe("an error from a code", () => {
  it("that is not psrpc's is Unknown and keeps the text", () => {
    const error = PsrpcError.fromCode("quota_burst", { message: "slow down" })
    assert.instanceOf(error, PsrpcError.Unknown)
    assert.strictEqual(error.code, "unknown")
    assert.strictEqual(error.message, "slow down")
    assert.strictEqual(error._tag === "Unknown" ? error.peerCode : undefined, "quota_burst")
  })

  it("that is not psrpc's shows the text where there is no message", () => {
    assert.strictEqual(PsrpcError.fromCode("quota_burst").message, "quota_burst")
    assert.strictEqual(PsrpcError.fromCode("quota_burst", { message: undefined }).message, "quota_burst")
    assert.strictEqual(PsrpcError.fromCode("quota_burst", { message: "" }).message, "quota_burst")
  })

  it("that is empty is Unknown", () => {
    const error = PsrpcError.fromCode("")
    assert.strictEqual(error._tag, "Unknown")
    assert.strictEqual(error.message, "unknown")
    assert.isFalse("peerCode" in error)
  })

  it("that is a property of every object is Unknown", () => {
    assert.strictEqual(PsrpcError.fromCode("constructor")._tag, "Unknown")
  })

  it("takes no stack trace, and leaves the limit as it was", () => {
    const limit = Error.stackTraceLimit
    assert.notInclude(PsrpcError.fromCode("not_found").stack ?? "", "\n")
    assert.strictEqual(Error.stackTraceLimit, limit)
    assert.include(new Error("x").stack, "\n")
  })
})

describe("an error from anything", () => {
  it("that is one of psrpc is itself", () => {
    const error = new PsrpcError.NotFound({ message: "m" })
    assert.strictEqual(PsrpcError.fromUnknown(error), error)
  })

  it("that is an Error is Unknown with its message and cause, without its stack", () => {
    const cause = new TypeError("boom")
    const error = PsrpcError.fromUnknown(cause)
    assert.strictEqual(error._tag, "Unknown")
    assert.strictEqual(error.message, "boom")
    assert.strictEqual(error.cause, cause)
    assert.notInclude(JSON.stringify(error), "PsrpcError.test.ts")
  })

  class Plain extends Data.TaggedError("Plain")<{}> {}
  const others: ReadonlyArray<readonly [unknown, string]> = [
    ["a text", "a text"],
    [{ message: "in an object" }, "in an object"],
    [{ message: 5 }, "fallback"],
    ["", "fallback"],
    [new Plain(), "fallback"],
    [new Error(), "fallback"],
    [null, "fallback"],
    [undefined, "fallback"],
    [5, "fallback"]
  ]
  for (const [u, message] of others) {
    it(`that is ${inspect(u).split("\n")[0]} says "${message}"`, () => {
      const error = PsrpcError.fromUnknown(u, "fallback")
      assert.strictEqual(error.message, message)
      assert.strictEqual(error.cause, u)
    })
  }

  it("without a message and a fallback says unknown", () => {
    assert.strictEqual(PsrpcError.fromUnknown(null).message, "unknown")
  })
})

describe("printing an error", () => {
  const error = new PsrpcError.Unavailable({
    message: "no response from servers",
    reason: "no_response",
    mayHaveRun: false,
    cause: new TypeError("boom"),
    details: [{ typeUrl: "type.googleapis.com/a.B", value: new Uint8Array(300).fill(7) }]
  })

  it("as JSON shows the fields, and of the details only type and length", () => {
    assert.deepStrictEqual(JSON.parse(JSON.stringify(error)), {
      _tag: "Unavailable",
      code: "unavailable",
      message: "no response from servers",
      reason: "no_response",
      mayHaveRun: false,
      details: [{ typeUrl: "type.googleapis.com/a.B", bytes: 300 }],
      cause: "TypeError: boom"
    })
  })

  it("leaves out what is not there", () => {
    assert.strictEqual(
      JSON.stringify(new PsrpcError.NotFound({ message: "m" })),
      `{"_tag":"NotFound","code":"not_found","message":"m","mayHaveRun":true}`
    )
  })

  it("survives a cause that is no JSON", () => {
    const circular: Record<string, unknown> = { n: 1n }
    circular["self"] = circular
    assert.include(JSON.stringify(PsrpcError.fromUnknown(circular)), "[Circular]")
  })

  it("in a console and in a Cause shows no bytes", () => {
    for (const text of [inspect(error, { depth: 9 }), String(Cause.fail(error)), Cause.pretty(Cause.fail(error))]) {
      assert.include(text, "no response from servers")
      assert.notInclude(text, "7, 7")
      assert.notInclude(text, `"299"`)
    }
  })
})

describe("details", () => {
  const busy = new PsrpcError.ResourceExhausted({
    message: "busy",
    details: [
      PsrpcError.detail(DurationSchema, { seconds: 30n }),
      PsrpcError.detail(StringValueSchema, { value: "queue" }),
      {
        typeUrl: "example.com/x/google.protobuf.Duration",
        value: PsrpcError.detail(DurationSchema, { nanos: 1 }).value
      },
      { typeUrl: "type.googleapis.com/google.protobuf.Duration", value: new Uint8Array([0xff]) }
    ]
  })

  it("carry the type's URL and bytes", () => {
    assert.deepStrictEqual(busy.details[0], {
      typeUrl: "type.googleapis.com/google.protobuf.Duration",
      value: new Uint8Array([8, 30])
    })
  })

  it("are found by type, without those that do not decode", () => {
    assert.deepStrictEqual(
      PsrpcError.findDetails(busy, DurationSchema).map(({ nanos, seconds }) => [seconds, nanos]),
      [
        [30n, 0],
        [0n, 1]
      ]
    )
    assert.deepStrictEqual(
      PsrpcError.findDetails(busy, StringValueSchema).map((m) => m.value),
      ["queue"]
    )
  })

  it("can be added", () => {
    const cause = new Error("why")
    const error = new PsrpcError.Unknown({ message: "m", peerCode: "p", cause, mayHaveRun: false, reason: "not_sent" })
    const more = PsrpcError.withDetails(error, PsrpcError.detail(StringValueSchema, { value: "a" }))
    assert.instanceOf(more, PsrpcError.Unknown)
    assert.strictEqual(more.details.length, 1)
    assert.strictEqual(error.details.length, 0)
    assert.strictEqual(more.stack, error.stack)
    assert.strictEqual(more.cause, cause)
    assert.deepStrictEqual({ ...(more.toJSON() as object), details: 0 }, { ...(error.toJSON() as object), details: 0 })
  })
})

describe("the schema of all errors", () => {
  const Json = Schema.fromJsonString(Schema.toCodecJson(PsrpcError.Union))

  for (const [tag] of rows) {
    it.effect(`takes ${tag} through JSON and back`, () =>
      Effect.gen(function* () {
        const error = new PsrpcError[tag]({
          message: "m",
          details: [PsrpcError.detail(StringValueSchema, { value: "é" })],
          mayHaveRun: false,
          reason: "connection"
        })
        const json = yield* Schema.encodeEffect(Json)(error)
        const back = yield* Schema.decodeEffect(Json)(json)
        assert.isTrue(back instanceof PsrpcError[tag])
        assert.isTrue(PsrpcError.is(back))
        assert.deepStrictEqual(back.toJSON(), error.toJSON())
        assert.deepStrictEqual(back.details, error.details)
      })
    )
  }

  it.effect("keeps the peer's code and the message of the cause", () =>
    Effect.gen(function* () {
      const error = new PsrpcError.Unknown({ message: "m", peerCode: "p", cause: new Error("why") })
      const back = yield* Schema.decodeEffect(Json)(yield* Schema.encodeEffect(Json)(error))
      assert.strictEqual(back._tag === "Unknown" && back.peerCode, "p")
      assert.strictEqual((back.cause as Error).message, "why")
    })
  )

  it.effect("fits into a schema of one's own", () =>
    Effect.gen(function* () {
      const Outcome = Schema.Struct({ id: Schema.Int, error: PsrpcError.Union })
      const outcome = { id: 1, error: PsrpcError.fromCode("aborted", { message: "m" }) }
      const back = yield* Schema.decodeEffect(Outcome)(yield* Schema.encodeEffect(Outcome)(outcome))
      assert.instanceOf(back.error, PsrpcError.Aborted)
    })
  )
})

describe("asking what happened", () => {
  const predicates = {
    isTimeout: PsrpcError.isTimeout,
    isCanceled: PsrpcError.isCanceled,
    isClosed: PsrpcError.isClosed,
    isConnection: PsrpcError.isConnection,
    isNoServer: PsrpcError.isNoServer,
    isOverflow: PsrpcError.isOverflow,
    hasNotRun: PsrpcError.hasNotRun
  }
  const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<keyof typeof predicates>]> = [
    ["a deadline that passed here", PsrpcError.fromCode("deadline_exceeded", { reason: "timeout" }), ["isTimeout"]],
    ["a deadline that passed at the server", PsrpcError.fromCode("deadline_exceeded"), ["isTimeout"]],
    ["a call that was given up", PsrpcError.fromCode("canceled"), ["isCanceled"]],
    [
      "a closed client",
      PsrpcError.fromCode("canceled", { reason: "client_closed", mayHaveRun: false }),
      ["isClosed", "hasNotRun"]
    ],
    ["a closed server", PsrpcError.fromCode("canceled", { reason: "server_closed" }), ["isClosed"]],
    ["a closed stream", PsrpcError.fromCode("canceled", { reason: "stream_closed" }), ["isClosed"]],
    ["a stream of a draining server", PsrpcError.fromCode("unavailable", { reason: "server_closed" }), ["isClosed"]],
    ["a lost connection", PsrpcError.fromCode("unavailable", { reason: "connection" }), ["isConnection"]],
    ["no answer", PsrpcError.fromCode("unavailable", { reason: "no_response" }), ["isNoServer"]],
    [
      "no server that will do",
      PsrpcError.fromCode("unavailable", { reason: "no_servers", mayHaveRun: false }),
      ["isNoServer", "hasNotRun"]
    ],
    ["nobody who listens", PsrpcError.fromCode("unavailable", { reason: "no_listeners" }), ["isNoServer"]],
    ["a full buffer", PsrpcError.fromCode("resource_exhausted", { reason: "overflow" }), ["isOverflow"]],
    ["a quota of the handler's", PsrpcError.fromCode("resource_exhausted"), []],
    ["a server that says unavailable", PsrpcError.fromCode("unavailable"), []],
    ["a foreign error", Object.assign(new Error("x"), { code: "canceled", reason: "timeout" }), []],
    ["nothing", undefined, []]
  ]
  for (const [name, error, expected] of cases) {
    it(`${name}: ${expected.join(" and ") || "none of them"}`, () => {
      const yes = Object.entries(predicates).filter(([, predicate]) => predicate(error))
      assert.deepStrictEqual(
        yes.map(([name]) => name),
        [...expected]
      )
    })
  }
})
