import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire"
import { type Duration, DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Logger, Schema } from "effect"
import { ask, goError, goPeer, handlers, interop, newService, newServiceName, onBus } from "./support.ts"

const typeUrl = (name: string) => `type.googleapis.com/${name}`

/** A type that no program here knows, one that both know, and one with another host. */
const details: ReadonlyArray<PsrpcError.Detail> = [
  { typeUrl: typeUrl("acme.never.heard.Of"), value: new Uint8Array([0, 255, 1, 254, 10]) },
  PsrpcError.detail(DurationSchema, { seconds: 30n, nanos: 5 }),
  { typeUrl: "example.org/acme.Empty", value: new Uint8Array(0) }
]

const forGo = (details: ReadonlyArray<PsrpcError.Detail>) =>
  details.map(({ typeUrl, value }) => ({ typeUrl, value: Buffer.from(value).toString("base64") }))

const plain = (details: ReadonlyArray<PsrpcError.Detail>) =>
  details.map(({ typeUrl, value }) => ({ typeUrl, value: Array.from(value) }))

/** Our server, whose `Echo` fails with what the request's text stands for; nothing of it is logged here. */
const failing = (errors: Readonly<Record<string, Effect.Effect<never, PsrpcError.PsrpcError>>>) =>
  Effect.gen(function* () {
    const service = newService()
    yield* onBus(Server.make(service, { ...handlers, echo: (request) => errors[request.value]! })).pipe(
      Effect.provide(Logger.layer([]))
    )
    return yield* goPeer(service)
  })

interop("an error of a Go server reaches our client", (it) => {
  it.effect("as the class of its code, for each of the 22, with message and details as they were", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const seen = yield* Effect.forEach(
        PsrpcError.codes,
        (code) =>
          Effect.flip(client.echo(ask({ do: "fail", code, message: `because of ${code}`, details: forGo(details) }))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(seen.length, 22)
      for (const [index, code] of PsrpcError.codes.entries()) {
        const error = seen[index]!
        assert.strictEqual(error.code, code)
        assert.strictEqual(error._tag, PsrpcError.fromCode(code)._tag)
        assert.strictEqual(error.message, `because of ${code}`)
        assert.deepStrictEqual(plain(error.details), plain(details))
        assert.strictEqual(error.reason, undefined)
        assert.isTrue(error.mayHaveRun)
        assert.deepStrictEqual(
          PsrpcError.findDetails(error, DurationSchema).map(({ nanos, seconds }) => [seconds, nanos]),
          [[30n, 5]]
        )
      }
    })
  )

  it.effect("as Unknown with the text of a code that is none", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const error = yield* Effect.flip(
        client.echo(ask({ do: "fail", code: "i_am_a_teapot", message: "short and stout" }))
      )
      assert.instanceOf(error, PsrpcError.Unknown)
      assert.strictEqual(error.peerCode, "i_am_a_teapot")
      assert.strictEqual(error.message, "short and stout")
      const codeless = yield* Effect.flip(client.echo(ask({ do: "fail", code: "", message: "no code" })))
      assert.instanceOf(codeless, PsrpcError.Unknown)
      assert.strictEqual(codeless.peerCode, undefined)
    })
  )

  it.effect("as Unknown with its message where it is a plain Go error", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const error = yield* Effect.flip(client.echo(ask({ do: "failPlain", message: "disk full: здесь 🚀" })))
      assert.instanceOf(error, PsrpcError.Unknown)
      assert.strictEqual(error.message, "disk full: здесь 🚀")
      assert.deepStrictEqual(error.details, [])
    })
  )

  it.effect("as the code of the same name where it is a gRPC status, with its details", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const error = yield* Effect.flip(
        client.echo(ask({ do: "failStatus", status: 8, message: "slow down", details: forGo(details) }))
      )
      assert.instanceOf(error, PsrpcError.ResourceExhausted)
      assert.strictEqual(error.message, "slow down")
      assert.deepStrictEqual(plain(error.details), plain(details))
    })
  )

  it.effect("as Internal where its handler panicked", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.instanceOf(yield* Effect.flip(client.echo(ask({ do: "panic" }))), PsrpcError.Internal)
    })
  )

  it.effect("as an answer of nothing where its message is empty, as it would reach a Go client", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const request = ask({ do: "fail", code: "aborted", message: "" })
      assert.strictEqual((yield* client.echo(request)).value, yield* go.call("Echo", request.value))
    })
  )
})

