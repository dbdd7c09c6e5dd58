import {
  bytes,
  type Bus,
  channel,
  closable,
  collect,
  type Outcome,
  post,
  publish,
  sleep,
  text,
  unique,
  until
} from "@effect-psrpc/bus-tests"
import { Msg } from "@effect-psrpc/core/broker"
import { natsUrl } from "@effect-psrpc/test-servers"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Metric, Scope } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { connect2, contentOf, msg, routed, ways } from "./support.ts"

class Url extends Context.Service<Url, string>()("test/Url") {}
const UrlLive = Layer.merge(Layer.effect(Url, natsUrl), Logger.layer([]))

const forwarded = Effect.map(Metric.value(NatsMessageBus.forwardedMessages), ({ count }) => count)
const unroutable = Effect.map(Metric.value(NatsMessageBus.unroutableMessages), ({ count }) => count)

/** Joins the queue of a route, and collects the messages. */
const member = Effect.fnUntraced(function* (bus: Bus, subject: string, route: string) {
  const got: Array<string> = []
  yield* bus.subscribe(routed(subject, route), (message) => got.push(contentOf(message)), { queue: true })
  return got
})

const numbers = (count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, i) => String(i))
const sorted = (texts: ReadonlyArray<string>): ReadonlyArray<string> => texts.toSorted((a, b) => Number(a) - Number(b))

