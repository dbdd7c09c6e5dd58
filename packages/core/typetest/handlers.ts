// Handlers keep their types however they are written, and responses have no unknown fields.
import { StringValueSchema, TypeSchema } from "@bufbuild/protobuf/wkt"
import { Context, Effect, type Layer, Schema, Stream } from "effect"
import { type MessageBus, Payload, Rpc, Server, Service } from "../src/index.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Equal<A, B>): void => {}
type Requires<L> = L extends Layer.Layer<never, any, infer R> ? R : never

class Db extends Context.Service<Db, { readonly find: Effect.Effect<string> }>()("test/Db") {}
class Cache extends Context.Service<Cache, string>()("test/Cache") {}
class NotThere extends Schema.TaggedError<NotThere>()("NotThere", { name: Schema.String }) {}

class Every extends Service.make("Every", {
  hello: Rpc.unary({ request: Schema.String, response: Schema.String, error: NotThere }),
  best: Rpc.unary({ request: Schema.Int, response: Schema.String, routing: "affinity" }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.Int }),
  bestChat: Rpc.stream({ send: Schema.String, receive: Schema.Int, routing: "affinity" }),
  count: Rpc.multi({ response: Schema.Int, topic: ["region"] }),
  news: Rpc.subscription({ message: Schema.String })
}) {}
class EveryServer extends Server.Service<EveryServer>()("test/EveryServer", Every) {}

// ── generators, wherever handlers are given ───────────────────────────────────────────────────────────────────────────

const live = Server.layer(Every, {
  hello: Effect.fnUntraced(function* (name, call) {
    same<typeof name, string>(true)
    same<typeof call, Server.Call<{}>>(true)
    const { find } = yield* Db
    if (name === "") return yield* new NotThere({ name })
    return name + (yield* find)
  }),
  best: {
    affinity: Effect.fnUntraced(function* (n) {
      same<typeof n, number>(true)
      yield* Cache
      return n
    }),
    handle: Effect.fn("best")(function* (n, call) {
      same<typeof n, number>(true)
      same<typeof call.topic, {}>(true)
      return yield* Effect.succeed("")
    })
  },
  chat: Effect.fnUntraced(function* (stream) {
    yield* Stream.runForEach(stream.messages, (text) => stream.send(text.length))
  }),
  bestChat: {
    affinity: 1,
    handle: Effect.fn(function* (stream) {
      yield* Stream.runForEach(stream.messages, (text) => stream.send(text.length))
    })
  },
  count: Effect.fnUntraced(function* (_, call) {
    same<typeof call.topic, { readonly region: string }>(true)
    return yield* Effect.succeed(1)
  })
})
same<Requires<typeof live>, MessageBus.MessageBus | Db | Cache>(true)

const hello = Effect.succeed("")
const others = {
  best: { affinity: 1, handle: () => hello },
  chat: () => Effect.void,
  bestChat: { affinity: 1, handle: () => Effect.void },
  count: () => Effect.succeed(1)
}
Every.of({
  ...others,
  hello: Effect.fnUntraced(function* (name) {
    same<typeof name, string>(true)
    return yield* hello
  })
})
EveryServer.layer({
  ...others,
  hello: Effect.fnUntraced(function* (name) {
    same<typeof name, string>(true)
    return yield* hello
  })
})
void Server.make(Every, {
  ...others,
  hello: Effect.fn("hello")(function* (name) {
    same<typeof name, string>(true)
    return yield* hello
  })
})
Server.layerConfig(
  Every,
  {
    ...others,
    hello: Effect.fnUntraced(function* (name) {
      same<typeof name, string>(true)
      return yield* hello
    })
  },
  {}
)

// ── unknown fields of responses ───────────────────────────────────────────────────────────────────────────────────────

class Fields extends Service.make("Fields", {
  value: Rpc.unary({ request: StringValueSchema, response: StringValueSchema }),
  deep: Rpc.unary({ response: TypeSchema }),
  schema: Rpc.multi({
    response: Schema.Struct({ x: Schema.String, y: Schema.optional(Schema.Struct({ z: Schema.Int })) })
  }),
  map: Rpc.unary({ response: Schema.Record(Schema.String, Schema.Int) }),
  bytes: Rpc.unary({ response: Payload.bytes }),
  any: Rpc.unary({ response: Schema.Any })
}) {}
const known = Fields.of({
  value: (message) => Effect.succeed(message),
  deep: () =>
    Effect.succeed({ name: "", fields: [{ name: "", options: [{ name: "" }] }], sourceContext: { fileName: "" } }),
  schema: () => Effect.succeed({ x: "", y: { z: 1 } }),
  map: () => Effect.succeed({ a: 1, b: 2 }),
  bytes: () => Effect.succeed(new Uint8Array(1)),
  any: () => Effect.succeed({ whatever: 1 })
})
Server.layer(Fields, known)
// @ts-expect-error the response has no field valeu
Server.layer(Fields, { ...known, value: ({ value }) => Effect.succeed({ value, valeu: 1 }) })
// @ts-expect-error the response has no field valeu
Fields.of({ ...known, value: ({ value }) => Effect.succeed({ value, valeu: 1 }) })
Server.layer(Fields, {
  ...known,
  // @ts-expect-error the response has no field nmae
  deep: Effect.fnUntraced(function* () {
    return { name: "", nmae: yield* Effect.succeed(1) }
  })
})
// @ts-expect-error the response has no field fields.nmae
Server.layer(Fields, { ...known, deep: () => Effect.succeed({ fields: [{ nmae: "", name: "" }] }) })
// @ts-expect-error the response has no field sourceContext.line
Server.layer(Fields, { ...known, deep: () => Effect.succeed({ sourceContext: { fileName: "", line: 1 } }) })
// @ts-expect-error the response has no field y.zz
Server.layer(Fields, { ...known, schema: () => Effect.succeed({ x: "", y: { z: 1, zz: 2 } }) })

// ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type Problems<H> = Server.HandlerProblems<H, typeof Every>
type Good = Server.Handlers<(typeof Every)["methods"]>
same<Problems<Good>, unknown>(true)
same<Problems<Effect.Effect<Good>>, unknown>(true)
same<Problems<Omit<Good, "chat">>, "the handler for chat is missing">(true)
same<Problems<Effect.Effect<Omit<Good, "chat">>>, "the handler for chat is missing">(true)
same<Problems<Partial<Good> & Omit<Good, "chat">>, "the handler for chat is missing">(true)
same<Problems<Good & { readonly helo: Good["hello"] }>["helo"], "helo is no method of the service">(true)
same<
  Problems<Omit<Good, "best"> & { readonly best: Good["best"]["handle"] }>["best"],
  "best has affinity routing: its handler is { affinity, handle }"
>(true)
same<
  Problems<Omit<Good, "news"> & { readonly news: Good["hello"] }>["news"],
  "news is a subscription: a Publisher sends its updates, and a server has no handler"
>(true)
same<
  Server.HandlerProblems<
    Omit<typeof known, "schema"> & { readonly schema: () => Effect.Effect<{ x: string; xx: string }> },
    typeof Fields
  >["schema"],
  "the response has no field xx"
>(true)
// @ts-expect-error the handler for chat is missing
Server.layer(Every, { hello: () => hello, ...(({ chat: _, ...rest }) => rest)(others) })
