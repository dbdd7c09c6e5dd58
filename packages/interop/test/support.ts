/** What the tests share: brokers, and for each test a service name that nobody else uses. */
import type { StringValue } from "@bufbuild/protobuf/wkt"
import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { type MessageBus, type PsrpcError, Rpc, Service } from "@effect-psrpc/core"
import { NatsMessageBus } from "@effect-psrpc/nats"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { natsUrl, redisUrl } from "@effect-psrpc/test-servers"
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { Context, Effect, Layer, type Scope } from "effect"
import { randomBytes } from "node:crypto"
import { GoError, GoPeer, goPeerBinary, hasGo } from "../src/index.ts"

/** The unary methods of the Go peer. */
export const methods = {
  echo: Rpc.unary({ request: StringValueSchema, response: StringValueSchema }),
  raw: Rpc.unary({ request: StringValueSchema, response: StringValueSchema }),
  work: Rpc.unary({ request: StringValueSchema, response: StringValueSchema, routing: "affinity" }),
  regional: Rpc.unary({ request: StringValueSchema, response: StringValueSchema, topic: ["region"] }),
  reload: Rpc.unary({ request: StringValueSchema, response: StringValueSchema, topic: ["node"], singleServer: true })
}

const answer = (request: StringValue) => Effect.succeed({ value: `ours:${request.value}` })

/** Handlers that answer as the Go peer's do, with `ours:` in place of `go:`. */
export const handlers = {
  echo: answer,
  raw: answer,
  work: { affinity: 1, handle: answer },
  regional: answer,
  reload: answer
}

/** The busses that are tested. */
export type Bus = "redis" | "nats"

const busses: ReadonlyArray<Bus> = ["redis", "nats"]

/** The broker of some tests. */
export class Broker extends Context.Service<Broker, { readonly bus: Bus; readonly url: string }>()(
  "interop/test/Broker"
) {
  static readonly layer = (bus: Bus) =>
    Layer.effect(
      Broker,
      Effect.gen(function* () {
        // built before the first test, whose time is for what it tests
        yield* goPeerBinary
        return { bus, url: yield* bus === "redis" ? redisUrl : natsUrl }
      })
    )
}

/**
 * Tests with a Go peer, on each of the busses. Without `go` they are skipped, and in CI they fail.
 */
export const interop = (
  name: string,
  tests: (it: Vitest.MethodsNonLive<Broker>) => void,
  on: ReadonlyArray<Bus> = busses
): void => {
  for (const bus of on) {
    // what they do is wait, for timeouts above all: several at a time do so together
    describe.skipIf(!hasGo && !process.env["CI"]).concurrent(`${name}, on ${bus}`, () => {
      layer(Broker.layer(bus), { excludeTestServices: true, timeout: "10 minutes" })(tests)
    })
  }
}

/** A service name that no other test uses, whatever broker they share. */
export const newServiceName = (): string => `Interop${randomBytes(6).toString("hex")}`

/** The methods of the Go peer under a name of the test's own. */
export const newService = () => Service.make(newServiceName(), methods)

/** A Go peer for a service. */
export const goPeer = (
  service: { readonly serviceName: string },
  options?: { readonly clientId?: string; readonly trace?: "always" | "never" | "parent" }
) => Effect.flatMap(Broker, (broker) => GoPeer.make({ ...broker, service: service.serviceName, ...options }))

/** Runs an effect on a bus of its own, with connections of its own, as in a process of its own. */
export const onBus = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | PsrpcError.PsrpcError, Exclude<R, MessageBus.MessageBus> | Broker | Scope.Scope> =>
  Effect.gen(function* () {
    const { bus, url } = yield* Broker
    const made = bus === "redis" ? RedisMessageBus.layer({ url }) : NatsMessageBus.layer({ servers: url })
    return yield* Effect.provideContext(effect, yield* Layer.build(made))
  }) as never

/** An error of psrpc, as the Go peer has it. */
export const goError = (error: unknown): GoError => {
  assert.instanceOf(error, GoError)
  return error
}

/** Nearly a mebibyte, which with what goes around it is what NATS takes. */
export const large = "0123456789abcde\n".repeat(65_000)

/** Bytes that are no protobuf message: a field number, and the end. */
export const malformed = new Uint8Array([0x0a, 0x05, 0x61])

/** So many texts, all different. */
export const numbers = (count: number, prefix = ""): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** The channel on which servers offer themselves to a client, by its names on the wire. */
export const claimChannel = (service: { readonly serviceName: string }, clientId: string) => ({
  name: `${service.serviceName}|${clientId}|CLAIM`,
  subject: `CLI.${service.serviceName}.${clientId}.CLAIM`,
  route: ""
})

/** A request that asks a handler of the Go peer for something. */
export const ask = (script: { readonly do: string; readonly [key: string]: unknown }): { value: string } => ({
  value: JSON.stringify(script)
})

/** What a handler of the Go peer saw. */
export interface Report {
  readonly serverId: string
  readonly method: string
  readonly text: string
  readonly remoteId: string
  /** Unix nanoseconds. */
  readonly sentAt: string
  readonly metadata: Readonly<Record<string, string>>
  readonly deadlineMs: number
}

export const report = (answer: { readonly value: string }): Report => JSON.parse(answer.value)

/** Asks again until the answer will do, and gives up after ten seconds. */
export const eventually = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  will: (value: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const end = Date.now() + 10_000
    while (true) {
      const value = yield* effect
      if (will(value)) return value
      if (Date.now() > end) return yield* Effect.die(new Error(`still ${JSON.stringify(value)} after 10 seconds`))
      yield* Effect.sleep("10 millis")
    }
  })
