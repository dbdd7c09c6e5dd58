import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema, Stream, Tracer } from "effect"
import * as Client from "../../src/Client.ts"
import * as Metadata from "../../src/Metadata.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { onBus } from "../helpers/harness.ts"
import { recorded } from "./recording.ts"

class Kinds extends Service.make("Kinds", {
  unary: Rpc.unary({ response: Schema.Array(Schema.String) }),
  multi: Rpc.multi({ response: Schema.Array(Schema.String) }),
  stream: Rpc.stream({ send: Schema.String, receive: Schema.Array(Schema.String) })
}) {}

const keysOf = (call: Server.Call<object>) => Object.keys(call.header.metadata)

describe("a call with as much metadata as there may be", () => {
  it.effect("arrives with its trace besides", () =>
    Effect.gen(function* () {
      yield* Server.make(Kinds, {
        unary: (_, call) => Effect.succeed(keysOf(call)),
        multi: (_, call) => Effect.succeed(keysOf(call)),
        stream: (stream, call) => stream.send(keysOf(call))
      })
      const client = yield* Client.make(Kinds)
      const keys = Array.from({ length: Metadata.maxEntries - 1 }, (_, i) => `k${i}`)
      // as many bytes as there may be, too
      const taken = keys.join("").length + "last".length
      const metadata: Metadata.Metadata = {
        ...Object.fromEntries(keys.map((key) => [key, ""])),
        last: "x".repeat(Client.defaultMaxMetadataSize - taken)
      }
      const parent = Tracer.externalSpan({ traceId: "1".repeat(32), spanId: "2".repeat(16), sampled: true })
      const first = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runHead(stream), Option.getOrThrow)
      const heard = yield* Effect.all([
        client.unary({ metadata }),
        first(Client.successes(client.multi({ metadata, expect: 1 }))),
        Effect.flatMap(client.stream({ metadata }), ({ messages }) => first(messages))
      ]).pipe(Effect.withParentSpan(parent))
      const expected = [...keys, "last", "traceparent"]
      assert.deepStrictEqual(heard, [expected, expected, expected])
    }).pipe(onBus, Effect.provide(recorded))
  )
})
