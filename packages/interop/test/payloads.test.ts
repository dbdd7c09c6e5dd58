import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, Payload, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Logger } from "effect"
import {
  ask,
  goError,
  goPeer,
  handlers,
  interop,
  large,
  malformed,
  newService,
  newServiceName,
  onBus
} from "./support.ts"

/** The peer's methods with bodies of any bytes, well-formed or not. */
const rawService = () =>
  Service.make(newServiceName(), {
    echo: Rpc.unary({ request: Payload.bytes, response: Payload.bytes }),
    work: Rpc.unary({ request: Payload.bytes, response: Payload.bytes, routing: "affinity" }),
    reload: Rpc.unary({ request: Payload.bytes, response: Payload.bytes, topic: ["node"], singleServer: true })
  })

/** `StringValue` of `ab`, and the same with a field that nobody knows. */
const ab = new Uint8Array([0x0a, 2, 0x61, 0x62])
const abAndMore = new Uint8Array([...ab, 0x78, 1])

interop("payloads from our client to a Go server and back", (it) => {
  it.effect("may be empty, both ways", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.strictEqual((yield* client.echo({ value: "" })).value, "go:")
      assert.strictEqual((yield* client.echo(ask({ do: "raw", base64: "" }))).value, "")
      assert.strictEqual((yield* server.texts("Echo"))[0], "")
    })
  )

  it.effect("may be left out of our definition: nothing is an empty message", () =>
    Effect.gen(function* () {
      const service = Service.make(newServiceName(), { echo: Rpc.unary({}) })
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.strictEqual(yield* client.echo(), undefined)
      assert.deepStrictEqual(yield* server.texts("Echo"), [""])
    })
  )

  it.effect("may have nearly a mebibyte", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const { value } = yield* client.echo({ value: large }, { timeout: "15 seconds" })
      assert.isTrue(value === `go:${large}`, `${value.length} characters`)
    })
  )

  it.effect("may be text of any script", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const value = "\0 \u2028 é 软件 🚀 \u{10ffff}"
      assert.strictEqual((yield* client.echo({ value })).value, `go:${value}`)
    })
  )

  it.effect("a request that a Go server cannot decode fails as MalformedRequest, at once, and runs nothing", () =>
    Effect.gen(function* () {
      const service = rawService()
      const go = yield* goPeer(service)
      const server = yield* go.serve()
      yield* server.register("Reload", "n1")
      const client = yield* onBus(Client.make(service, { timeout: "20 seconds" }))
      const calls = {
        queue: client.echo(malformed),
        affinity: client.work(malformed),
        single: client.reload(malformed, { topic: { node: "n1" } })
      }
      for (const [name, call] of Object.entries(calls)) {
        const error = yield* Effect.flip(call).pipe(Effect.timeout("5 seconds"))
        assert.instanceOf(error, PsrpcError.MalformedRequest, name)
      }
      assert.deepStrictEqual((yield* server.handled).counts, {})
    })
  )

  it.effect("an answer of a Go server that our client cannot decode fails as MalformedResult", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const base64 = Buffer.from(malformed).toString("base64")
      const error = yield* Effect.flip(client.echo(ask({ do: "raw", base64 })))
      assert.instanceOf(error, PsrpcError.MalformedResult)
      assert.isTrue(error.mayHaveRun)
    })
  )

  it.effect("an answer that a Go server cannot encode fails as MalformedResult", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      assert.instanceOf(yield* Effect.flip(client.echo(ask({ do: "unencodable" }))), PsrpcError.MalformedResult)
    })
  )

  it.effect("bytes reach a service of Payload.bytes as they are", () =>
    Effect.gen(function* () {
      const service = rawService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(Client.make(service))
      const script = Buffer.from(ask({ do: "raw", base64: Buffer.from(malformed).toString("base64") }).value)
      const request = new Uint8Array([0x0a, script.length, ...script])
      assert.isBelow(script.length, 128)
      assert.deepStrictEqual(yield* client.echo(request), malformed)
    })
  )
})

