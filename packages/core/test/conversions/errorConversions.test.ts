import { DurationSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import * as ErrorConversions from "../../src/ErrorConversions.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"

/** What travels of an error. */
const whole = (error: PsrpcError.PsrpcError) => ({
  tag: error._tag,
  code: error.code,
  peerCode: error._tag === "Unknown" ? error.peerCode : undefined,
  message: error.message,
  details: error.details.map(({ typeUrl, value }) => ({ typeUrl, value: Array.from(value) }))
})

const text = Arbitrary.map(
  Arbitrary.schema(
    Schema.Array(Schema.Literals(["a", " ", '"', "\\", "\n", "\0", "é", "\u2028", "\uffff", "🚀", "</"]))
  ),
  (pieces) => pieces.join("")
)
const detail = Arbitrary.all({
  typeUrl: Arbitrary.schema(
    Schema.Literals([
      "type.googleapis.com/google.protobuf.Duration",
      "type.googleapis.com/",
      "type.googleapis.com/a/b",
      "example.org/acme.Empty",
      "/acme.Empty",
      "acme.NoUrl",
      "ä",
      ""
    ])
  ),
  value: Arbitrary.map(Arbitrary.schema(Schema.Array(Schema.Literals([0, 1, 62, 63, 127, 128, 251, 255]))), (bytes) =>
    Uint8Array.from(bytes)
  )
})

/** Errors of every code, and of codes that are none. */
const codes = [...PsrpcError.codes, "quota_burst", "E 17: ключ"]
const given = Arbitrary.all({ message: text, details: Arbitrary.array(detail, { maxLength: 4 }) })

describe("an error of every code", () => {
  for (const code of codes) {
    it.effect.prop(`${code}: comes back whole from an HTTP response`, { given }, ({ given }) =>
      Effect.sync(() => {
        const error = PsrpcError.fromCode(code, given)
        const { body, headers, status } = ErrorConversions.toHttpResponse(error)
        assert.strictEqual(status, ErrorConversions.toHttpStatus(error))
        assert.deepStrictEqual(headers, { "content-type": "application/json" })
        for (const read of [body, JSON.parse(body)]) {
          assert.deepStrictEqual(whole(ErrorConversions.fromHttpResponse({ status, body: read })), whole(error))
        }
      })
    )

    it.effect.prop(`${code}: comes back whole from Twirp's object, as it is in JSON`, { given }, ({ given }) =>
      Effect.sync(() => {
        const error = PsrpcError.fromCode(code, given)
        const object = ErrorConversions.toTwirpError(error)
        assert.strictEqual(object.code, ErrorConversions.toTwirpCode(error))
        assert.strictEqual(object.msg, error.message)
        for (const value of Object.values(object.meta ?? {})) assert.isString(value)
        const back = ErrorConversions.fromTwirpError(JSON.parse(JSON.stringify(object)))
        assert.deepStrictEqual(whole(back), whole(error))
      })
    )

    it.effect.prop(
      `${code}: comes back from the bytes of a gRPC status, but for the code's own name`,
      { given },
      ({ given }) =>
        Effect.sync(() => {
          const error = PsrpcError.fromCode(code, given)
          const bytes = ErrorConversions.encodeGrpcStatus(error)
          const back = ErrorConversions.decodeGrpcStatus(bytes)
          assert.deepStrictEqual(whole(back), {
            ...whole(PsrpcError.fromCode(ErrorConversions.fromGrpcCode(ErrorConversions.toGrpcCode(error)))),
            message: error.message,
            details: whole(error).details
          })
          assert.deepStrictEqual(
            whole(ErrorConversions.fromGrpcStatus(ErrorConversions.toGrpcStatus(error))),
            whole(back)
          )
          // as often as it is sent on
          assert.deepStrictEqual(ErrorConversions.encodeGrpcStatus(back), bytes)
        })
    )
  }

  it("of one name in gRPC comes back by that name", () => {
    const same = PsrpcError.codes.filter(
      (code) => ErrorConversions.fromGrpcCode(ErrorConversions.toGrpcCode(code)) === code
    )
    assert.strictEqual(same.length, 16)
  })
})

const busy = PsrpcError.fromCode("resource_exhausted", {
  message: "too many jobs",
  details: [
    PsrpcError.detail(DurationSchema, { seconds: 30n }),
    { typeUrl: "example.org/acme.Empty", value: new Uint8Array(0) },
    { typeUrl: "acme.NoUrl", value: new Uint8Array([251, 255]) }
  ]
})

describe("an HTTP response", () => {
  it("has the shape of a Connect error", () => {
    const { body, status } = ErrorConversions.toHttpResponse(busy)
    assert.strictEqual(status, 429)
    assert.deepStrictEqual(JSON.parse(body), {
      code: "resource_exhausted",
      message: "too many jobs",
      details: [
        { type: "google.protobuf.Duration", value: "CB4" },
        { type: "example.org/acme.Empty", value: "" },
        { type: "acme.NoUrl", value: "+/8", typeUrl: "acme.NoUrl" }
      ]
    })
  })

  it("says nothing that stays in this process", () => {
    const error = PsrpcError.fromCode("internal", {
      cause: new Error("secret"),
      reason: "connection",
      mayHaveRun: false
    })
    assert.deepStrictEqual(JSON.parse(ErrorConversions.toHttpResponse(error).body), {
      code: "internal",
      message: "internal",
      details: []
    })
    assert.deepStrictEqual(ErrorConversions.toTwirpError(error), { code: "internal", msg: "internal" })
  })

  const foreign: ReadonlyArray<readonly [what: string, status: number, body: unknown, code: string, message: string]> =
    [
      ["without a body", 404, undefined, "not_found", "HTTP 404"],
      ["with an empty body", 502, "", "upstream_server_error", "HTTP 502"],
      ["with a page", 503, "<html>secret</html>", "unavailable", "HTTP 503"],
      ["with half of a body", 404, '{"code":"abor', "not_found", "HTTP 404"],
      ["with JSON that is no object", 404, '["not_found"]', "not_found", "HTTP 404"],
      ["with JSON null", 429, "null", "resource_exhausted", "HTTP 429"],
      ["with bytes", 404, new Uint8Array([1]), "not_found", "HTTP 404"],
      ["with an object of another shape", 409, '{"error":"taken"}', "already_exists", "HTTP 409"],
      ["with a message alone", 409, '{"message":"taken"}', "already_exists", "taken"],
      ["with a code of its own", 404, '{"code":"E17","message":"gone"}', "not_found", "gone"],
      ["with a code that is a number", 404, '{"code":5,"message":"gone"}', "not_found", "gone"],
      [
        "with the name of what every object has as its code",
        400,
        '{"code":"toString"}',
        "invalid_argument",
        "HTTP 400"
      ],
      ["with a message that is no text", 401, '{"message":{"a":1}}', "unauthenticated", "HTTP 401"],
      ["with psrpc's code and another status", 400, '{"code":"aborted","message":"m"}', "aborted", "m"],
      ["with psrpc's code and no message", 409, '{"code":"aborted"}', "aborted", "aborted"],
      [
        "with Connect's status of the code",
        504,
        '{"code":"deadline_exceeded","message":"m"}',
        "deadline_exceeded",
        "m"
      ],
      ["that is no failure", 200, "[1,2,3]", "unknown", "HTTP 200"],
      ["that is no failure and says one", 200, '{"code":"not_found","message":"m"}', "not_found", "m"],
      ["that is elsewhere", 302, "", "unknown", "HTTP 302"],
      ["of a status that HTTP does not have", 1000, undefined, "unknown", "HTTP 1000"],
      ["of a status that HTTP does not define", 599, undefined, "internal", "HTTP 599"]
    ]
  for (const [what, status, body, code, message] of foreign) {
    it(`${what} (${status}) is ${code}`, () => {
      const error = ErrorConversions.fromHttpResponse({ status, body })
      assert.deepStrictEqual(whole(error), whole(PsrpcError.fromCode(code, { message })))
      assert.isTrue(error.mayHaveRun)
    })
  }

  it("of status 500 keeps a code that psrpc does not have", () => {
    const error = ErrorConversions.fromHttpResponse({ status: 500, body: { code: "E17", message: "m" } })
    assert.deepStrictEqual(whole(error), whole(PsrpcError.fromCode("E17", { message: "m" })))
    assert.strictEqual(ErrorConversions.fromHttpResponse({ status: 500, body: { code: "E17" } }).code, "internal")
  })

  it("loses those details only that are none", () => {
    const details = [
      null,
      "google.protobuf.Duration",
      { type: "google.protobuf.Duration" },
      { type: "google.protobuf.Duration", value: "C" },
      { type: "google.protobuf.Duration", value: "*" },
      { type: 5, value: "CB4" },
      { type: "google.protobuf.Duration", value: "CB4=", debug: { seconds: 30 } },
      { type: "a.B", value: "-_8" },
      { type: "a.B", value: "+/8", typeUrl: 5 }
    ]
    const error = ErrorConversions.fromHttpResponse({
      status: 429,
      body: { code: "resource_exhausted", message: "m", details }
    })
    assert.deepStrictEqual(whole(error).details, [
      { typeUrl: "type.googleapis.com/google.protobuf.Duration", value: [8, 30] },
      { typeUrl: "type.googleapis.com/a.B", value: [251, 255] },
      { typeUrl: "type.googleapis.com/a.B", value: [251, 255] }
    ])
    assert.strictEqual(PsrpcError.findDetails(error, DurationSchema)[0]?.seconds, 30n)
    assert.deepStrictEqual(ErrorConversions.fromHttpResponse({ status: 429, body: { details: { 0: 1 } } }).details, [])
  })
})

describe("a status from elsewhere", () => {
  const http = [
    [400, "invalid_argument"],
    [401, "unauthenticated"],
    [403, "permission_denied"],
    [404, "not_found"],
    [405, "invalid_argument"],
    [406, "not_acceptable"],
    [408, "deadline_exceeded"],
    [409, "already_exists"],
    [410, "not_found"],
    [412, "failed_precondition"],
    [415, "invalid_argument"],
    [416, "out_of_range"],
    [418, "invalid_argument"],
    [422, "unprocessable_entity"],
    [424, "upstream_client_error"],
    [429, "resource_exhausted"],
    [499, "canceled"],
    [500, "internal"],
    [501, "unimplemented"],
    [502, "upstream_server_error"],
    [503, "unavailable"],
    [504, "deadline_exceeded"],
    [507, "internal"],
    [200, "unknown"],
    [302, "unknown"],
    [999, "unknown"]
  ] as const
  for (const [status, code] of http) {
    it(`HTTP ${status} becomes ${code}`, () => {
      const error = ErrorConversions.fromHttpStatus(status)
      assert.strictEqual(error.code, code)
      assert.strictEqual(error.message, `HTTP ${status}`)
    })
  }

  it("HTTP takes a message", () => {
    assert.strictEqual(ErrorConversions.fromHttpStatus(404, { message: "no job" }).message, "no job")
  })

  const grpc = [
    [0, "unknown"],
    [1, "canceled"],
    [2, "unknown"],
    [3, "invalid_argument"],
    [4, "deadline_exceeded"],
    [5, "not_found"],
    [6, "already_exists"],
    [7, "permission_denied"],
    [8, "resource_exhausted"],
    [9, "failed_precondition"],
    [10, "aborted"],
    [11, "out_of_range"],
    [12, "unimplemented"],
    [13, "internal"],
    [14, "unavailable"],
    [15, "data_loss"],
    [16, "unauthenticated"],
    [17, "unknown"],
    [-1, "unknown"]
  ] as const
  for (const [number, code] of grpc) {
    it(`gRPC ${number} becomes ${code}`, () => {
      assert.strictEqual(ErrorConversions.fromGrpcCode(number), code)
    })
  }

  const twirp = [
    ["canceled", "canceled"],
    ["unknown", "unknown"],
    ["invalid_argument", "invalid_argument"],
    ["malformed", "malformed_request"],
    ["deadline_exceeded", "deadline_exceeded"],
    ["not_found", "not_found"],
    ["bad_route", "unimplemented"],
    ["already_exists", "already_exists"],
    ["permission_denied", "permission_denied"],
    ["unauthenticated", "unauthenticated"],
    ["resource_exhausted", "resource_exhausted"],
    ["failed_precondition", "failed_precondition"],
    ["aborted", "aborted"],
    ["out_of_range", "out_of_range"],
    ["unimplemented", "unimplemented"],
    ["internal", "internal"],
    ["unavailable", "unavailable"],
    ["data_loss", "data_loss"],
    ["", "unknown"],
    ["upstream_server_error", "unknown"]
  ] as const
  for (const [text, code] of twirp) {
    it(`Twirp "${text}" becomes ${code}`, () => {
      assert.strictEqual(ErrorConversions.fromTwirpCode(text), code)
    })
  }

  it("gRPC keeps message and details, there and back", () => {
    const error = new PsrpcError.ResourceExhausted({
      message: "too many jobs",
      details: [PsrpcError.detail(DurationSchema, { seconds: 30n })]
    })
    const status = ErrorConversions.toGrpcStatus(error)
    assert.deepStrictEqual(status, { code: 8, message: "too many jobs", details: error.details })
    assert.deepStrictEqual(ErrorConversions.fromGrpcStatus(status).toJSON(), error.toJSON())
  })

  it("gRPC without a message has its code's", () => {
    assert.strictEqual(ErrorConversions.fromGrpcStatus({ code: 5 }).message, "not_found")
  })
})

describe("the bytes of a gRPC status", () => {
  it("are those of google.rpc.Status", () => {
    const error = PsrpcError.fromCode("not_found", {
      message: "é",
      details: [{ typeUrl: "a/B", value: new Uint8Array([1, 2]) }]
    })
    const expected = [0x08, 5, 0x12, 2, 0xc3, 0xa9, 0x1a, 9, 0x0a, 3, 0x61, 0x2f, 0x42, 0x12, 2, 1, 2]
    assert.deepStrictEqual(Array.from(ErrorConversions.encodeGrpcStatus(error)), expected)
    assert.deepStrictEqual(whole(ErrorConversions.decodeGrpcStatus(Uint8Array.from(expected))), whole(error))
  })

  it("are the caller's own, and so are the details read from them", () => {
    const bytes = ErrorConversions.encodeGrpcStatus(busy)
    assert.strictEqual(bytes.byteLength, bytes.buffer.byteLength)
    const back = ErrorConversions.decodeGrpcStatus(bytes)
    bytes.fill(0)
    ErrorConversions.encodeGrpcStatus(busy).fill(1)
    assert.deepStrictEqual(whole(back), whole(busy))
  })

  it("are copied also from a Buffer, into plain arrays", () => {
    const bytes = Buffer.from(ErrorConversions.encodeGrpcStatus(busy))
    const back = ErrorConversions.decodeGrpcStatus(bytes)
    bytes.fill(0)
    assert.deepStrictEqual(whole(back), whole(busy))
    assert.isFalse(Buffer.isBuffer(back.details[0]?.value))
  })

  it("have a replacement character for half of a surrogate pair", () => {
    const error = PsrpcError.fromCode("not_found", {
      message: "\ud800a",
      details: [{ typeUrl: "a/\udc00", value: new Uint8Array(0) }]
    })
    const back = ErrorConversions.decodeGrpcStatus(ErrorConversions.encodeGrpcStatus(error))
    assert.deepStrictEqual([back.message, back.details[0]?.typeUrl], ["\ufffda", "a/\ufffd"])
  })

  it("may be large", () => {
    const error = PsrpcError.fromCode("internal", {
      message: "é".repeat(100_000),
      details: Array.from({ length: 1000 }, (_, i) => ({ typeUrl: `a/B${i}`, value: new Uint8Array(i) }))
    })
    assert.deepStrictEqual(
      whole(ErrorConversions.decodeGrpcStatus(ErrorConversions.encodeGrpcStatus(error))),
      whole(error)
    )
  })

  const read: ReadonlyArray<readonly [what: string, bytes: ReadonlyArray<number>, code: string, message: string]> = [
    ["none: OK is no error", [], "unknown", "unknown"],
    ["a code alone", [0x08, 14], "unavailable", "unavailable"],
    ["a number that gRPC does not define", [0x08, 17, 0x12, 1, 0x6d], "unknown", "m"],
    ["a large number", [0x08, 0xff, 0xff, 0xff, 0xff, 0x0f], "unknown", "unknown"],
    ["a negative number", [0x08, ...Array.from({ length: 9 }, () => 0xff), 0x01], "unknown", "unknown"],
    ["fields that nobody knows, and in another order", [0x12, 1, 0x6d, 0x20, 1, 0x2a, 1, 0, 0x08, 5], "not_found", "m"]
  ]
  for (const [what, bytes, code, message] of read) {
    it(`are read: ${what}`, () => {
      const error = ErrorConversions.decodeGrpcStatus(Uint8Array.from(bytes))
      assert.deepStrictEqual(whole(error), whole(PsrpcError.fromCode(code, { message })))
    })
  }

  const malformed: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
    ["cut off", [0x08, 5, 0x12, 5, 0x6d]],
    ["a cut off detail", [0x1a, 4, 0x0a, 9, 0x61, 0x61]],
    ["a cut off number", [0x08, 0x80]],
    ["text that is not UTF-8", [0x12, 1, 0xff]],
    ["field number 0", [0x00]],
    ["1001 details", Array.from({ length: 1001 }, () => [0x1a, 0]).flat()],
    ["JSON", Array.from(new TextEncoder().encode('{"code":5}'))]
  ]
  for (const [what, bytes] of malformed) {
    it(`that are none (${what}) are a malformed_result that says so`, () => {
      const error = ErrorConversions.decodeGrpcStatus(Uint8Array.from(bytes))
      assert.instanceOf(error, PsrpcError.MalformedResult)
      assert.strictEqual(error.message, "the gRPC status cannot be decoded: no google.rpc.Status")
      assert.deepStrictEqual(error.details, [])
    })
  }

  it.effect.prop(
    "may be any bytes: they are read or refused, and never thrown at",
    [Schema.Array(Schema.Int)],
    ([ints]) =>
      Effect.sync(() => assert.isTrue(PsrpcError.is(ErrorConversions.decodeGrpcStatus(Uint8Array.from(ints)))))
  )
})

