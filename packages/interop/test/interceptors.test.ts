import { Client, Interceptor, Metadata, Publisher, PsrpcError, Rpc, Server, Service } from "@effect-psrpc/core"
import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert } from "@effect/vitest"
import { Context, Effect, Stream } from "effect"
import { converse, newStreamService, openGo } from "./streamSupport.ts"
import {
  ask,
  goError,
  goPeer,
  handlers,
  interop,
  methods,
  newService,
  newServiceName,
  onBus,
  report
} from "./support.ts"

const detail = { typeUrl: "type.googleapis.com/google.protobuf.Duration", value: new Uint8Array([8, 30]) }

class User extends Context.Service<User, string>()("interop/test/User") {}

interop("our interceptors, towards a Go server", (it) => {
  it.effect("send metadata along that its handler sees, of calls with one answer and with many", () =>
    Effect.gen(function* () {
      const service = Service.make(newServiceName(), {
        echo: methods.echo,
        statsAll: Rpc.multi({ request: StringValueSchema, response: StringValueSchema })
      })
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(
        Client.make(service, {
          metadata: { of: "client" },
          interceptors: [Interceptor.metadata((call) => Effect.succeed({ by: `interceptor of ${call.method}` }))]
        })
      )
      const echo = yield* client
        .echo(ask({ do: "echo" }), { metadata: { own: "call" } })
        .pipe(Metadata.with({ out: "going" }))
      assert.deepStrictEqual(report(echo).metadata, {
        of: "client",
        out: "going",
        own: "call",
        by: "interceptor of Echo"
      })
      const all = yield* client.statsAll(ask({ do: "echo" }), { expect: 1 }).pipe(Client.successes, Stream.runCollect)
      assert.deepStrictEqual(
        all.map((answer) => report(answer).metadata),
        [{ of: "client", by: "interceptor of StatsAll" }]
      )
    })
  )

  it.effect("change the request, the answer, and what its error is", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      yield* go.serve()
      const client = yield* onBus(
        Client.make(service, {
          interceptors: [
            Interceptor.method(service, "echo", {
              client: (call, next) =>
                next({ request: { value: call.request.value!.trim() } }).pipe(
                  Effect.map((answer) => ({ ...answer, value: `${answer.value}!` })),
                  Effect.catchTag("NotFound", (error) =>
                    Effect.fail(new PsrpcError.Unavailable({ message: error.message }))
                  )
                )
            })
          ]
        })
      )
      assert.strictEqual((yield* client.echo({ value: " a " })).value, "go:a!")
      const failing = ask({ do: "fail", code: "not_found", message: "nothing here" })
      const error = yield* Effect.flip(client.echo(failing))
      assert.deepStrictEqual([error._tag, error.message], ["Unavailable", "nothing here"])
    })
  )

  it.effect("wrap the messages of a stream, also of one that is gone through", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const client = yield* onBus(
        Client.make(service, {
          interceptors: [
            Interceptor.method(service, "chat", {
              client: (_, next) =>
                Effect.map(next(), (stream) => ({
                  ...stream,
                  send: (message, options) => stream.send({ value: `<${message.value}>` }, options),
                  messages: Stream.map(stream.messages, (message) => ({ ...message, value: `${message.value}!` }))
                }))
            })
          ]
        })
      )
      const texts = Array.from({ length: 40 }, (_, i) => `${i}`)
      const answers = yield* client.chat
        // Go cannot be told that no more follows
        .through(
          Stream.map(Stream.fromIterable(texts), (value) => ({ value })),
          { idleTimeout: "500 millis" }
        )
        .pipe(Stream.runCollect)
      assert.deepStrictEqual(
        answers.map(({ value }) => value),
        texts.map((text) => `go:<${text}>!`)
      )
    })
  )
})

