import { Client, PsrpcError, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ask, goError, goPeer, interop, methods, newServiceName, onBus } from "./support.ts"

/** What no program in between knows the type of, and what has another host. */
const details: ReadonlyArray<PsrpcError.Detail> = [
  { typeUrl: "type.googleapis.com/acme.never.heard.Of", value: new Uint8Array([0, 255, 1, 254, 10]) },
  { typeUrl: "example.org/acme.Empty", value: new Uint8Array(0) },
  { typeUrl: "type.googleapis.com/google.protobuf.Duration", value: new Uint8Array([8, 30]) }
]

const codes = [...PsrpcError.codes, "i_am_a_teapot"]

/** What the error of each code is when it arrives. */
const expected = codes.map((code) => ({ code, message: `because of ${code}: здесь 🚀`, details }))

const region = "last"

/** `Regional` is ours, for one topic; everything without a topic is Go's. So neither takes the other's requests. */
const setUp = (
  regional: (
    request: string,
    echo: (request: string) => Effect.Effect<{ readonly value: string }, PsrpcError.PsrpcError>
  ) => Effect.Effect<{ readonly value: string }, PsrpcError.PsrpcError>
) =>
  Effect.gen(function* () {
    const name = newServiceName()
    const ours = Service.make(name, { regional: methods.regional })
    const client = yield* onBus(Client.make(Service.make(name, { echo: methods.echo })))
    const echo = (value: string) => client.echo({ value })
    yield* onBus(
      Server.make(ours, { regional: ({ value }) => regional(value, echo) }, { topics: { regional: [{ region }] } })
    )
    const go = yield* goPeer(ours)
    yield* go.serve({ methods: ["Echo"] })
    return { go, echo }
  })

interop("an error passes with its code, message and details through", (it) => {
  it.effect("a Go server, whose handler fails with it as it came: from our server to our client", () =>
    Effect.gen(function* () {
      const { echo } = yield* setUp((code) =>
        Effect.fail(
          PsrpcError.fromCode(
            code,
            expected.find((error) => error.code === code)
          )
        )
      )
      const errors = yield* Effect.forEach(
        codes,
        (code) => Effect.flip(echo(ask({ do: "relay", method: "Regional", topic: region, request: code }).value)),
        { concurrency: 4 }
      )
      assert.deepStrictEqual(
        errors.map((error) => ({
          code: error._tag === "Unknown" ? (error.peerCode ?? error.code) : error.code,
          message: error.message,
          details: error.details.map(({ typeUrl, value }) => ({ typeUrl, value: new Uint8Array(value) }))
        })),
        expected
      )
      for (const error of errors) assert.strictEqual(error._tag, PsrpcError.fromCode(error.code)._tag)
    })
  )

  it.effect("our server, whose handler fails with it as it came: from a Go server to a Go client", () =>
    Effect.gen(function* () {
      const { go } = yield* setUp((request, echo) => echo(request))
      const errors = yield* Effect.forEach(
        expected,
        ({ code, details, message }) => {
          const base64 = details.map(({ typeUrl, value }) => ({
            typeUrl,
            value: Buffer.from(value).toString("base64")
          }))
          const request = ask({ do: "fail", code, message, details: base64 }).value
          return Effect.flip(go.call("Regional", request, { topic: region }))
        },
        { concurrency: 4 }
      )
      assert.deepStrictEqual(
        errors.map(goError).map(({ code, details, message }) => ({ code, message, details })),
        expected
      )
    })
  )
})
