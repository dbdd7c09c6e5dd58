import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import { problemOf } from "../../src/internal/metadata/metadataCheck.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus, Traffic } from "../helpers/harness.ts"

class Kinds extends Service.make("Kinds", {
  unary: Rpc.unary({}),
  multi: Rpc.multi({}),
  stream: Rpc.stream({ send: Schema.String, receive: Schema.String })
}) {}

const handlers = { unary: () => Effect.void, multi: () => Effect.void, stream: () => Effect.void }

/** Pieces of texts: of one to four bytes, and what is not in keys, or nowhere. */
const wellFormed = ["a", "~", "\u007f", "\u0080", "é", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "🚀"] as const
const anyText = Schema.Array(Schema.Literals([...wellFormed, "b", "c", "__proto__", " ", "\u00a0", "\0", "\ud83d"]))

/** What is wrong, and what is said of it behind the name of the method. */
const refused: ReadonlyArray<readonly [what: string, metadata: unknown, said: string]> = [
  ["an empty key", { "": "secret" }, "metadata: expected keys of at least one character, got an empty key"],
  [
    "a key with a space",
    { "user name": "secret" },
    'metadata "user name": expected a key without white space and control characters, got U+0020 at index 4'
  ],
  [
    "a key with another white space",
    { "a\u00a0": "secret" },
    'metadata "a\u00a0": expected a key without white space and control characters, got U+00A0 at index 1'
  ],
  [
    "a key with a line break",
    { "ключ\nadmin": "secret" },
    'metadata "ключ\\nadmin": expected a key without white space and control characters, got U+000A at index 4'
  ],
  [
    "a key with U+0000",
    { "\0": "secret" },
    'metadata "\\u0000": expected a key without white space and control characters, got U+0000 at index 0'
  ],
  [
    "a key with a control character of Latin-1",
    { "\u0085": "secret" },
    'metadata "\u0085": expected a key without white space and control characters, got U+0085 at index 0'
  ],
  [
    "a key with half of a pair",
    { "\ud83d": "secret" },
    'metadata "\\ud83d": expected a key of well-formed Unicode, got half of a surrogate pair'
  ],
  [
    "a value with half of a pair",
    { token: "secret\udc00" },
    'metadata "token": expected a string of well-formed Unicode, got half of a surrogate pair'
  ],
  [
    "a value with U+0000",
    { token: "secret\0secret" },
    'metadata "token": expected a string without U+0000, got one at index 6'
  ],
  ["no value", { token: undefined }, 'metadata "token": expected a string, got undefined'],
  ["null as the value", { token: null }, 'metadata "token": expected a string, got null'],
  ["a number as the value", { token: 5 }, 'metadata "token": expected a string, got number'],
  ["an object as the value", { token: { secret: 1 } }, 'metadata "token": expected a string, got object'],
  ["a text in place of metadata", "secret", "metadata: expected an object of strings"],
  [
    "1001 entries",
    Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, "secret"])),
    "metadata: expected at most 1000 entries, got 1001"
  ],
  [
    "more than 16 KiB",
    { small: "secret", token: "s".repeat(16_384) },
    'metadata: expected at most 16384 bytes (maxMetadataSize), got 16400, 16389 of them by the key "token" and its value'
  ],
  [
    "more than 16 KiB by one byte of UTF-8",
    { token: "ä".repeat(8190) },
    'metadata: expected at most 16384 bytes (maxMetadataSize), got 16385, 16385 of them by the key "token" and its value'
  ],
  [
    "a key that is too long to be shown",
    { ["k".repeat(20_000)]: "secret" },
    `metadata: expected at most 16384 bytes (maxMetadataSize), got 20006, 20006 of them by the key "${"k".repeat(100)}"… and its value`
  ]
]

