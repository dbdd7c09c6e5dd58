import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../../src/Client.ts"
import * as Rpc from "../../src/Rpc.ts"
import * as Selection from "../../src/Selection.ts"
import * as Server from "../../src/Server.ts"
import * as Service from "../../src/Service.ts"
import { errorOf, fakeServers, isRunning, onBus, settle, start } from "../helpers/harness.ts"

class Jobs extends Service.make("Jobs", {
  render: Rpc.unary({ response: Schema.String, routing: "affinity" }),
  resize: Rpc.unary({ response: Schema.String })
}) {}

interface Timed {
  readonly at: number
  readonly id: string
  readonly affinity: number
}

const claims: ReadonlyArray<Timed> = [
  { at: 0, id: "1", affinity: 0.1 },
  { at: 100, id: "2", affinity: 0.5 },
  { at: 300, id: "3", affinity: 0.7 },
  { at: 300, id: "4", affinity: 0.1 },
  { at: 500, id: "5", affinity: 0.9 }
]

/** Calls `render` while servers claim as they are told to; when a server was chosen, and which. */
const choose = Effect.fnUntraced(function* (
  selection: Selection.Selection | undefined,
  offers: ReadonlyArray<Timed> = claims
) {
  const client = yield* Client.make(Jobs)
  const servers = yield* fakeServers("Jobs", "Render")
  const call = yield* start(client.render({ selection }))
  yield* settle
  for (let now = 0; now <= 3000; now++) {
    for (const { affinity, at, id } of offers) if (at === now) servers.claim(id, affinity)
    yield* settle
    const taken = servers.chosen[0]
    if (taken !== undefined || !isRunning(call)) {
      yield* Fiber.interrupt(call)
      return { at: now, server: taken?.serverId }
    }
    yield* TestClock.adjust(1)
  }
  return { at: Infinity, server: undefined }
}, Effect.scoped)

describe("selection, by the vectors of the wire", () => {
  const zero: Selection.Options = { affinityTimeout: 2500 }
  const rows: ReadonlyArray<readonly [string, Selection.Options, string, number]> = [
    ["acceptFirstAvailable", { ...zero, acceptFirstAvailable: true }, "1", 0],
    [
      "minimumAffinity 0.5, acceptFirstAvailable",
      { ...zero, minimumAffinity: 0.5, acceptFirstAvailable: true },
      "2",
      100
    ],
    ["shortCircuitTimeout 150", { ...zero, shortCircuitTimeout: 150 }, "2", 150],
    [
      "minimumAffinity 0.4, shortCircuitTimeout 250",
      { ...zero, minimumAffinity: 0.4, shortCircuitTimeout: 250 },
      "3",
      350
    ],
    [
      "minimumAffinity 0.3, affinityTimeout 250, shortCircuitTimeout 200",
      { minimumAffinity: 0.3, affinityTimeout: 250, shortCircuitTimeout: 200 },
      "2",
      250
    ],
    ["affinityTimeout 600", { affinityTimeout: 600 }, "5", 600],
    [
      "minimumAffinity 0.7, acceptFirstAvailable",
      { ...zero, minimumAffinity: 0.7, acceptFirstAvailable: true },
      "3",
      300
    ]
  ]
  for (const [name, options, server, at] of rows) {
    it.effect(`${name}: server ${server} at ${at} ms`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* choose(Selection.make(options)), { at, server })
      }).pipe(onBus)
    )
  }
})

