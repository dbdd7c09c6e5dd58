/** Payloads of every kind and size, by every kind of method. */
import { TimestampSchema } from "@bufbuild/protobuf/wkt"
import { Effect, Schema, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Payload from "../../../../Payload.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import * as Publisher from "../../../../Publisher.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal, fail } from "../harness/assertions.ts"
import type { Bus, Run } from "../harness/run.ts"
import { failsWith } from "./errorAssertions.ts"
import { clientOptions, on, serverOptions } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"

class Person extends Schema.Class<Person>("Person")({ name: Schema.String, born: Schema.Date }) {}

const latin = Payload.make<string>({
  encode: (value) => Uint8Array.from(value, (char) => char.charCodeAt(0)),
  decode: (bytes) => String.fromCharCode(...bytes)
})

/** One kind of payload, erased: its values, and a function that formats them for comparisons. */
interface Sample {
  readonly payload: Payload.Any
  readonly values: ReadonlyArray<unknown>
  readonly format: (value: unknown) => string
}

const sample = <P extends Payload.Any>(
  payload: P,
  values: ReadonlyArray<Payload.Input<NoInfer<P>>>,
  format: (value: Payload.Output<NoInfer<P>>) => string
): Sample => ({ payload, values, format: format as Sample["format"] })

/** The kinds of payloads, each with an empty value and another one. */
const samples: Record<string, Sample> = {
  "a protobuf message": sample(
    TimestampSchema,
    [{}, { seconds: 2n ** 40n, nanos: 999_999_999 }],
    ({ nanos, seconds }) => `${seconds ?? 0} ${nanos ?? 0}`
  ),
  "a Schema of texts": sample(
    Schema.String,
    ["", 'quote " backslash \\ newline \n nul \u0000 Ünïcödé 软件 🚀'],
    String
  ),
  "a Schema class": sample(
    Person,
    [
      { name: "", born: new Date(0) },
      { name: "Ada", born: new Date(1e12) }
    ],
    ({ born, name }) => `${name} ${born.getTime()}`
  ),
  "a nullable Schema": sample(Schema.NullOr(Schema.BigInt), [null, -(2n ** 70n)], String),
  bytes: sample(Payload.bytes, [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i)], (value) =>
    value.join(" ")
  ),
  "a custom codec": sample(latin, ["", "texté"], String),
  "no payload": sample(undefined, [undefined], String)
}

/** Sends values in both directions by every kind of method. Returns the received values. */
const roundTrips = Effect.fnUntraced(function* (
  run: Run,
  name: string,
  [a, b]: readonly [Bus, Bus, Bus],
  // every payload has the type of bytes here
  payload: typeof Payload.bytes,
  values: ReadonlyArray<Uint8Array>
) {
  const both = { request: payload, response: payload } as const
  const All = Service.make(name, {
    unary: Rpc.unary(both),
    single: Rpc.unary({ ...both, singleServer: true }),
    multi: Rpc.multi(both),
    stream: Rpc.stream({ send: payload, receive: payload }),
    one: Rpc.subscription({ message: payload }),
    all: Rpc.subscription({ message: payload, routing: "multi" })
  })
  const hasNoPayload = payload === undefined
  const echo = (value: Uint8Array) => Effect.succeed(value)
  yield* on(a)(
    Server.make(
      All,
      {
        unary: echo,
        single: echo,
        multi: echo,
        stream: (stream) => Stream.runForEach(stream.messages, (value) => stream.send(value))
      },
      serverOptions(run)
    )
  )
  const client = yield* on(b)(Client.make(All, clientOptions(run)))
  const publisher = yield* on(a)(Publisher.make(All))
  const [one, all] = [yield* client.one(), yield* client.all()]
  const stream = yield* client.stream()
  type Next = Effect.Effect<Uint8Array | undefined, PsrpcError>
  const received: Array<readonly [how: string, value: unknown]> = []
  const next = (messages: Stream.Stream<Uint8Array, PsrpcError>): Next =>
    Effect.map(Stream.runCollect(Stream.take(messages, 1)), ([first]) => first)
  for (const value of values) {
    const call = <A>(method: (value: Uint8Array) => A): A => (hasNoPayload ? (method as () => A)() : method(value))
    const senders: Record<string, Effect.Effect<unknown, unknown>> = {
      unary: call(client.unary),
      single: call(client.single),
      multi: Effect.map(
        Stream.runCollect(
          hasNoPayload
            ? (client.multi as unknown as (options: object) => ReturnType<typeof client.multi>)({ expect: 1 })
            : client.multi(value, { expect: 1 })
        ),
        ([response]) => (response?.result._tag === "Success" ? response.result.success : response?.result.failure)
      ),
      stream: Effect.andThen(stream.send(value), next(stream.messages)),
      one: Effect.andThen(call(publisher.one), next(one)),
      all: Effect.andThen(call(publisher.all), next(all))
    }
    for (const [how, effect] of Object.entries(senders)) {
      received.push([how, yield* run.step(`a value by ${how}`, effect)])
    }
  }
  return received
})

