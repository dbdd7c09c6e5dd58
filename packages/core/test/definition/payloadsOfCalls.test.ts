import { create, type MessageInitShape } from "@bufbuild/protobuf"
import { type Duration, DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, SchemaGetter } from "effect"
import * as Client from "../../src/Client.ts"
import * as Payload from "../../src/Payload.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { dropped, errorOf, fakeClient, fakeServers, Logs, onBus, settle, start, Traffic } from "../helpers/harness.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  born: Schema.Date,
  tags: Schema.Array(Schema.String).pipe(Schema.withConstructorDefault(Effect.succeed([])))
}) {
  get shout() {
    return this.name.toUpperCase()
  }
}

const json = Payload.make<{ readonly a: number }, unknown>({
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes))
})

class Kinds extends Service.make("Kinds", {
  proto: Rpc.unary({ request: DurationSchema, response: StringValueSchema }),
  schema: Rpc.unary({ request: Person, response: Schema.Struct({ shout: Schema.String, born: Schema.Date }) }),
  bytes: Rpc.unary({ request: Payload.bytes, response: Payload.bytes }),
  nothing: Rpc.unary({}),
  own: Rpc.unary({ request: json, response: json }),
  scalar: Rpc.unary({ request: Schema.NullOr(Schema.BigInt), response: Schema.UndefinedOr(Schema.Boolean) }),
  mixed: Rpc.unary({ request: DurationSchema, response: Schema.BigInt })
}) {}

const heard: Array<unknown> = []
const note = <A>(value: A): A => {
  heard.push(value)
  return value
}

const handlers = Kinds.of({
  proto: (request) => Effect.succeed({ value: `${note(request).seconds}s` }),
  schema: (person) => Effect.succeed({ shout: note(person).shout, born: person.born }),
  bytes: (bytes) => Effect.succeed(note(bytes).toReversed()),
  nothing: (request) => Effect.sync(() => void note(request)),
  own: (value) => Effect.succeed({ a: (note(value) as { readonly a: number }).a + 1 }),
  scalar: (value) => Effect.succeed(note(value) === null ? undefined : value === 5n),
  mixed: (request) => Effect.succeed(request.seconds)
})