describe("selection", () => {
  const at = (at: number, id: string, affinity: number): Timed => ({ at, id, affinity })

  it.effect("takes a claim that reaches the maximum at once", () =>
    Effect.gen(function* () {
      const taken = yield* choose(Selection.make({ maximumAffinity: 0.7, affinityTimeout: 2000 }))
      assert.deepStrictEqual(taken, { at: 300, server: "3" })
    }).pipe(onBus)
  )

  it.effect("compares in float32: a server's 0.7 reaches a minimum and a maximum of 0.7", () =>
    Effect.gen(function* () {
      // the float32 that is nearest to 0.7 is less than the double
      assert.isBelow(Math.fround(0.7), 0.7)
      const offers = [at(10, "a", 0.7)]
      const minimum = Selection.make({ minimumAffinity: 0.7, acceptFirstAvailable: true })
      assert.deepStrictEqual(yield* choose(minimum, offers), { at: 10, server: "a" })
      const compared = Selection.make({ minimumAffinity: 0.7, affinityTimeout: 50 })
      assert.deepStrictEqual(yield* choose(compared, offers), { at: 50, server: "a" })
      const maximum = Selection.make({ maximumAffinity: 0.7 })
      assert.deepStrictEqual(yield* choose(maximum, offers), { at: 10, server: "a" })
    }).pipe(onBus)
  )

  it.effect("a server once chosen stays chosen: later claims are told nothing", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      for (const selection of [Selection.first, Selection.make({ maximumAffinity: 0.5 })]) {
        const call = yield* start(client.render({ selection }))
        yield* settle
        servers.chosen.length = 0
        servers.claim("a", 0.5)
        servers.claim("b", 0.9)
        yield* settle
        servers.claim("c", 1)
        yield* TestClock.adjust(1000)
        assert.deepStrictEqual(
          servers.chosen.map(({ serverId }) => serverId),
          ["a"]
        )
        yield* Fiber.interrupt(call)
      }
    }).pipe(onBus)
  )

  it.effect("a claim just below the minimum does not count", () =>
    Effect.gen(function* () {
      const offers = [at(0, "low", 0.69999), at(5, "high", 0.7)]
      const first = Selection.make({ minimumAffinity: 0.7, acceptFirstAvailable: true })
      assert.deepStrictEqual(yield* choose(first, offers), { at: 5, server: "high" })
    }).pipe(onBus)
  )

  it.effect("a claim that does not count starts no short circuit", () =>
    Effect.gen(function* () {
      const offers = [at(0, "low", 0.1), at(100, "high", 0.6)]
      const selection = Selection.make({ minimumAffinity: 0.5, shortCircuitTimeout: 50 })
      assert.deepStrictEqual(yield* choose(selection, offers), { at: 150, server: "high" })
    }).pipe(onBus)
  )

  it.effect("of equal claims the first is taken", () =>
    Effect.gen(function* () {
      const offers = [at(0, "a", 0.4), at(1, "b", 0.5), at(2, "c", 0.5)]
      assert.deepStrictEqual(yield* choose(Selection.make({ affinityTimeout: 10 }), offers), { at: 10, server: "b" })
    }).pipe(onBus)
  )

  it.effect("a negative minimum counts every claim", () =>
    Effect.gen(function* () {
      const selection = Selection.make({ minimumAffinity: -1, acceptFirstAvailable: true })
      assert.deepStrictEqual(yield* choose(selection, [at(3, "a", 0)]), { at: 3, server: "a" })
    }).pipe(onBus)
  )

  it.effect("an affinity method compares for 200 ms after the first claim, a queue method takes the first", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* choose(undefined, [at(50, "a", 0.1), at(249, "b", 0.2), at(251, "c", 0.9)]), {
        at: 250,
        server: "b"
      })
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Resize", { queue: true })
      const call = yield* start(client.resize())
      yield* settle
      servers.claim("a", 0)
      yield* settle
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["a"]
      )
      yield* Fiber.interrupt(call)
    }).pipe(onBus)
  )

  it.effect("a call's selection replaces all of the client's", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs, {
        selection: Selection.make({ minimumAffinity: 0.9, maximumAffinity: 0.95, acceptFirstAvailable: true })
      })
      const servers = yield* fakeServers("Jobs", "Render")
      const call = yield* start(client.render({ selection: Selection.make({ shortCircuitTimeout: 40 }) }))
      yield* settle
      // neither refused by the client's minimum, nor taken at once by its maximum
      servers.claim("a", 0.2)
      servers.claim("b", 0.96)
      yield* TestClock.adjust(39)
      assert.deepStrictEqual(servers.chosen, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["b"]
      )
      yield* Fiber.interrupt(call)

      const others = yield* start(client.render())
      yield* settle
      servers.claim("a", 0.2)
      yield* settle
      assert.strictEqual(servers.chosen.length, 2) // with the withdrawal of the first
      servers.claim("c", 0.9)
      yield* settle
      assert.strictEqual(servers.chosen.at(-1)?.serverId, "c")
      yield* Fiber.interrupt(others)
    }).pipe(onBus)
  )

  it.effect("real servers with affinities: the best responds, and one below 0 sends no claim", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const server = (serverId: string, affinity: Server.Affinity<undefined, readonly []>) =>
        Server.make(
          Service.pick(Jobs, "render"),
          { render: { affinity, handle: () => Effect.sync(() => (ran.push(serverId), serverId)) } },
          { serverId }
        )
      yield* server("low", 0.2)
      yield* server("high", Effect.delay(Effect.succeed(0.8), 100))
      yield* server("late", () => Effect.delay(Effect.succeed(0.9), 201))
      yield* server("silent", -1)
      yield* server("broken", () => Effect.fail("no idea"))
      yield* server("thrown", () => {
        throw new Error("no idea")
      })
      yield* server("NaN", () => NaN)
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.render())
      yield* TestClock.adjust(199)
      assert.isTrue(isRunning(call))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(call), "high")
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(ran, ["high"])
    }).pipe(onBus)
  )

  it.effect("only servers with a negative affinity: no response from servers", () =>
    Effect.gen(function* () {
      const handlers = { render: { affinity: () => -0.001, handle: () => Effect.succeed("never") } }
      yield* Server.make(Service.pick(Jobs, "render"), handlers)
      const client = yield* Client.make(Jobs)
      const call = yield* start(client.render())
      yield* TestClock.adjust(1000)
      const error = errorOf(call)
      assert.strictEqual(error._tag, "Unavailable")
      assert.match(error.message, /no response from servers/)
    }).pipe(onBus)
  )

  it.effect("limits of a selection are float32, as claims are", () =>
    Effect.gen(function* () {
      const client = yield* Client.make(Jobs)
      const servers = yield* fakeServers("Jobs", "Render")
      const selection = Selection.best({ affinityTimeout: 100, minimumAffinity: 0.7 })
      yield* start(client.render({ selection }))
      yield* settle
      servers.claim("a", 0.7)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(
        servers.chosen.map(({ serverId }) => serverId),
        ["a"]
      )
    }).pipe(onBus)
  )
})

