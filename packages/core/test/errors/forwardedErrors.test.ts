import { DurationSchema, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import * as Client from "../../src/Client.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus } from "../helpers/harness.ts"

class NameTaken extends Schema.TaggedError<NameTaken>()(
  "NameTaken",
  { message: Schema.String, name: Schema.String },
  { psrpcCode: "already_exists" }
) {}

/** Calls `Last`, and fails with what that fails with. */
class Middle extends Service.make("Middle", {
  relay: Rpc.unary({ request: Schema.String }),
  all: Rpc.multi({ request: Schema.String }),
  claim: Rpc.unary({ request: Schema.String, error: NameTaken })
}) {}

class Last extends Service.make("Last", {
  fail: Rpc.unary({ request: Schema.String }),
  claim: Rpc.unary({ request: Schema.String, error: NameTaken })
}) {}

const details: ReadonlyArray<PsrpcError.Detail> = [
  PsrpcError.detail(DurationSchema, { seconds: 30n, nanos: 5 }),
  { typeUrl: "type.googleapis.com/acme.never.heard.Of", value: new Uint8Array([0, 255, 1]) },
  { typeUrl: "example.org/acme.Empty", value: new Uint8Array(0) },
  PsrpcError.detail(StringValueSchema, { value: "é" })
]

const middle = Effect.gen(function* () {
  const last = yield* Client.make(Last)
  yield* Server.make(Middle, {
    relay: (code) => last.fail(code),
    all: (code) => last.fail(code),
    claim: (name) => last.claim(name)
  })
  return yield* Client.make(Middle)
})

const setUp = (fail: (code: string) => Effect.Effect<never, PsrpcError.PsrpcError>) =>
  Effect.andThen(
    Server.make(Last, {
      fail,
      claim: (name) => Effect.fail(new NameTaken({ message: `${name} is taken`, name }))
    }),
    middle
  )

describe("an error passes through a server whose handler fails with it", () => {
  for (const code of [...PsrpcError.codes, "quota_burst"]) {
    it.effect(`${code}: with its class, message and details`, () =>
      Effect.gen(function* () {
        const cause = new Error("secret")
        const client = yield* setUp((code) =>
          Effect.fail(
            PsrpcError.fromCode(code, {
              message: "because: здесь 🚀",
              details,
              cause,
              reason: "server_closed",
              mayHaveRun: false
            })
          )
        )
        const ofUnary = yield* Effect.flip(client.relay(code))
        const [answer] = yield* Stream.runCollect(client.all(code, { expect: 1 }))
        if (answer?.result._tag !== "Failure") return assert.fail("expected a failure")
        for (const error of [ofUnary, answer.result.failure]) {
          const expected = PsrpcError.fromCode(code, { message: "because: здесь 🚀", details })
          assert.deepStrictEqual(error.toJSON(), expected.toJSON())
          assert.strictEqual(error.constructor, expected.constructor)
          assert.deepStrictEqual(error.details, details)
          assert.isUndefined(error.cause)
        }
      }).pipe(onBus)
    )
  }

  it.effect("as the method's own, where both methods have it", () =>
    Effect.gen(function* () {
      const client = yield* setUp(() => Effect.die("not asked"))
      const error = yield* Effect.flip(client.claim("ada"))
      assert.instanceOf(error, NameTaken)
      assert.deepStrictEqual([error.message, error.name], ["ada is taken", "ada"])
    }).pipe(onBus)
  )

  it.effect("as that of a handler that has run, though the call behind it reached nobody", () =>
    Effect.gen(function* () {
      const client = yield* middle
      const error = yield* Effect.flip(client.relay("x"))
      assert.instanceOf(error, PsrpcError.Unavailable)
      assert.include(error.message, "Last.Fail")
      // what the server in the middle saw is not what this process sees
      assert.isTrue(error.mayHaveRun)
      assert.isUndefined(error.reason)
      assert.isFalse(PsrpcError.isNoServer(error))
    }).pipe(onBus)
  )

  it.effect("with the first 1000 of its details, which is as many as an answer may have", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 1001 }, (_, i) => ({ typeUrl: `a/B${i}`, value: new Uint8Array([i & 0xff]) }))
      const client = yield* setUp(() => Effect.fail(PsrpcError.fromCode("aborted", { details: many })))
      const error = yield* Effect.flip(client.relay("x"))
      assert.strictEqual(error._tag, "Aborted")
      assert.deepStrictEqual(error._tag === "Aborted" && error.details, many.slice(0, 1000))
    }).pipe(onBus)
  )

  it.effect("as internal without a text, where the last handler dies", () =>
    Effect.gen(function* () {
      const client = yield* setUp(() => Effect.die(new Error("secret")))
      const error = yield* Effect.flip(client.relay("x"))
      assert.instanceOf(error, PsrpcError.Internal)
      assert.strictEqual(error.message, "internal error")
    }).pipe(onBus)
  )
})