for (const [way, make] of Object.entries(ways)) {
  describe(`a queue on ${way}`, () => {
    layer(UrlLive, { excludeTestServices: true, timeout: 120_000 })((it) => {
      const buses = Effect.fnUntraced(function* (count: number) {
        const url = yield* Url
        return yield* Effect.all(Array.from({ length: count }, () => make(url)))
      })

      it.effect(
        "gives each message to one member, across buses and within one, and to every listener outside of it",
        () =>
          Effect.gen(function* () {
            const [a, b, c] = yield* buses(3)
            const jobs = channel()
            const all = yield* collect(c!, jobs)
            const members = [
              yield* collect(a!, jobs, { queue: true }),
              yield* collect(a!, jobs, { queue: true }),
              yield* collect(b!, jobs, { queue: true })
            ]
            for (let i = 0; i < 300; i++) post(c!, jobs, bytes(String(i)))
            yield* until(() => all.length === 300 && members.flat().length === 300, "all arrive")
            assert.deepStrictEqual(sorted(members.flat().map(text)), numbers(300))
            assert.isTrue(members.every((got) => got.length > 30))
            assert.isAtMost(Math.abs(members[0]!.length - members[1]!.length), 1)
          })
      )

      it.effect("loses nothing when members leave and join under load", () =>
        Effect.gen(function* () {
          const [a, b, c] = yield* buses(3)
          const subject = unique()
          const got: Array<string> = []
          const listener = (message: Uint8Array): void => void got.push(contentOf(message))
          const jobs = routed(subject, "Work.REQ")
          yield* c!.subscribe(jobs, listener, { queue: true })
          let sent = 0
          const outcomes: Array<Outcome> = []
          for (let round = 0; round < 15; round++) {
            const first = yield* closable
            const second = yield* closable
            yield* a!.subscribe(jobs, listener, { queue: true }).pipe(Scope.provide(first.scope))
            yield* b!.subscribe(jobs, listener, { queue: true }).pipe(Scope.provide(second.scope))
            yield* b!.subscribe(jobs, listener, { queue: true }).pipe(Scope.provide(second.scope))
            const leave = Effect.all([first.close, second.close], { concurrency: 2 })
            const send = Effect.gen(function* () {
              for (let i = 0; i < 20; i++) {
                for (let j = 0; j < 10; j++) outcomes.push(post(c!, jobs, msg(jobs.route, String(sent++))))
                yield* sleep(0)
              }
            })
            yield* Effect.all([send, Effect.delay(leave, round)], { concurrency: 2 })
          }
          yield* until(() => got.length >= sent, "all arrive")
          yield* until(() => outcomes.every((outcome) => outcome.reports === 1), "all outcomes are reported")
          yield* publish(c!, jobs, msg(jobs.route, String(sent++)))
          yield* until(() => got.length >= sent, "the last arrives")
          assert.deepStrictEqual(sorted(got), numbers(sent))
        })
      )

      it.effect("of several routes loses nothing, whichever member has which route", () =>
        Effect.gen(function* () {
          const [a, b, c, d, client] = yield* buses(5)
          const subject = unique()
          const before = yield* forwarded
          const lost = yield* unroutable
          const routes = ["One.REQ", "Two.REQ", "Three.REQ", "Four.REQ"]
          const got = [
            yield* member(a!, subject, routes[0]!),
            yield* member(b!, subject, routes[1]!),
            yield* member(c!, subject, routes[2]!),
            yield* member(d!, subject, routes[3]!)
          ]
          for (let i = 0; i < 1000; i++) {
            for (const route of routes) post(client!, routed(subject, route), msg(route, String(i)))
            if (i % 50 === 0) yield* sleep(0)
          }
          yield* until(() => got.every((texts) => texts.length >= 1000), "all arrive")
          for (const texts of got) assert.deepStrictEqual(sorted(texts), numbers(1000))
          assert.isAbove((yield* forwarded) - before, 2000)
          assert.strictEqual(yield* unroutable, lost)
        })
      )

      it.effect("forwards to members that do not forward, with the hops counted", () =>
        Effect.gen(function* () {
          const url = yield* Url
          const bus = yield* make(url)
          const client = yield* make(url)
          const subject = unique()
          yield* member(bus, subject, "Ours.REQ")
          const other = yield* connect2(url)
          const got: Array<Msg.Msg> = []
          other.subscribe(subject, {
            queue: "bus",
            callback: (_, { data }) => {
              const message = Msg.decode(data) as Msg.Msg
              // without membership probes
              if (message.channel !== "@walk") got.push(message)
            }
          })
          yield* Effect.promise(() => other.flush())
          for (let i = 0; i < 100; i++) post(client, routed(subject, "Theirs.REQ"), msg("Theirs.REQ", String(i)))
          yield* until(() => got.length === 100, "all arrive")
          assert.deepStrictEqual(sorted(got.map(({ value }) => text(value))), numbers(100))
          assert.isTrue(got.some(({ hops }) => hops === 0))
          // 64 more: the route's own subject had no listeners
          assert.isTrue(got.some(({ hops }) => hops === 65))
          assert.isTrue(got.every(({ channel, hops }) => channel === "Theirs.REQ" && hops <= 80))
        })
      )

      it.effect("forwards a message without a route 16 times, and no more", () =>
        Effect.gen(function* () {
          const url = yield* Url
          const bus = yield* make(url)
          const subject = unique()
          const got = yield* member(bus, subject, "Here.REQ")
          const tap = yield* connect2(url)
          const hops: Array<number> = []
          tap.subscribe(subject, {
            callback: (_, { data }) => void hops.push((Msg.decode(data) as Msg.Msg).hops)
          })
          yield* Effect.promise(() => tap.flush())
          const [before, lost] = [yield* forwarded, yield* unroutable]
          yield* publish(bus, routed(subject, "Nowhere.REQ"), msg("Nowhere.REQ", "x"))
          yield* Effect.eventually(Effect.filterOrFail(unroutable, (count) => count > lost))
          // later forwards would arrive before its confirmation
          yield* publish(bus, routed(subject, "Here.REQ"), msg("Here.REQ", "y"))
          yield* until(() => got.length === 1, "the other arrives")
          // so that it has arrived at the tap, too
          yield* Effect.promise(() => tap.flush())
          assert.deepStrictEqual(
            hops.slice(0, 17),
            Array.from({ length: 17 }, (_, i) => (i === 0 ? 0 : 64 + i))
          )
          assert.strictEqual(hops.length, 18)
          assert.strictEqual((yield* forwarded) - before, 16)
          assert.strictEqual((yield* unroutable) - lost, 1)
        })
      )

      it.effect("drops malformed messages, and forwards a message without a readable route no more than others", () =>
        Effect.gen(function* () {
          const bus = yield* make(yield* Url)
          const subject = unique()
          const got = yield* member(bus, subject, "Here.REQ")
          const lost = yield* unroutable
          const to = { name: "", subject, route: "" }
          yield* publish(bus, to, new Uint8Array([0xff, 0xff, 0xff]))
          yield* publish(bus, to, msg("", "x"))
          yield* Effect.eventually(Effect.filterOrFail(unroutable, (count) => count === lost + 2))
          yield* publish(bus, routed(subject, "Here.REQ"), msg("Here.REQ", "y"))
          yield* until(() => got.length === 1, "it goes on")
        })
      )

      it.effect("of a route ends with its only member, and other members of the subject forward", () =>
        Effect.gen(function* () {
          const [a, b] = yield* buses(2)
          const subject = unique()
          const one = yield* closable
          const got: Array<string> = []
          const listener = (message: Uint8Array): void => void got.push(contentOf(message))
          yield* a!.subscribe(routed(subject, "Two.REQ"), () => {}, { queue: true })
          yield* a!.subscribe(routed(subject, "One.REQ"), listener, { queue: true }).pipe(Scope.provide(one.scope))
          for (let i = 0; i < 100; i++) post(b!, routed(subject, "One.REQ"), msg("One.REQ", String(i)))
          yield* publish(b!, routed(subject, "One.REQ"), msg("One.REQ", "100"))
          yield* b!.subscribe(routed(subject, "One.REQ"), listener, { queue: true })
          yield* one.close
          for (let i = 101; i < 200; i++) post(b!, routed(subject, "One.REQ"), msg("One.REQ", String(i)))
          yield* until(() => got.length === 200, "all arrive")
          assert.deepStrictEqual(sorted(got), numbers(200))
        })
      )

      it.effect("may have routes of any name", () =>
        Effect.gen(function* () {
          const [a, b, client] = yield* buses(3)
          const subject = unique()
          const routes = ["a b.REQ", "*.REQ", ">.REQ", "..REQ", "ä→🚀.REQ", "a-b.REQ", "a.b.REQ", "\ud800.REQ"]
          yield* member(a!, subject, "Other.REQ")
          const got = yield* Effect.forEach(routes, (route) => member(b!, subject, route))
          for (const route of routes) {
            const to = routed(subject, route)
            const target = client!.target(to)
            const content = new Uint8Array([...msg("", route), ...target.tail])
            for (let i = 0; i < 20; i++) yield* publish(client!, to, content)
          }
          yield* until(() => got.every((texts) => texts.length === 20), "all arrive")
          for (const [i, texts] of got.entries()) assert.isTrue(texts.every((t) => t === routes[i]!.toWellFormed()))
        })
      )
    })
  })
}