describe("payloads", () => {
  it.effect("of all kinds work in one service", () =>
    Effect.gen(function* () {
      heard.length = 0
      yield* Server.make(Kinds, handlers)
      const client = yield* Client.make(Kinds)

      const fromInit = yield* client.proto({ seconds: 5n })
      assert.strictEqual(fromInit.value, "5s")
      assert.strictEqual(fromInit.$typeName, "google.protobuf.StringValue")
      assert.strictEqual((heard[0] as Duration).$typeName, "google.protobuf.Duration")
      assert.strictEqual((yield* client.proto(create(DurationSchema, { seconds: 6n }))).value, "6s")
      assert.strictEqual((yield* client.proto({})).value, "0s")

      heard.length = 0
      const born = new Date(0)
      assert.deepStrictEqual(yield* client.schema({ name: "Ada", born }), { shout: "ADA", born })
      assert.instanceOf(heard[0], Person)
      // the default of the constructor is the sender's
      assert.deepStrictEqual((heard[0] as Person).tags, [])
      assert.deepStrictEqual(yield* client.schema(new Person({ name: "Grace", born })), { shout: "GRACE", born })

      assert.deepStrictEqual(yield* client.bytes(new Uint8Array([1, 2, 3])), new Uint8Array([3, 2, 1]))
      assert.deepStrictEqual(yield* client.bytes(new Uint8Array(0)), new Uint8Array(0))
      const large = new Uint8Array(300_000).map((_, i) => i % 251)
      assert.deepStrictEqual(yield* client.bytes(large), large.toReversed())

      heard.length = 0
      assert.isUndefined(yield* client.nothing())
      assert.deepStrictEqual(heard, [undefined])
      assert.deepStrictEqual(yield* client.own({ a: 1 }), { a: 2 })
      assert.strictEqual(yield* client.scalar(5n), true)
      assert.strictEqual(yield* client.scalar(null), undefined)
      assert.strictEqual(yield* client.mixed({ seconds: 2n ** 62n }), 2n ** 62n)
    }).pipe(onBus)
  )

  it.effect("bytes that are sent are those of the moment of the call", () =>
    Effect.gen(function* () {
      yield* Server.make(Kinds, handlers)
      const client = yield* Client.make(Kinds)
      const bytes = new Uint8Array([1, 2, 3])
      const call = yield* start(client.bytes(bytes))
      bytes.fill(9)
      yield* settle
      assert.deepStrictEqual(yield* Effect.map(call.pollUnsafe()!, Array.from), [3, 2, 1])
    }).pipe(onBus)
  )

  it.effect("a request that does not encode is malformed, and is not sent", () =>
    Effect.gen(function* () {
      const traffic = yield* Traffic
      yield* Server.make(Kinds, handlers)
      const client = yield* Client.make(Kinds)
      const circular: { a: number; self?: unknown } = { a: 1 }
      circular.self = circular
      const wrong: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
        client.proto({ seconds: "x" } as unknown as MessageInitShape<typeof DurationSchema>),
        client.schema({ name: 5, born: new Date(0) } as never),
        client.schema({ name: "Ada", born: new Date(NaN) } as never),
        client.schema(undefined as never),
        client.bytes("text" as never),
        client.bytes(null as never),
        client.own(circular as never)
      ]
      for (const call of wrong) {
        const error = yield* Effect.flip(call as ReturnType<typeof client.bytes>)
        assert.strictEqual(error._tag, "MalformedRequest")
        assert.match(error.message, /^the request cannot be encoded \(Kinds\.[A-Z]/)
        assert.strictEqual(error.reason, "not_sent")
        assert.isFalse(error.mayHaveRun)
      }
      assert.strictEqual(traffic.length, 0)
    }).pipe(onBus)
  )

  it.effect("a request that does not decode is answered malformed_request at once, before any claim", () =>
    Effect.gen(function* () {
      heard.length = 0
      yield* Server.make(Kinds, handlers, { serverId: "SRV_1" })
      const client = yield* fakeClient("Kinds")
      const broken: ReadonlyArray<readonly [string, Uint8Array]> = [
        ["Proto", new Uint8Array([0xff])],
        ["Schema", new TextEncoder().encode(`{"name":"Ada"}`)],
        ["Schema", new TextEncoder().encode(`{"name":`)],
        ["Schema", new Uint8Array([0x22, 0xff, 0x22])],
        ["Schema", new Uint8Array(0)],
        ["Own", new Uint8Array([0x7b])]
      ]
      for (const [i, [method, raw]] of broken.entries()) {
        client.request(method, { id: `r${i}`, expiry: 1000, raw })
        yield* settle
        const response = client.responses.at(-1)!
        assert.strictEqual(response.id, `r${i}`)
        assert.strictEqual(response.serverId, "SRV_1")
        assert.strictEqual(response.code, "malformed_request")
        assert.include(response.error, `the request cannot be decoded (Kinds.${method})`)
        assert.strictEqual(response.raw.length, 0)
      }
      assert.deepStrictEqual(client.claims, [])
      assert.deepStrictEqual(heard, [])
      assert.strictEqual(yield* dropped("malformed", "server"), broken.length)
    }).pipe(onBus)
  )

  it.effect("client and server that do not agree on a payload: the caller is told at once", () =>
    Effect.gen(function* () {
      class Newer extends Service.make("Kinds", {
        schema: Rpc.unary({ request: Schema.Struct({ title: Schema.String }), response: Schema.String })
      }) {}
      yield* Server.make(Kinds, handlers)
      const client = yield* Client.make(Newer)
      const error = yield* Effect.flip(client.schema({ title: "Dr" }))
      assert.strictEqual(error._tag, "MalformedRequest")
      assert.isFalse(error.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("an answer that does not encode is malformed_result to the caller, and in the server's log", () =>
    Effect.gen(function* () {
      const logs = yield* Logs
      yield* Server.make(Kinds, {
        ...handlers,
        schema: () => Effect.succeed({ shout: 5 } as never),
        bytes: () => Effect.succeed("text" as never)
      })
      const client = yield* Client.make(Kinds)
      for (const call of [client.schema({ name: "Ada", born: new Date(0) }), client.bytes(new Uint8Array(1))]) {
        const error = yield* Effect.flip(call as ReturnType<typeof client.bytes>)
        assert.strictEqual(error._tag, "MalformedResult")
        assert.match(error.message, /^the response cannot be encoded/)
        assert.isTrue(error.mayHaveRun)
      }
      assert.strictEqual(logs.filter(({ level }) => level === "Error").length, 2)
    }).pipe(onBus)
  )

  it.effect("an answer that does not decode is malformed_result", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Kinds)
      const servers = yield* fakeServers("Kinds", "Mixed", { queue: true })
      const call = yield* start(client.mixed({}))
      yield* settle
      servers.claim("a")
      yield* settle
      servers.answer("a", { raw: new TextEncoder().encode(`"five"`) })
      yield* settle
      const error = errorOf(call)
      assert.strictEqual(error._tag, "MalformedResult")
      assert.match(error.message, /^the response cannot be decoded \(Kinds\.Mixed\)/)
      assert.isTrue(error.mayHaveRun)
    }).pipe(onBus)
  )

  it.effect("a Schema whose decoding throws harms nobody but the call", () =>
    Effect.gen(function* () {
      const Trap = Schema.String.pipe(
        Schema.decodeTo(Schema.String, {
          decode: SchemaGetter.transform((text: string) => {
            if (text === "throw") throw new Error("a bug of the schema")
            return text
          }),
          encode: SchemaGetter.transform((text: string) => text)
        })
      )
      class Traps extends Service.make("Traps", { spring: Rpc.unary({ request: Trap, response: Trap }) }) {}
      yield* Server.make(Traps, { spring: (text) => Effect.succeed(text === "answer" ? "throw" : text) })
      const client = yield* Client.make(Traps)
      assert.strictEqual((yield* Effect.flip(client.spring("throw")))._tag, "MalformedRequest")
      assert.strictEqual((yield* Effect.flip(client.spring("answer")))._tag, "MalformedResult")
      assert.strictEqual(yield* client.spring("fine"), "fine")
    }).pipe(onBus)
  )

  it.effect("a refusal of a request says where and why it does not fit, and never what it was", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Kinds)
      const error = yield* Effect.flip(client.scalar("secret" as never))
      assert.isTrue(PsrpcError.is(error))
      assert.match(error.message, /Kinds\.Scalar\): Expected/)
      assert.notInclude(error.message, "secret")
    }).pipe(onBus)
  )
})
