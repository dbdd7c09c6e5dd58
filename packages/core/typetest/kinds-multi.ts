// What the compiler knows of calls that every server answers.
import type { MessageInitShape } from "@bufbuild/protobuf"
import { type Duration, DurationSchema, type StringValue, StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Effect, type Result, Schema, Stream } from "effect"
import * as Client from "../src/Client.ts"
import * as Payload from "../src/Payload.ts"
import type * as PsrpcError from "../src/PsrpcError.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Selection from "../src/Selection.ts"
import * as Service from "../src/Service.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

class TooBusy extends Schema.TaggedError<TooBusy>()("TooBusy", { load: Schema.Finite }) {}
class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}
class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}

class Farm extends Service.make("Farm", {
  load: Rpc.multi({
    request: Schema.Struct({ at: Schema.Date }),
    response: Schema.Int,
    error: Schema.Union([TooBusy, Broken])
  }),
  proto: Rpc.multi({ request: DurationSchema, response: StringValueSchema, error: DurationSchema }),
  bytes: Rpc.multi({ request: Payload.bytes, response: Payload.bytes }),
  bare: Rpc.multi(),
  plain: Rpc.multi({ request: Schema.Int, topic: ["region", "node"] }),
  typed: Rpc.multi({
    response: Schema.Int,
    topic: { region: Schema.Literals(["eu", "us"]), shard: Schema.FiniteFromString },
    group: "shard",
    runToCompletion: true
  })
}) {}

declare const farm: Client.From<typeof Farm>

type AnswerOf<S> = S extends Stream.Stream<infer A, infer _E, infer _R> ? A : never
type ErrorOf<S> = S extends Stream.Stream<infer _A, infer E, infer _R> ? E : never

// A Stream, and no Effect: it needs nothing, and fails with psrpc's errors alone.
const answers = farm.load({ at: new Date(0) })
same<
  typeof answers,
  Stream.Stream<Client.Answer<number, TooBusy | Broken | PsrpcError.PsrpcError>, PsrpcError.PsrpcError>
>(true)
same<Stream.Services<typeof answers>, never>(true)
// @ts-expect-error it is run as a Stream is
Effect.exit(farm.bare())

// What each server says: who, and its answer or its error.
same<AnswerOf<typeof answers>["serverId"], string>(true)
same<AnswerOf<typeof answers>["result"], Result.Result<number, TooBusy | Broken | PsrpcError.PsrpcError>>(true)
same<AnswerOf<ReturnType<typeof farm.proto>>["result"], Result.Result<StringValue, Duration | PsrpcError.PsrpcError>>(
  true
)
same<AnswerOf<ReturnType<typeof farm.bytes>>["result"], Result.Result<Uint8Array, PsrpcError.PsrpcError>>(true)
same<AnswerOf<ReturnType<typeof farm.bare>>["result"], Result.Result<void, PsrpcError.PsrpcError>>(true)
same<ErrorOf<ReturnType<typeof farm.proto>>, PsrpcError.PsrpcError>(true)
Stream.map(answers, ({ result }) => {
  if (result._tag === "Success") return result.success + 1
  return result.failure._tag === "TooBusy" ? result.failure.load : result.failure.message.length
})
// @ts-expect-error the error is not the method's
Stream.map(answers, ({ result }) => (result._tag === "Failure" ? result.failure.load : 0))
// @ts-expect-error a failure has to be looked for
Stream.map(answers, ({ result }) => result.success)

// Only those that succeeded.
same<
  ReturnType<typeof Client.successes<number, TooBusy, PsrpcError.PsrpcError, never>>,
  Stream.Stream<number, PsrpcError.PsrpcError>
>(true)
const loads = answers.pipe(Client.successes)
same<typeof loads, Stream.Stream<number, PsrpcError.PsrpcError>>(true)
const texts = Client.successes(farm.proto({ seconds: 1n }))
same<typeof texts, Stream.Stream<StringValue, PsrpcError.PsrpcError>>(true)
// @ts-expect-error no answers of servers
Client.successes(Stream.make(1))

// Requests.
same<Parameters<typeof farm.load>[0], { readonly at: Date }>(true)
same<Parameters<typeof farm.proto>[0], MessageInitShape<typeof DurationSchema>>(true)
same<Parameters<typeof farm.bare>, [options?: Client.MultiCallOptions]>(true)
same<Parameters<typeof farm.bytes>, [request: Uint8Array, options?: Client.MultiCallOptions]>(true)
farm.bare()
// @ts-expect-error the request is missing
farm.load()
// @ts-expect-error a field is missing
farm.load({})
// @ts-expect-error the encoded form is not what is given
farm.load({ at: "1970-01-01" })
// @ts-expect-error it takes nothing
farm.bare(1)

// Topics.
farm.plain(1, { topic: { region: "eu", node: "n1" }, expect: 3 })
farm.typed({ topic: { region: "eu", shard: 41 } })
// @ts-expect-error the topic is missing
farm.plain(1)
// @ts-expect-error the topic is missing
farm.typed()
// @ts-expect-error a parameter is missing
farm.plain(1, { topic: { region: "eu" } })
// @ts-expect-error no such region
farm.typed({ topic: { region: "mars", shard: 41 } })
// @ts-expect-error the method has no topic
farm.bare({ topic: {} })

// Options.
farm.bare({ expect: 3, idleTimeout: "500 millis", multiBufferSize: 10, timeout: 100, metadata: { a: "b" } })
farm.bare({
  expect: undefined,
  idleTimeout: undefined,
  multiBufferSize: undefined,
  timeout: undefined,
  metadata: undefined
})
// @ts-expect-error nobody is chosen
farm.bare({ selection: Selection.first })
// @ts-expect-error a number
farm.bare({ expect: "3" })
// @ts-expect-error not a duration
farm.bare({ idleTimeout: "soon" })
// @ts-expect-error no such option
farm.bare({ expects: 3 })

// Definitions.
// @ts-expect-error everybody answers
Rpc.multi({ routing: "affinity" })
// @ts-expect-error everybody answers
Rpc.multi({ singleServer: true })
// @ts-expect-error the tag is one of the codes'
Rpc.multi({ error: NotFound })
// @ts-expect-error not a payload
Rpc.multi({ response: "text" })