interop("our interceptors, towards a Go client", (it) => {
  it.effect("see its header, and provide the handler with what they make of it", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      const seen: Array<Interceptor.ServerCall> = []
      const authentication = Interceptor.server({ provides: User }, (call, next) => {
        seen.push(call)
        const user = call.header.metadata["user"]
        return user === undefined
          ? Effect.fail(
              new PsrpcError.Unauthenticated({
                message: "who are you?",
                details: [detail]
              })
            )
          : Effect.provideService(next(), User, user)
      })
      yield* onBus(
        Server.make(
          service,
          { ...handlers, echo: ({ value }) => Effect.map(User, (user) => ({ value: `${value} of ${user}` })) },
          { interceptors: [authentication] }
        )
      )
      const answer = yield* go.call("Echo", "tea", { metadata: { user: "Ada" }, timeoutMs: 7000 })
      assert.strictEqual(answer, "tea of Ada")
      const [{ header, kind, method, service: name }] = seen as [Interceptor.ServerCall]
      assert.deepStrictEqual([name, method, kind, header.remoteId], [service.serviceName, "Echo", "unary", go.clientId])
      assert.approximately(header.expiry - header.sentAt, 7000, 0.01)

      // and answer in place of the handler
      const error = goError(yield* Effect.flip(go.call("Echo", "tea")))
      assert.deepStrictEqual([error.code, error.message, error.details], ["unauthenticated", "who are you?", [detail]])
    })
  )

  it.effect("that die are an internal error to it, with no text of their own, and the server goes on", () =>
    Effect.gen(function* () {
      const service = newService()
      const go = yield* goPeer(service)
      let isBroken = true
      yield* onBus(
        Server.make(service, handlers, {
          interceptors: [
            Interceptor.server((_, next) => {
              if (isBroken) throw new Error("secret")
              return next()
            })
          ]
        })
      )
      const error = goError(yield* Effect.flip(go.call("Echo", "a")))
      assert.deepStrictEqual([error.code, error.message], ["internal", "internal error"])
      isBroken = false
      assert.strictEqual(yield* go.call("Echo", "a"), "ours:a")
    })
  )

  it.effect("wrap its stream, and close it with an error that it reads", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* onBus(
        Server.make(
          Service.pick(service, "chat"),
          { chat: converse },
          {
            interceptors: [
              Interceptor.method(service, "chat", {
                server: (call, next) =>
                  call.header.metadata["user"] === undefined
                    ? Effect.fail(new PsrpcError.PermissionDenied({ message: "members only" }))
                    : next({
                        stream: {
                          ...call.stream,
                          send: (message, options) => call.stream.send({ value: `${message.value}!` }, options)
                        }
                      })
              })
            ]
          }
        )
      )
      const theirs = yield* openGo(go, "Chat", { metadata: { user: "Ada" } })
      yield* theirs.send("a")
      assert.strictEqual(yield* theirs.next, "ours:a!")
      const refused = yield* openGo(go, "Chat")
      assert.deepStrictEqual(yield* refused.closed, { code: "permission_denied", message: "members only" })
    })
  )

  it.effect("change the updates that it gets, and those that it sends", () =>
    Effect.gen(function* () {
      const service = Service.make(newServiceName(), {
        regionChanged: Rpc.subscription({ message: StringValueSchema, topic: ["region"], routing: "multi" })
      })
      const go = yield* goPeer(service)
      const { sub } = yield* go.command("subscribe", { method: "RegionChanged", topic: "eu" })
      const publisher = yield* onBus(
        Publisher.make(service, {
          interceptors: [
            Interceptor.method(service, "regionChanged", {
              publisher: (call, next) => next({ message: { value: `${call.topic.region}: ${call.message.value}` } })
            })
          ]
        })
      )
      yield* publisher.regionChanged({ value: "up" }, { topic: { region: "eu" } })
      const update = yield* go.event("update", (event) => event.sub === sub)
      assert.strictEqual(update.text, "eu: up")
    })
  )
})