interop("payloads from a Go client to our server and back", (it) => {
  it.effect("may be empty, both ways", () =>
    Effect.gen(function* () {
      const service = newService()
      const seen: Array<string> = []
      yield* onBus(
        Server.make(service, {
          ...handlers,
          echo: (request) => {
            seen.push(request.value)
            return Effect.succeed({ value: "" })
          }
        })
      )
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Echo", ""), "")
      assert.deepStrictEqual(seen, [""])
      assert.strictEqual((yield* go.callRaw("Echo", new Uint8Array(0))).length, 0)
    })
  )

  it.effect("may be left out of our definition: nothing is an empty message", () =>
    Effect.gen(function* () {
      const service = Service.make(newServiceName(), { echo: Rpc.unary({}) })
      yield* onBus(Server.make(service, { echo: () => Effect.void }))
      const go = yield* goPeer(service)
      assert.strictEqual(yield* go.call("Echo", "not for us"), "")
    })
  )

  it.effect("may have nearly a mebibyte", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(Server.make(service, handlers))
      const go = yield* goPeer(service)
      const answer = yield* go.call("Echo", large, { timeoutMs: 15_000 })
      assert.isTrue(answer === `ours:${large}`, `${answer.length} characters`)
    })
  )

  it.effect("may have fields that our definition does not know", () =>
    Effect.gen(function* () {
      const service = newService()
      yield* onBus(Server.make(service, handlers))
      const go = yield* goPeer(service)
      const answer = yield* go.callRaw("Echo", abAndMore)
      assert.deepStrictEqual(answer, new Uint8Array([0x0a, 7, ...Buffer.from("ours:ab")]))
    })
  )

  it.effect("a request that our server cannot decode is malformed_request to a Go client, and runs nothing", () =>
    Effect.gen(function* () {
      const service = newService()
      let ran = 0
      const handle = () => {
        ran++
        return Effect.succeed({ value: "" })
      }
      yield* onBus(
        Server.make(
          service,
          { ...handlers, echo: handle, reload: handle, work: { affinity: 1, handle } },
          { topics: { reload: [{ node: "n1" }] } }
        )
      )
      const go = yield* goPeer(service)
      const errors = yield* Effect.all(
        [
          Effect.flip(go.callRaw("Echo", malformed)),
          Effect.flip(go.callRaw("Work", malformed)),
          Effect.flip(go.callRaw("Reload", malformed, { topic: "n1" }))
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        errors.map((error) => goError(error).code),
        ["malformed_request", "malformed_request", "malformed_request"]
      )
      assert.strictEqual(ran, 0)
    })
  )

  it.effect("an answer of our server that a Go client cannot decode is malformed_result", () =>
    Effect.gen(function* () {
      const service = rawService()
      yield* onBus(
        Server.make(service, {
          echo: () => Effect.succeed(malformed),
          work: { affinity: 1, handle: () => Effect.succeed(malformed) },
          reload: () => Effect.succeed(malformed)
        })
      )
      const go = yield* goPeer(service)
      assert.strictEqual(goError(yield* Effect.flip(go.call("Echo", ""))).code, "malformed_result")
    })
  )

  it.effect("an answer that our server cannot encode is malformed_result, and its log says why", () =>
    Effect.gen(function* () {
      const unencodable = Payload.make<string>({
        encode: () => {
          throw new TypeError("no such format")
        },
        decode: String
      })
      const service = Service.make(newServiceName(), {
        echo: Rpc.unary({ request: StringValueSchema, response: unencodable })
      })
      const log: Array<string> = []
      yield* onBus(Server.make(service, { echo: () => Effect.succeed("answer") })).pipe(
        Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))]))
      )
      const go = yield* goPeer(service)
      assert.strictEqual(goError(yield* Effect.flip(go.call("Echo", ""))).code, "malformed_result")
      assert.isTrue(
        log.some((line) => line.includes("cannot be encoded")),
        log.join("\n")
      )
    })
  )

  it.effect("bytes reach a handler of Payload.bytes as they are, and its bytes the Go client", () =>
    Effect.gen(function* () {
      const service = rawService()
      const echo = (request: Uint8Array) => Effect.succeed(request)
      yield* onBus(Server.make(service, { echo, work: { affinity: 1, handle: echo }, reload: echo }))
      const go = yield* goPeer(service)
      assert.deepStrictEqual(yield* go.callRaw("Echo", abAndMore), abAndMore)
    })
  )
})