describe("a selection that compares, and methods with queue routing", () => {
  class Queues extends Service.make("Queues", {
    resize: Rpc.unary(),
    talk: Rpc.stream({ send: undefined, receive: undefined })
  }) {}

  const comparing: ReadonlyArray<readonly [string, Selection.Selection]> = [
    ["best", Selection.best()],
    ["make without acceptFirstAvailable", Selection.make({ affinityTimeout: 100 })],
    ["a minimum", Selection.make({ acceptFirstAvailable: true, minimumAffinity: 0.5 })],
    ["a maximum", Selection.make({ acceptFirstAvailable: true, maximumAffinity: 0.5 })],
    ["a short circuit", Selection.make({ acceptFirstAvailable: true, shortCircuitTimeout: 0 })],
    ["a function", Selection.make({ acceptFirstAvailable: true, selectionFunc: () => "" })]
  ]
  for (const [name, selection] of comparing) {
    it.effect(`is an invalid argument of a call, and of a client without affinity methods: ${name}`, () =>
      Effect.gen(function* () {
        const client = yield* Client.make(Jobs)
        const queues = yield* Client.make(Queues)
        for (const [error, label] of [
          [yield* Effect.flip(client.resize({ selection: selection as never })), "Jobs.Resize"],
          [yield* Effect.flip(queues.talk({ selection: selection as never })), "Queues.Talk"],
          [yield* Effect.flip(Client.make(Queues, { selection })), "client of Queues"]
        ] as const) {
          assert.strictEqual(error._tag, "InvalidArgument")
          assert.include(error.message, `${label}: selection: it compares affinities`)
          assert.include(error.message, "use Selection.first")
          assert.isFalse(error.mayHaveRun)
        }
      }).pipe(onBus)
    )
  }

  it.effect("what is no selection is an invalid argument, too", () =>
    Effect.gen(function* () {
      const copy = { ...Selection.first } as Selection.Selection<"first">
      const client = yield* Client.make(Jobs)
      for (const error of [
        yield* Effect.flip(client.resize({ selection: copy })),
        yield* Effect.flip(client.render({ selection: copy })),
        yield* Effect.flip(Client.make(Jobs, { selection: copy }))
      ]) {
        assert.strictEqual(error._tag, "InvalidArgument")
        assert.include(error.message, "selection is object: expected a value of Selection.make")
      }
    }).pipe(onBus)
  )

  it.effect("of a client is for its affinity methods alone; one that takes the first claim is for all", () =>
    Effect.gen(function* () {
      const chosen = Effect.fnUntraced(function* (selection: Selection.Selection, method: "render" | "resize") {
        const client = yield* Client.make(Jobs, { selection })
        const servers = yield* fakeServers("Jobs", method === "render" ? "Render" : "Resize", {
          queue: method === "resize"
        })
        const call = yield* start(client[method]())
        yield* settle
        servers.claim("a", 0.2)
        yield* settle
        const first = servers.chosen.length > 0
        yield* Fiber.interrupt(call)
        return first
      }, Effect.scoped)
      const best = Selection.best({ affinityTimeout: "1 second" })
      assert.deepStrictEqual([yield* chosen(best, "render"), yield* chosen(best, "resize")], [false, true])
      const patient = Selection.make({ acceptFirstAvailable: true, affinityTimeout: "Infinity" })
      assert.deepStrictEqual([yield* chosen(patient, "render"), yield* chosen(patient, "resize")], [true, true])
    }).pipe(onBus)
  )

  it.effect("a short circuit of 0 selects after the first claim, without a wait", () =>
    Effect.gen(function* () {
      const at = [
        { at: 20, id: "a", affinity: 0.1 },
        { at: 21, id: "b", affinity: 0.9 }
      ]
      assert.deepStrictEqual(yield* choose(Selection.make({ shortCircuitTimeout: 0 }), at), { at: 20, server: "a" })
    }).pipe(onBus)
  )
})