describe("metadata that cannot be sent", () => {
  for (const [what, metadata, said] of refused) {
    it.effect(`is refused before anything is sent: ${what}`, () =>
      Effect.gen(function* () {
        const traffic = yield* Traffic
        yield* Server.make(Kinds, handlers)
        const client = yield* Client.make(Kinds)
        const options = { metadata: metadata as Metadata.Metadata }
        const calls = {
          Unary: client.unary(options),
          Multi: Stream.runCollect(client.multi(options)),
          Stream: Effect.scoped(client.stream(options))
        }
        for (const [method, call] of Object.entries(calls)) {
          const error = yield* Effect.flip<unknown, PsrpcError.PsrpcError, never>(call)
          assert.instanceOf(error, PsrpcError.InvalidArgument)
          assert.strictEqual(error.message, `Kinds.${method}: ${said}`)
          assert.isFalse(error.mayHaveRun)
          assert.strictEqual(error.reason, "not_sent")
          assert.notInclude(JSON.stringify(error), "secret")
        }
        assert.deepStrictEqual(traffic, [])
      }).pipe(onBus)
    )
  }

  it.effect("is refused wherever it is from, and by the client's making where it is the client's", () =>
    Effect.gen(function* () {
      yield* Server.make(Kinds, handlers)
      const client = yield* Client.make(Kinds)
      const ofFiber = yield* Effect.flip(client.unary().pipe(Metadata.with({ "a b": "secret" })))
      assert.include(ofFiber.message, '"a b"')
      const ofClient = yield* Effect.flip(Client.make(Kinds, { metadata: { "a b": "secret" } }))
      assert.instanceOf(ofClient, PsrpcError.InvalidArgument)
      assert.strictEqual(
        ofClient.message,
        'client of Kinds: metadata "a b": expected a key without white space and control characters, got U+0020 at index 1'
      )
    }).pipe(onBus)
  )

  it.effect("is what is too much in sum, of client, fiber and call", () =>
    Effect.gen(function* () {
      yield* Server.make(Kinds, handlers)
      const client = yield* Client.make(Kinds, { metadata: { c: "ccc" }, maxMetadataSize: 12 })
      yield* client.unary({ metadata: { m: "mmm" } }).pipe(Metadata.with({ f: "fff" }))
      const error = yield* Effect.flip(client.unary({ metadata: { m: "mmm" } }).pipe(Metadata.with({ f: "ffff" })))
      assert.include(error.message, 'at most 12 bytes (maxMetadataSize), got 13, 5 of them by the key "f"')
      // one that goes over another does not count twice
      yield* client.unary({ metadata: { f: "mmm" } }).pipe(Metadata.with({ f: "x".repeat(1000) }))
    }).pipe(onBus)
  )
})

describe("metadata that can be sent", () => {
  it.effect("is 16 KiB, or as much as the client says", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      yield* Server.make(Kinds, {
        ...handlers,
        unary: (_, call) => Effect.sync(() => void seen.push(call.header.metadata["k"]!.length))
      })
      assert.strictEqual(Client.defaultMaxMetadataSize, 16_384)
      const plain = yield* Client.make(Kinds)
      for (const value of ["x".repeat(16_383), `${"ä".repeat(8191)}x`, `${"🚀".repeat(4095)}xyz`]) {
        yield* plain.unary({ metadata: { k: value } })
      }
      const large = yield* Client.make(Kinds, { maxMetadataSize: 200_000 })
      yield* large.unary({ metadata: { k: "x".repeat(199_999) } })
      assert.deepStrictEqual(seen, [16_383, 8192, 8193, 199_999])
    }).pipe(onBus)
  )

  it.effect("has 1000 entries", () =>
    Effect.gen(function* () {
      const given = Object.fromEntries(Array.from({ length: Metadata.maxEntries }, (_, i) => [`k${i}`, `${i}`]))
      const seen: Array<Metadata.Metadata> = []
      yield* Server.make(Kinds, {
        ...handlers,
        unary: (_, call) => Effect.sync(() => void seen.push({ ...call.header.metadata }))
      })
      yield* (yield* Client.make(Kinds)).unary({ metadata: given })
      assert.deepStrictEqual(seen, [given])
    }).pipe(onBus)
  )

  it.effect("has no size that is no number of bytes", () =>
    Effect.gen(function* () {
      for (const maxMetadataSize of [0, -1, 1.5, Infinity, NaN, "1 KiB" as never]) {
        const error = yield* Effect.flip(Client.make(Kinds, { maxMetadataSize }))
        assert.instanceOf(error, PsrpcError.InvalidArgument)
        assert.include(error.message, "maxMetadataSize")
      }
    }).pipe(onBus)
  )

  // what an encoder says of the size, in place of what is counted
  it.effect.prop(
    "is what UTF-8 makes at most so many bytes of",
    [Schema.Array(Schema.Array(Schema.Literals(wellFormed)))],
    ([lists]) =>
      Effect.sync(() => {
        const metadata = Object.fromEntries(lists.map((texts, i) => [`k${i}`, texts.join("")]))
        const size = Buffer.byteLength(Object.entries(metadata).flat().join(""))
        assert.isUndefined(problemOf(metadata, size))
        if (size > 0) assert.include(problemOf(metadata, size - 1), `got ${size},`)
      })
  )

  it.effect.prop(
    "is read on the other side as it was, and nothing else is sent",
    [Schema.Array(Schema.Tuple([anyText, anyText]))],
    ([entries]) =>
      Effect.gen(function* () {
        const given = Object.fromEntries(entries.map(([key, value]) => [key.join(""), value.join("")]))
        const seen: Array<Metadata.Metadata> = []
        yield* Server.make(Kinds, {
          ...handlers,
          unary: (_, call) => Effect.sync(() => void seen.push({ ...call.header.metadata }))
        })
        const exit = yield* Effect.exit((yield* Client.make(Kinds)).unary({ metadata: given }))
        const fine = Object.entries(given).every(
          ([key, value]) => /^[^\s\p{Cc}\p{Cs}]+$/u.test(key) && !/[\0\p{Cs}]/u.test(value)
        )
        assert.strictEqual(exit._tag, fine ? "Success" : "Failure")
        assert.deepStrictEqual(seen, fine ? [{ ...given }] : [])
      }).pipe(onBus)
  )
})
