import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Schema, type Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { Logs, onBus, start } from "../helpers/harness.ts"

class Users extends Service.make("Users", {
  name: Rpc.unary({ request: Schema.Int, response: Schema.String }),
  slow: Rpc.unary({ response: Schema.String, singleServer: true })
}) {}

class Db extends Context.Service<Db, { readonly find: (id: number) => Effect.Effect<string> }>()("test/Db") {}

const slow = () => Effect.succeed("slow")

describe("handlers", () => {
  it.effect("have the services that the server was made with", () =>
    Effect.gen(function* () {
      const db = Db.of({ find: (id) => Effect.succeed(`user ${id}`) })
      const made = Server.make(Users, { name: (id) => Effect.flatMap(Db, ({ find }) => find(id)), slow })
      yield* Effect.provideService(made, Db, db)
      const client = yield* Client.make(Users)
      assert.strictEqual(yield* client.name(5), "user 5")
    }).pipe(onBus)
  )

  it.effect("made by an Effect have what that Effect has, for as long as the server lives", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const building = Effect.gen(function* () {
        const { find } = yield* Db
        yield* Effect.acquireRelease(
          Effect.sync(() => events.push("opened")),
          () => Effect.sync(() => events.push("closed"))
        )
        return Users.of({ name: find, slow })
      })
      const live = Server.layer(Users, building).pipe(
        Layer.provide(Layer.succeed(Db, Db.of({ find: () => Effect.succeed("Ada") })))
      )
      yield* Effect.gen(function* () {
        const client = yield* Client.make(Users)
        assert.strictEqual(yield* client.name(1), "Ada")
        assert.deepStrictEqual(events, ["opened"])
      }).pipe(Effect.provide(live))
      assert.deepStrictEqual(events, ["opened", "closed"])
    }).pipe(onBus)
  )

  it.effect("an Effect of handlers that fails makes the Layer fail", () =>
    Effect.gen(function* () {
      const live = Server.layer(Users, Effect.fail("no database" as const))
      assert.strictEqual(yield* Effect.flip(Layer.build(live)), "no database")
    }).pipe(onBus)
  )

  it.effect("each call has a scope of its own, closed before its answer goes out", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      yield* Server.make(Users, {
        name: (id) =>
          Effect.acquireRelease(
            Effect.sync(() => events.push(`open ${id}`)),
            () => Effect.sync(() => events.push(`close ${id}`))
          ).pipe(Effect.as(`user ${id}`)),
        slow
      })
      const client = yield* Client.make(Users)
      for (const id of [1, 2]) {
        yield* client.name(id)
        events.push(`answer ${id}`)
      }
      assert.deepStrictEqual(events, ["open 1", "close 1", "answer 1", "open 2", "close 2", "answer 2"])
    }).pipe(onBus)
  )

  it.effect("what a call has forked in its scope ends with it", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const background = Effect.onInterrupt(Effect.never, () => Effect.sync(() => events.push("background ended")))
      yield* Server.make(Users, {
        name: () => Effect.as(Effect.forkScoped(background, { startImmediately: true }), "started"),
        slow
      })
      const client = yield* Client.make(Users)
      assert.strictEqual(yield* client.name(1), "started")
      assert.deepStrictEqual(events, ["background ended"])
    }).pipe(onBus)
  )

  it.effect("the scope is the call's own, not the server's", () =>
    Effect.gen(function* () {
      const scopes = new Set<Scope.Scope>()
      const note = Effect.tap(Effect.scope, (scope) => Effect.sync(() => scopes.add(scope)))
      const mine = yield* Effect.scope
      yield* Server.make(Users, { name: () => Effect.as(note, "a"), slow: () => Effect.as(note, "b") })
      const client = yield* Client.make(Users)
      yield* client.name(1)
      yield* client.name(1)
      yield* client.slow()
      assert.strictEqual(scopes.size, 3)
      assert.isFalse(scopes.has(mine))
    }).pipe(onBus)
  )

  it.effect("neither the span nor the call of whoever made the server is theirs", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const span = Effect.serviceOption(Tracer.ParentSpan).pipe(
        Effect.map((option) => (option._tag === "Some" ? option.value.spanId : "none"))
      )
      const making = Server.make(Users, {
        name: () => Effect.map(span, (id) => (spans.push(id), id)),
        slow: (_, call) => Effect.map(Server.CurrentCall, (current) => `${current.method} ${current === call}`)
      }).pipe(
        Effect.withSpan("making"),
        Effect.provideService(Server.CurrentCall, {
          service: "Other",
          method: "Other",
          requestId: "",
          topic: {},
          header: { remoteId: "", sentAt: 0, expiry: 0, metadata: {} },
          deadline: 0
        })
      )
      yield* making
      const client = yield* Client.make(Users)
      assert.strictEqual(yield* client.name(1), "none")
      assert.strictEqual(yield* client.slow(), "Slow true")
    }).pipe(onBus)
  )

  it.effect("run at the same time", () =>
    Effect.gen(function* () {
      yield* Server.make(Users, { name: (id) => Effect.delay(Effect.succeed(`${id}`), 100), slow })
      const client = yield* Client.make(Users)
      const calls = yield* start(Effect.forEach([1, 2, 3, 4, 5], (id) => client.name(id), { concurrency: "unbounded" }))
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* Fiber.join(calls), ["1", "2", "3", "4", "5"])
    }).pipe(onBus)
  )

  it.effect("that throw, or return no Effect, are defects of one call, and the server goes on", () =>
    Effect.gen(function* () {
      const logs = yield* Logs
      yield* Server.make(Users, {
        name: (id) => {
          if (id === 1) throw new Error("thrown in the handler")
          if (id === 2) return "no Effect" as never
          return Effect.succeed("fine")
        },
        slow
      })
      const client = yield* Client.make(Users)
      for (const id of [1, 2]) {
        const error = yield* Effect.flip(client.name(id))
        assert.strictEqual(error._tag, "Internal")
        assert.notInclude(error.message, "thrown")
      }
      assert.strictEqual(yield* client.name(3), "fine")
      assert.strictEqual(logs.filter(({ level }) => level === "Error").length, 2)
    }).pipe(onBus)
  )

  it.effect("a finalizer that dies makes the call fail", () =>
    Effect.gen(function* () {
      yield* Server.make(Users, {
        name: () =>
          Effect.as(
            Effect.addFinalizer(() => Effect.die("not closed")),
            "answer"
          ),
        slow
      })
      const client = yield* Client.make(Users)
      assert.strictEqual((yield* Effect.flip(client.name(1)))._tag, "Internal")
    }).pipe(onBus)
  )

  it.effect("more affinities than fit are not waited for: the server keeps silent, and counts them", () =>
    Effect.gen(function* () {
      class Jobs extends Service.make("Jobs", {
        render: Rpc.unary({ response: Schema.String, routing: "affinity" })
      }) {}
      let weighed = 0
      const affinity = () =>
        Effect.delay(
          Effect.sync(() => (weighed++, 1)),
          50
        )
      const handle = () => Effect.succeed("rendered")
      yield* Server.make(Jobs, { render: { affinity, handle } }, { maxPendingAffinity: 3 })
      const client = yield* Client.make(Jobs)
      const calls = yield* start(
        Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(client.render()), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust(2000)
      const exits = yield* Fiber.join(calls)
      assert.deepStrictEqual(
        exits.map(({ _tag }) => _tag),
        ["Success", "Success", "Success", "Failure", "Failure"]
      )
      assert.strictEqual(weighed, 3)
      // and afterwards there is room again
      const call = yield* start(client.render())
      yield* TestClock.adjust(50)
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(call), "rendered")
    }).pipe(onBus)
  )
})