const kinds: ServiceCase = {
  name: "payloads of every kind arrive unchanged, by every kind of method",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    for (const [i, [kind, { format, payload, values }]] of Object.entries(samples).entries()) {
      const received = yield* roundTrips(
        run,
        `${run.service}_${i}`,
        buses,
        payload as typeof Payload.bytes,
        values as ReadonlyArray<Uint8Array>
      )
      for (const [n, [how, value]] of received.entries()) {
        yield* equal(`${kind}, by ${how}`, format(value), format(values[Math.floor(n / 6)]))
      }
      yield* equal("received values", received.length, values.length * 6)
    }
  })
}

/** Maximum size of an envelope without its payload, in bytes. */
const envelopeSize = 2048

const large: ServiceCase = {
  name: "payloads near the maximum size arrive unchanged, by every kind of method",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const size = Math.min(run.bus.maxPayload ?? 1_000_000, 4 * 1024 * 1024) - envelopeSize
    const values = [size, size >> 1].map((length, n) =>
      Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + n) & 255)
    )
    const received = yield* roundTrips(run, run.service, buses, Payload.bytes, values)
    for (const [n, [how, value]] of received.entries()) {
      const sent = values[Math.floor(n / 6)]!
      if (!(value instanceof Uint8Array)) return yield* fail(`${how}: expected bytes, got ${String(value)}`)
      const same = value.length === sent.length && value.every((byte, i) => byte === sent[i])
      yield* equal(`${how}: ${sent.length} bytes are unchanged (${value.length} received)`, same, true)
    }
  })
}

const tooLarge: ServiceCase = {
  name: "payloads that are too large are refused, by every kind of method, and other messages still arrive",
  needs: "maxPayload",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const [a, b] = yield* run.connections(3)
    const payload = Payload.bytes
    const both = { request: payload, response: payload } as const
    const All = Service.make(run.service, {
      unary: Rpc.unary(both),
      grow: Rpc.unary(both),
      multi: Rpc.multi(both),
      stream: Rpc.stream({ send: payload, receive: payload }),
      updates: Rpc.subscription({ message: payload })
    })
    const limit = run.bus.maxPayload ?? 0
    const bytes = new Uint8Array(limit + 1)
    const small = new Uint8Array(10)
    const echo = (value: Uint8Array) => Effect.succeed(value)
    yield* on(a)(
      Server.make(
        All,
        {
          unary: echo,
          grow: () => Effect.succeed(bytes),
          multi: echo,
          stream: (stream) => Stream.runForEach(stream.messages, (value) => stream.send(value))
        },
        serverOptions(run)
      )
    )
    const client = yield* on(b)(Client.make(All, clientOptions(run)))
    const publisher = yield* on(b)(Publisher.make(All))
    const updates = yield* client.updates()
    const stream = yield* client.stream()
    const expected = { code: "resource_exhausted", reason: "too_large", mayHaveRun: false } as const
    yield* failsWith("a request", client.unary(bytes), expected)
    yield* failsWith("a multi call", Stream.runDrain(client.multi(bytes)), expected)
    yield* failsWith("a message of a stream", stream.send(bytes), expected)
    yield* failsWith("an update", publisher.updates(bytes), expected)
    yield* failsWith("a response", run.step("the caller to receive the error", client.grow(small)), {
      code: "resource_exhausted"
    })
    yield* equal("a request that fits", (yield* client.unary(small)).length, small.length)
    yield* stream.send(small)
    const [back] = yield* run.step("a message to arrive", Stream.runCollect(Stream.take(stream.messages, 1)))
    yield* equal("a message that fits", back?.length, small.length)
    yield* publisher.updates(small)
    const [update] = yield* run.step("an update to arrive", Stream.runCollect(Stream.take(updates, 1)))
    yield* equal("an update that fits", update?.length, small.length)
  })
}

export const payloads: ReadonlyArray<ServiceCase> = [kinds, large, tooLarge]