describe("Twirp's error object", () => {
  it("has what Twirp has no place for in its meta, and none where nothing is lost", () => {
    assert.deepStrictEqual(ErrorConversions.toTwirpError(PsrpcError.fromCode("not_found", { message: "no job" })), {
      code: "not_found",
      msg: "no job"
    })
    assert.deepStrictEqual(ErrorConversions.toTwirpError(PsrpcError.fromCode("malformed_request")), {
      code: "malformed",
      msg: "malformed_request"
    })
    assert.deepStrictEqual(ErrorConversions.toTwirpError(PsrpcError.fromCode("not_acceptable")), {
      code: "unknown",
      msg: "not_acceptable",
      meta: { psrpc_code: "not_acceptable" }
    })
    assert.deepStrictEqual(ErrorConversions.toTwirpError(PsrpcError.fromCode("quota_burst")).meta, {
      psrpc_code: "quota_burst"
    })
    const { meta } = ErrorConversions.toTwirpError(busy)
    assert.deepStrictEqual(Object.keys(meta ?? {}), ["psrpc_details"])
    assert.deepStrictEqual(
      JSON.parse(meta!["psrpc_details"]!),
      JSON.parse(ErrorConversions.toHttpResponse(busy).body).details
    )
  })

  const foreign: ReadonlyArray<readonly [what: string, u: unknown, code: string, message: string | undefined]> = [
    ["of another service", { code: "invalid_argument", msg: "m", meta: { argument: "a" } }, "invalid_argument", "m"],
    ["of a server that has no such route", { code: "bad_route", msg: "no handler" }, "unimplemented", "no handler"],
    ["with a malformed body", { code: "malformed", msg: "m" }, "malformed_request", "m"],
    ["with data loss by the specification", { code: "dataloss", msg: "m" }, "data_loss", "m"],
    ["with data loss by Go", { code: "data_loss", msg: "m" }, "data_loss", "m"],
    ["with a code that nobody has", { code: "teapot", msg: "m" }, "teapot", "m"],
    ["with a code of psrpc's alone", { code: "upstream_server_error", msg: "m" }, "upstream_server_error", "m"],
    [
      "with another code under psrpc_code",
      { code: "internal", msg: "m", meta: { psrpc_code: "not_found" } },
      "internal",
      "m"
    ],
    ["with a psrpc_code that is no text", { code: "unknown", msg: "m", meta: { psrpc_code: 5 } }, "unknown", "m"],
    ["with meta that is none", { code: "aborted", msg: "m", meta: "psrpc_code" }, "aborted", "m"],
    ["without a message", { code: "aborted" }, "aborted", undefined],
    ["with a message that is no text", { code: "aborted", msg: 5 }, "aborted", undefined],
    ["without a code", { msg: "m" }, "unknown", "m"],
    ["with an empty code", { code: "", msg: "m" }, "unknown", "m"],
    ["that is a text", "not_found", "unknown", undefined],
    ["that is the text of one", '{"code":"not_found","msg":"none"}', "not_found", "none"],
    ["that is null", null, "unknown", undefined],
    ["that is nothing", undefined, "unknown", undefined]
  ]
  for (const [what, u, code, message] of foreign) {
    it(`${what} is ${code}`, () => {
      assert.deepStrictEqual(whole(ErrorConversions.fromTwirpError(u)), whole(PsrpcError.fromCode(code, { message })))
    })
  }

  it("with details that are no JSON has none", () => {
    for (const psrpc_details of ["", "[", "{}", "[5]", "null"]) {
      const error = ErrorConversions.fromTwirpError({ code: "aborted", msg: "m", meta: { psrpc_details } })
      assert.deepStrictEqual(whole(error), whole(PsrpcError.fromCode("aborted", { message: "m" })))
    }
  })

  // the table of Twirp's specification, version 7
  const statuses = [
    ["canceled", 408],
    ["unknown", 500],
    ["invalid_argument", 400],
    ["malformed_request", 400],
    ["deadline_exceeded", 408],
    ["not_found", 404],
    ["already_exists", 409],
    ["permission_denied", 403],
    ["unauthenticated", 401],
    ["resource_exhausted", 429],
    ["failed_precondition", 412],
    ["aborted", 409],
    ["out_of_range", 400],
    ["unimplemented", 501],
    ["internal", 500],
    ["unavailable", 503],
    ["data_loss", 500],
    ["upstream_client_error", 400],
    ["not_acceptable", 500]
  ] as const
  for (const [code, status] of statuses) {
    it(`of ${code} goes with HTTP ${status}`, () => {
      assert.strictEqual(ErrorConversions.toTwirpStatus(code), status)
      assert.strictEqual(ErrorConversions.toTwirpStatus(PsrpcError.fromCode(code)), status)
    })
  }
})
