// The standard option idempotency_level: what may be repeated is known to who calls it.
import { Client, LocalMessageBus, PsrpcError, Retry, Server, Service } from "@effect-psrpc/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Pb from "./gen/ts/kinds/idempotent_pb.ts"
import { PlainRepeatable, Repeatable } from "./gen/ts/kinds/idempotent_psrpc.ts"

const kinds = {
  read: {},
  put: { routing: "affinity" },
  add: {},
  readAll: { kind: "multi" },
  watch: { kind: "stream" },
  changed: { kind: "subscription" }
} as const

const idempotent = (service: { readonly methods: Readonly<Record<string, object>> }) =>
  Object.entries(service.methods).flatMap(([key, method]) =>
    "idempotent" in method && method.idempotent === true ? [key] : []
  )

describe("idempotency_level", () => {
  it("is in what is generated: IDEMPOTENT and NO_SIDE_EFFECTS, of all but subscriptions", () => {
    assert.deepStrictEqual(idempotent(Repeatable), ["read", "put", "readAll", "watch"])
    assert.deepStrictEqual(idempotent(PlainRepeatable), ["read"])
  })

  it("is in services from descriptors without a word", () => {
    assert.deepStrictEqual<unknown>(Service.fromDescriptor(Pb.Repeatable, kinds).methods, Repeatable.methods)
    const plain = Service.fromDescriptor(Pb.PlainRepeatable, { read: {}, add: {} })
    assert.deepStrictEqual<unknown>(plain.methods, PlainRepeatable.methods)
  })

  it("may be stated where it is said, and where nothing is said", () => {
    const service = Service.fromDescriptor(Pb.Repeatable, {
      ...kinds,
      read: { idempotent: true },
      add: { idempotent: true }
    })
    assert.deepStrictEqual(idempotent(service), ["read", "put", "add", "readAll", "watch"])
    const plain = Service.fromDescriptor(Pb.PlainRepeatable, { read: {}, add: { idempotent: true } })
    assert.deepStrictEqual(idempotent(plain), ["read", "add"])
    assert.isFalse(
      Service.fromDescriptor(Pb.Repeatable, { ...kinds, add: { idempotent: false } }).methods.add.idempotent
    )
  })

  it("is not to be denied, with psrpc's options or without", () => {
    const message = (service: string, method: string) =>
      `service acme.kinds.${service}, method ${method}: idempotent false is stated, and the .proto says true`
    assert.throws(
      () => Service.fromDescriptor(Pb.Repeatable, { ...kinds, watch: { kind: "stream", idempotent: false } }),
      message("Repeatable", "Watch")
    )
    assert.throws(
      () => Service.fromDescriptor(Pb.PlainRepeatable, { read: { idempotent: false }, add: {} }),
      message("PlainRepeatable", "Read")
    )
  })

  it.live("has generated methods tried again", () =>
    Effect.gen(function* () {
      let calls = 0
      const busy = () =>
        ++calls === 1 ? Effect.fail(PsrpcError.fromCode("unavailable")) : Effect.succeed({ name: `${calls}` })
      yield* Server.make(PlainRepeatable, { read: busy, add: busy })
      const client = yield* Client.make(PlainRepeatable, {
        interceptors: [Retry.unary({ schedule: Schedule.spaced("1 millis") })]
      })
      assert.strictEqual((yield* client.read({})).name, "2")
      calls = 0
      assert.strictEqual((yield* Effect.flip(client.add({})))._tag, "Unavailable")
    }).pipe(Effect.scoped, Effect.provide(LocalMessageBus.layer))
  )
})