describe("a subject that is shared", () => {
  layer(UrlLive, { excludeTestServices: true, timeout: 120_000 })((it) => {
    it.effect("gives each of its channels its own messages, and ignores others", () =>
      Effect.gen(function* () {
        const bus = yield* NatsMessageBus.make({ servers: yield* Url })
        const subject = unique()
        const claims = yield* collect(bus, routed(subject, "One.RCLAIM"))
        const streams = yield* collect(bus, routed(subject, "One.STR"))
        const two = yield* collect(bus, routed(subject, "Two.RCLAIM"))
        const everything = yield* collect(bus, routed(subject, ""))
        for (const route of ["One.RCLAIM", "One.STR", "Two.RCLAIM", "Three.RCLAIM", ""]) {
          yield* publish(bus, routed(subject, route), msg(route, route))
        }
        yield* until(() => everything.length === 5, "all arrive")
        assert.deepStrictEqual(claims.map(contentOf), ["One.RCLAIM"])
        assert.deepStrictEqual(streams.map(contentOf), ["One.STR"])
        assert.deepStrictEqual(two.map(contentOf), ["Two.RCLAIM"])
      })
    )

    it.effect("separates its queue from listeners outside of it", () =>
      Effect.gen(function* () {
        const [a, b] = yield* Effect.all([
          NatsMessageBus.make({ servers: yield* Url }),
          NatsMessageBus.make({ servers: yield* Url })
        ])
        const subject = unique()
        const outside = yield* collect(a, routed(subject, "One.REQ"))
        const inside = [yield* member(a, subject, "One.REQ"), yield* member(b, subject, "One.REQ")]
        for (let i = 0; i < 100; i++) post(b, routed(subject, "One.REQ"), msg("One.REQ", String(i)))
        yield* until(() => outside.length === 100 && inside.flat().length === 100, "all arrive")
        assert.deepStrictEqual(sorted(inside.flat()), numbers(100))
      })
    )
  })
})
