import { TimestampSchema } from "@bufbuild/protobuf/wkt"
import { Effect, Schema, Stream } from "effect"
import * as Client from "../../../../Client.ts"
import * as Payload from "../../../../Payload.ts"
import type { PsrpcError } from "../../../../PsrpcError.ts"
import * as Publisher from "../../../../Publisher.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal, fail } from "../busSuite/failure.ts"
import type { Bus, Case, Run } from "../busSuite/run.ts"
import { failsWith, on, patient, three } from "./stage.ts"

class Person extends Schema.Class<Person>("Person")({ name: Schema.String, born: Schema.Date }) {}

const latin = Payload.make<string>({
  encode: (value) => Uint8Array.from(value, (char) => char.charCodeAt(0)),
  decode: (bytes) => String.fromCharCode(...bytes)
})

/** One kind of payload, erased: values of it, and how they are compared. */
interface Sample {
  readonly payload: Payload.Any
  readonly values: ReadonlyArray<unknown>
  readonly show: (value: unknown) => string
}

const sample = <P extends Payload.Any>(
  payload: P,
  values: ReadonlyArray<Payload.Input<NoInfer<P>>>,
  show: (value: Payload.Output<NoInfer<P>>) => string
): Sample => ({ payload, values, show: show as Sample["show"] })

/** Each of them, with a value that is as good as empty, and a value that is not. */
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
  "a Schema that may be nothing": sample(Schema.NullOr(Schema.BigInt), [null, -(2n ** 70n)], String),
  bytes: sample(Payload.bytes, [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i)], (value) =>
    value.join(" ")
  ),
  "a codec of one's own": sample(latin, ["", "texté"], String),
  nothing: sample(undefined, [undefined], String)
}

/** Sends values by every kind of method, there and back; gives what came back. */
const thereAndBack = Effect.fnUntraced(function* (
  run: Run,
  name: string,
  [a, b]: readonly [Bus, Bus, ...Array<Bus>],
  // to the types any of them is bytes
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
  const takesNothing = payload === undefined
  const echo = (value: Uint8Array) => Effect.succeed(value)
  yield* on(a)(
    Server.make(All, {
      unary: echo,
      single: echo,
      multi: echo,
      stream: (stream) => Stream.runForEach(stream.messages, (value) => stream.send(value))
    })
  )
  const client = yield* on(b)(Client.make(All, patient))
  const publisher = yield* on(a)(Publisher.make(All))
  const [one, all] = [yield* client.one(), yield* client.all()]
  const stream = yield* client.stream()
  type Got = Effect.Effect<Uint8Array | undefined, PsrpcError>
  const back: Array<readonly [how: string, value: unknown]> = []
  const next = (messages: Stream.Stream<Uint8Array, PsrpcError>): Got =>
    Effect.map(Stream.runCollect(Stream.take(messages, 1)), ([first]) => first)
  for (const value of values) {
    const call = <A>(method: (value: Uint8Array) => A): A => (takesNothing ? (method as () => A)() : method(value))
    const ways: Record<string, Effect.Effect<unknown, unknown>> = {
      unary: call(client.unary),
      single: call(client.single),
      multi: Effect.map(
        Stream.runCollect(
          takesNothing
            ? (client.multi as unknown as (options: object) => ReturnType<typeof client.multi>)({ expect: 1 })
            : client.multi(value, { expect: 1 })
        ),
        ([answer]) => (answer?.result._tag === "Success" ? answer.result.success : answer?.result.failure)
      ),
      stream: Effect.andThen(stream.send(value), next(stream.messages)),
      one: Effect.andThen(call(publisher.one), next(one)),
      all: Effect.andThen(call(publisher.all), next(all))
    }
    for (const [how, effect] of Object.entries(ways))
      back.push([how, yield* run.step(`${how} to bring it back`, effect)])
  }
  return back
})

const kinds: Case = {
  name: "payloads of every kind arrive as they were sent, by every kind of method",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    for (const [i, [kind, { payload, show, values }]] of Object.entries(samples).entries()) {
      const back = yield* thereAndBack(
        run,
        `${run.service}_${i}`,
        buses,
        payload as typeof Payload.bytes,
        values as ReadonlyArray<Uint8Array>
      )
      for (const [n, [how, value]] of back.entries()) {
        yield* equal(`${kind}, by ${how}`, show(value), show(values[Math.floor(n / 6)]))
      }
      yield* equal("values that came back", back.length, values.length * 6)
    }
  })
}

/** What an envelope takes besides its contents, at the most. */
const envelope = 2048

const large: Case = {
  name: "payloads nearly as large as the bus takes arrive whole, by every kind of method",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const size = Math.min(run.traits.maxPayload ?? 1_000_000, 4 * 1024 * 1024) - envelope
    const values = [size, size >> 1].map((length, n) =>
      Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + n) & 255)
    )
    const back = yield* thereAndBack(run, run.service, buses, Payload.bytes, values)
    for (const [n, [how, value]] of back.entries()) {
      const sent = values[Math.floor(n / 6)]!
      if (!(value instanceof Uint8Array)) return yield* fail(`${how}: expected bytes, got ${String(value)}`)
      const same = value.length === sent.length && value.every((byte, i) => byte === sent[i])
      yield* equal(`${how}: whether ${sent.length} bytes are the same (${value.length} came)`, same, true)
    }
  })
}

const tooLarge: Case = {
  name: "what is larger than the bus takes is refused, by every kind of method, and leaves the rest alone",
  needs: "maxPayload",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const [a, b] = yield* three(run)
    const payload = Payload.bytes
    const both = { request: payload, response: payload } as const
    const All = Service.make(run.service, {
      unary: Rpc.unary(both),
      grow: Rpc.unary(both),
      multi: Rpc.multi(both),
      stream: Rpc.stream({ send: payload, receive: payload }),
      updates: Rpc.subscription({ message: payload })
    })
    const limit = run.traits.maxPayload ?? 0
    const bytes = new Uint8Array(limit + 1)
    const small = new Uint8Array(10)
    const echo = (value: Uint8Array) => Effect.succeed(value)
    yield* on(a)(
      Server.make(All, {
        unary: echo,
        grow: () => Effect.succeed(bytes),
        multi: echo,
        stream: (stream) => Stream.runForEach(stream.messages, (value) => stream.send(value))
      })
    )
    const client = yield* on(b)(Client.make(All, patient))
    const publisher = yield* on(b)(Publisher.make(All))
    const updates = yield* client.updates()
    const stream = yield* client.stream()
    const expected = { code: "resource_exhausted", reason: "too_large", mayHaveRun: false } as const
    yield* failsWith("a request", client.unary(bytes), expected)
    yield* failsWith("a call to all", Stream.runDrain(client.multi(bytes)), expected)
    yield* failsWith("a message of a stream", stream.send(bytes), expected)
    yield* failsWith("an update", publisher.updates(bytes), expected)
    yield* failsWith("an answer", run.step("the caller to be told of its answer", client.grow(small)), {
      code: "resource_exhausted"
    })
    yield* equal("a request that fits", (yield* client.unary(small)).length, small.length)
    yield* stream.send(small)
    const [back] = yield* run.step("a message to come back", Stream.runCollect(Stream.take(stream.messages, 1)))
    yield* equal("a message that fits", back?.length, small.length)
    yield* publisher.updates(small)
    const [update] = yield* run.step("an update to arrive", Stream.runCollect(Stream.take(updates, 1)))
    yield* equal("an update that fits", update?.length, small.length)
  })
}

export const payloads: ReadonlyArray<Case> = [kinds, large, tooLarge]