interop("an error of our server reaches a Go client", (it) => {
  it.effect("with its code, for each of the 22, its message and its details as they were", () =>
    Effect.gen(function* () {
      const go = yield* failing(
        Object.fromEntries(
          PsrpcError.codes.map((code) => [
            code,
            Effect.fail(PsrpcError.fromCode(code, { message: `because of ${code}`, details }))
          ])
        )
      )
      const seen = yield* Effect.forEach(PsrpcError.codes, (code) => Effect.flip(go.call("Echo", code)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        seen.map(goError).map(({ code, details, message }) => ({ code, message, details: plain(details) })),
        PsrpcError.codes.map((code) => ({ code, message: `because of ${code}`, details: plain(details) }))
      )
    })
  )

  it.effect("with the text of the code that another peer gave it, where that is no code of psrpc", () =>
    Effect.gen(function* () {
      const go = yield* failing({
        teapot: Effect.fail(PsrpcError.fromCode("i_am_a_teapot", { message: "short and stout" }))
      })
      const error = goError(yield* Effect.flip(go.call("Echo", "teapot")))
      assert.strictEqual(error.code, "i_am_a_teapot")
      assert.strictEqual(error.message, "short and stout")
    })
  )

  it.effect("as an error also where its message is empty", () =>
    Effect.gen(function* () {
      const go = yield* failing({ empty: Effect.fail(new PsrpcError.Aborted({ message: "" })) })
      const error = goError(yield* Effect.flip(go.call("Echo", "empty")))
      assert.strictEqual(error.code, "aborted")
      assert.strictEqual(error.message, "aborted")
    })
  )

  it.effect("as internal where the handler died, without stack, message or details", () =>
    Effect.gen(function* () {
      const go = yield* failing({
        dies: Effect.die(new Error("password=hunter2")),
        throws: Effect.suspend(() => {
          throw new TypeError("password=hunter2")
        })
      })
      for (const how of ["dies", "throws"]) {
        const error = goError(yield* Effect.flip(go.call("Echo", how)))
        assert.strictEqual(error.code, "internal")
        assert.strictEqual(error.message, "internal error")
        assert.deepStrictEqual(error.details, [])
      }
    })
  )
})

class NameTaken extends Schema.TaggedError<NameTaken>()(
  "NameTaken",
  { message: Schema.String, name: Schema.String, since: Schema.Date },
  { psrpcCode: "already_exists" }
) {}

class TooLong extends Schema.TaggedError<TooLong>()("TooLong", { limit: Schema.Int }) {}

const withErrors = () =>
  Service.make(newServiceName(), {
    echo: Rpc.unary({
      request: StringValueSchema,
      response: StringValueSchema,
      error: Schema.Union([NameTaken, TooLong])
    }),
    raw: Rpc.unary({
      request: StringValueSchema,
      response: StringValueSchema,
      error: PsrpcError.protobuf(DurationSchema, {
        code: "resource_exhausted",
        message: ({ seconds }: Duration) => `come back in ${seconds} s`
      })
    })
  })

/** `effect_psrpc.TypedError`, written and read by hand: field 1 is the tag, field 2 the JSON. */
const typedError = {
  encode: (tag: string, json: object): PsrpcError.Detail => ({
    typeUrl: typeUrl("effect_psrpc.TypedError"),
    value: new BinaryWriter()
      .tag(1, 2)
      .string(tag)
      .tag(2, 2)
      .bytes(Buffer.from(JSON.stringify(json)))
      .finish()
  }),
  decode: (bytes: Uint8Array) => {
    const reader = new BinaryReader(bytes)
    const [first] = reader.tag()
    const tag = reader.string()
    const [second] = reader.tag()
    const json = JSON.parse(Buffer.from(reader.bytes()).toString())
    assert.deepStrictEqual([first, second, reader.pos], [1, 2, bytes.length])
    return { tag, json }
  }
}

const taken = { _tag: "NameTaken", message: "Ada is taken", name: "Ada", since: "1970-01-01T00:00:01.000Z" }

interop("a typed error of our server", (it) => {
  it.effect("is a code, a message and a detail with its JSON to a Go client", () =>
    Effect.gen(function* () {
      const service = withErrors()
      yield* onBus(
        Server.make(service, {
          echo: (request) =>
            request.value === "taken"
              ? Effect.fail(new NameTaken({ message: "Ada is taken", name: "Ada", since: new Date(1000) }))
              : Effect.fail(new TooLong({ limit: 8 })),
          raw: handlers.raw
        })
      )
      const go = yield* goPeer(service)
      const error = goError(yield* Effect.flip(go.call("Echo", "taken")))
      assert.strictEqual(error.code, "already_exists")
      assert.strictEqual(error.message, "Ada is taken")
      assert.deepStrictEqual(
        error.details.map(({ typeUrl }) => typeUrl),
        [typeUrl("effect_psrpc.TypedError")]
      )
      assert.deepStrictEqual(typedError.decode(error.details[0]!.value), { tag: "NameTaken", json: taken })

      const long = goError(yield* Effect.flip(go.call("Echo", "long")))
      assert.strictEqual(long.code, "unknown")
      assert.strictEqual(long.message, "TooLong")
      assert.deepStrictEqual(typedError.decode(long.details[0]!.value), {
        tag: "TooLong",
        json: { _tag: "TooLong", limit: 8 }
      })
    })
  )

  it.effect("is the protobuf message itself to a Go client, where that is the error", () =>
    Effect.gen(function* () {
      const service = withErrors()
      yield* onBus(
        Server.make(service, {
          echo: handlers.echo,
          raw: () => Effect.fail(create(DurationSchema, { seconds: 30n }))
        })
      )
      const go = yield* goPeer(service)
      const error = goError(yield* Effect.flip(go.call("Raw", "")))
      assert.strictEqual(error.code, "resource_exhausted")
      assert.strictEqual(error.message, "come back in 30 s")
      assert.deepStrictEqual(
        error.details.map(({ typeUrl }) => typeUrl),
        [typeUrl("google.protobuf.Duration")]
      )
      assert.strictEqual(fromBinary(DurationSchema, error.details[0]!.value).seconds, 30n)
    })
  )

  it.effect("leaves the errors of psrpc beside it as they are", () =>
    Effect.gen(function* () {
      const service = withErrors()
      yield* onBus(
        Server.make(service, {
          echo: () => Effect.fail(new PsrpcError.NotFound({ message: "who?" })),
          raw: handlers.raw
        })
      )
      const go = yield* goPeer(service)
      const error = goError(yield* Effect.flip(go.call("Echo", "")))
      assert.deepStrictEqual([error.code, error.message, error.details], ["not_found", "who?", []])
    })
  )
})

interop("a typed error that a Go server sends", (it) => {
  it.effect("is an instance of its class to our client, whatever its code and its other details", () =>
    Effect.gen(function* () {
      const service = withErrors()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const request = ask({
        do: "fail",
        code: "already_exists",
        message: "Ada is taken",
        details: forGo([...details, typedError.encode("NameTaken", taken)])
      })
      const error = yield* Effect.flip(client.echo(request))
      assert.instanceOf(error, NameTaken)
      assert.strictEqual(error.name, "Ada")
      assert.strictEqual(error.message, "Ada is taken")
      assert.strictEqual(error.since.getTime(), 1000)

      const caught = yield* client
        .echo(
          ask({
            do: "fail",
            code: "internal",
            message: "m",
            details: forGo([typedError.encode("TooLong", { _tag: "TooLong", limit: 8 })])
          })
        )
        .pipe(Effect.catchTag("TooLong", ({ limit }) => Effect.succeed({ value: `at most ${limit}` })))
      assert.strictEqual(caught.value, "at most 8")
    })
  )

  it.effect("is the protobuf message to our client, where that is the error", () =>
    Effect.gen(function* () {
      const service = withErrors()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const value = toBinary(DurationSchema, create(DurationSchema, { seconds: 30n }))
      const error = yield* Effect.flip(
        client.raw(
          ask({
            do: "fail",
            code: "resource_exhausted",
            message: "busy",
            details: forGo([{ typeUrl: typeUrl("google.protobuf.Duration"), value }])
          })
        )
      )
      assert.isTrue("$typeName" in error && error.$typeName === "google.protobuf.Duration" && error.seconds === 30n)
    })
  )

  it.effect("is an error of psrpc where its detail is not one of the method's, or does not decode", () =>
    Effect.gen(function* () {
      const service = withErrors()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const others = [
        [],
        [typedError.encode("Other", { _tag: "Other" })],
        [typedError.encode("TooLong", { _tag: "TooLong", limit: "eight" })],
        [{ typeUrl: typeUrl("effect_psrpc.TypedError"), value: new Uint8Array([255, 255]) }]
      ]
      for (const details of others) {
        const request = ask({ do: "fail", code: "out_of_range", message: "m", details: forGo(details) })
        const error = yield* Effect.flip(client.echo(request))
        assert.instanceOf(error, PsrpcError.OutOfRange)
        assert.deepStrictEqual(plain(error.details), plain(details))
      }
    })
  )
})
