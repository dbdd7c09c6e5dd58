/** Traces that cross between ours and Go's otelpsrpc, in either direction. */
import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { Client, PsrpcError, Publisher, Rpc, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect, Option, Stream, Tracer } from "effect"
import type { GoPeer, GoSpan } from "../src/index.ts"
import {
  ask,
  eventually,
  goError,
  goPeer,
  interop,
  methods,
  newServiceName,
  numbers,
  onBus,
  report
} from "./support.ts"
import { newUpdates, reading, subscribeGo, together } from "./subscriptionSupport.ts"

const region = "last"
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"
const tracestate = "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"

/** A trace that began elsewhere, as a Go caller's context has it. */
const elsewhere = (flags: string) => ({ traceparent: `00-${traceId}-${spanId}-${flags}`, tracestate })

/** Runs a test with a tracer, and with the spans that it has made so far. */
const traced = <A, E, R>(test: (spans: ReadonlyArray<Tracer.NativeSpan>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span(options) {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return Effect.provideService(test(spans), Tracer.Tracer, tracer)
  })

/**
 * `Regional` is ours, for one topic; everything without a topic is Go's. So neither takes the other's requests. Our handler
 * calls Go's `Echo`, or fails, where the request says so.
 */
const setUp = (trace: "always" | "never" | "parent") =>
  Effect.gen(function* () {
    const name = newServiceName()
    const client = yield* onBus(Client.make(Service.make(name, { echo: methods.echo, regional: methods.regional })))
    const ours = Service.make(name, { regional: methods.regional })
    yield* onBus(
      Server.make(
        ours,
        {
          regional: ({ value }) => {
            if (value === "onwards") return client.echo(ask({ do: "echo" }))
            if (value === "fail") return Effect.fail(PsrpcError.fromCode("not_found", { message: "no" }))
            return Effect.succeed({ value })
          }
        },
        { topics: { regional: [{ region }] } }
      )
    )
    const go = yield* goPeer(ours, { trace })
    const server = yield* go.serve({ methods: ["Echo"] })
    return { client, go, name, server }
  })

/** Go's spans, once there are so many. */
const goSpans = (go: GoPeer.GoPeer, count: number): Effect.Effect<ReadonlyArray<GoSpan>, unknown> =>
  eventually(go.command("spans", {}), ({ length }) => length >= count)

const parentOf = (span: Tracer.NativeSpan | undefined) => Option.getOrUndefined(span!.parent)?.spanId

interop("a trace", (it) => {
  it.effect("goes from our client to a Go server, and on to our server by its own client", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const { client, go, name, server } = yield* setUp("parent")
        const request = ask({ do: "relay", method: "Regional", topic: region, request: "hi" })
        assert.strictEqual((yield* client.echo(request)).value, "hi")
        const [onwards, received] = yield* goSpans(go, 2)
        const [sent, served] = spans
        assert.deepStrictEqual([sent!.name, sent!.kind], [`${name}/Echo`, "client"])
        assert.deepStrictEqual([received!.name, received!.kind], [`Recv.${name}.Echo`, "server"])
        assert.deepStrictEqual([onwards!.name, onwards!.kind], [`Sent.${name}.Regional`, "client"])
        assert.deepStrictEqual([served!.name, served!.kind], [`${name}/Regional`, "server"])
        assert.strictEqual(received!.parentId, sent!.spanId)
        assert.strictEqual(onwards!.parentId, received!.spanId)
        assert.strictEqual(parentOf(served), onwards!.spanId)
        for (const span of [received!, onwards!, served!]) assert.strictEqual(span.traceId, sent!.traceId)
        assert.strictEqual(sent!.attributes.get("rpc.psrpc.peer_id"), server.serverId)
        assert.strictEqual(served!.attributes.get("rpc.psrpc.peer_id"), go.clientId)
      })
    )
  )

  it.effect("goes from a Go client to our server, and on to a Go server by our client, with its trace state", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const { go } = yield* setUp("parent")
        const answer = yield* go.call("Regional", "onwards", { topic: region, trace: elsewhere("01") })
        const [received, sent] = yield* goSpans(go, 2)
        const [served, onwards] = spans
        assert.strictEqual(sent!.parentId, spanId)
        assert.strictEqual(parentOf(served), sent!.spanId)
        assert.strictEqual(parentOf(onwards), served!.spanId)
        assert.strictEqual(received!.parentId, onwards!.spanId)
        for (const span of [sent!, served!, onwards!, received!]) assert.strictEqual(span.traceId, traceId)
        // Go's own text for it
        assert.strictEqual(received!.traceState, sent!.traceState)
        assert.strictEqual(received!.traceState, tracestate.replace(", ", ","))
        assert.deepStrictEqual(report({ value: answer }).metadata, {
          traceparent: `00-${traceId}-${onwards!.spanId}-01`,
          tracestate: sent!.traceState!
        })
      })
    )
  )

  it.effect("that our caller does not sample is sampled neither by Go nor behind it", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const { client, go } = yield* setUp("parent")
        const request = ask({ do: "relay", method: "Regional", topic: region, request: "hi" })
        yield* client.echo(request).pipe(Effect.withSpan("outside", { sampled: false }))
        const [outside, sent, served] = spans
        assert.strictEqual(parentOf(sent), outside!.spanId)
        assert.deepStrictEqual(
          [outside, sent, served].map((span) => [span!.traceId, span!.sampled]),
          [
            [outside!.traceId, false],
            [outside!.traceId, false],
            [outside!.traceId, false]
          ]
        )
        // Go's span between them is there, though nobody sees it
        assert.notStrictEqual(parentOf(served), sent!.spanId)
        // what comes later would be behind it
        yield* client.echo({ value: "hi" })
        assert.strictEqual((yield* goSpans(go, 1)).length, 1)
      })
    )
  )

  it.effect("that a Go caller does not sample is not sampled by ours, nor behind it", () =>
    traced((spans) =>
      Effect.gen(function* () {
        for (const [sampler, flags] of [
          ["never", "01"],
          ["parent", "00"]
        ] as const) {
          const from = spans.length
          const { go } = yield* setUp(sampler)
          const answer = yield* go.call("Regional", "onwards", { topic: region, trace: elsewhere(flags) })
          assert.deepStrictEqual(
            spans.slice(from).map((span) => [span.kind, span.traceId, span.sampled]),
            [
              ["server", traceId, false],
              ["client", traceId, false]
            ]
          )
          assert.match(report({ value: answer }).metadata["traceparent"]!, /-00$/)
          assert.deepStrictEqual(yield* go.command("spans", {}), [])
        }
      })
    )
  )

  it.effect("has the same code at both ends", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const { client, go } = yield* setUp("always")
        yield* Effect.flip(client.echo(ask({ do: "fail", code: "not_found", message: "no" })))
        goError(yield* Effect.flip(go.call("Regional", "fail", { topic: region })))
        const [received, sent] = yield* goSpans(go, 2)
        for (const span of [received!, sent!]) {
          assert.isTrue(span.failed)
          assert.strictEqual(span.attributes["rpc.psrpc.status_code"], "not_found")
        }
        assert.deepStrictEqual(
          spans.map(({ attributes, kind }) => [kind, attributes.get("rpc.psrpc.status_code")]),
          [
            ["client", "not_found"],
            ["server", "not_found"]
          ]
        )
      })
    )
  )

  it.effect("goes to every Go server of a multi call", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const text = { request: StringValueSchema, response: StringValueSchema }
        const service = Service.make(newServiceName(), { statsAll: Rpc.multi(text) })
        const go = yield* goPeer(service, { trace: "parent" })
        yield* go.serve({ methods: ["StatsAll"] })
        yield* go.serve({ methods: ["StatsAll"] })
        const client = yield* onBus(Client.make(service))
        yield* Stream.runDrain(client.statsAll({ value: "hi" }, { expect: 2 }))
        const received = yield* goSpans(go, 2)
        assert.deepStrictEqual(
          received.map(({ parentId }) => parentId),
          [spans[0]!.spanId, spans[0]!.spanId]
        )
        assert.deepStrictEqual(
          spans.map(({ kind }) => kind),
          ["client"]
        )
      })
    )
  )

  it.effect("goes along with a stream that a Go server takes", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const service = Service.make(newServiceName(), {
          chat: Rpc.stream({ send: StringValueSchema, receive: StringValueSchema })
        })
        const go = yield* goPeer(service)
        yield* go.serve({ methods: ["Chat"] })
        const client = yield* onBus(Client.make(service))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const stream = yield* client.chat()
            yield* stream.send({ value: "hi" })
            yield* Stream.runHead(stream.messages)
          })
        )
        const { metadata } = yield* go.event("streamOpened")
        const [span] = spans
        assert.deepStrictEqual(metadata, { traceparent: `00-${span!.traceId}-${span!.spanId}-01` })
        assert.strictEqual(span!.status._tag, "Ended")
        assert.strictEqual(span!.attributes.get("rpc.psrpc.messages_received"), 1)
      })
    )
  )
})

interop("an update with its trace", (it) => {
  it.effect("is what it was to Go's subscribers, and continues at ours", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const service = newUpdates()
        const topic = { region: "eu" }
        const go = yield* goPeer(service)
        const client = yield* onBus(Client.make(service))
        const publisher = yield* onBus(Publisher.make(service))
        const theirs = yield* subscribeGo(go, "RegionChanged", "eu")
        const ours = yield* reading(yield* client.regionChanged({ topic }))
        yield* publisher.regionChanged({ value: "ours" }, { topic })
        yield* go.command("publish", { method: "RegionChanged", topic: "eu", message: "go's" })
        assert.deepStrictEqual((yield* together([theirs], 2)).toSorted(), ["go's", "ours"])
        assert.deepStrictEqual((yield* together([ours], 2)).toSorted(), ["go's", "ours"])
        const produced = spans.find(({ kind }) => kind === "producer")
        const consumed = spans.filter(({ kind }) => kind === "consumer")
        assert.sameMembers(consumed.map(parentOf), [produced!.spanId, undefined])
      })
    )
  )

  it.effect("reaches one of a queue, Go's or ours, also where some are alike", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const service = newUpdates()
        const [one, two] = yield* Effect.all([goPeer(service), goPeer(service)])
        const a = yield* onBus(Client.make(service))
        const b = yield* onBus(Client.make(service))
        const publisher = yield* onBus(Publisher.make(service))
        const ours = [yield* reading(yield* a.jobDone()), yield* reading(yield* b.jobDone())]
        const readers = [yield* subscribeGo(one, "JobDone"), yield* subscribeGo(two, "JobDone"), ...ours]
        const sent = [...numbers(200), ...Array.from({ length: 20 }, () => "same")]
        yield* Effect.forEach(sent, (value) => publisher.jobDone({ value }), { concurrency: 10 })
        yield* together(readers, sent.length)
        // what came twice would be here before this
        yield* publisher.jobDone({ value: "last" })
        assert.deepStrictEqual((yield* together(readers, sent.length + 1)).toSorted(), [...sent, "last"].toSorted())
        const produced = new Set(spans.filter(({ kind }) => kind === "producer").map((span) => span.spanId))
        const consumed = spans.filter(({ kind }) => kind === "consumer")
        assert.strictEqual(consumed.length, ours.flatMap(({ texts }) => texts).length)
        for (const span of consumed) assert.isTrue(produced.has(parentOf(span)!))
      })
    )
  )

  it.effect("is routed on NATS, and handed on by members of its queue that have no use for it", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const service = newUpdates()
        // both share a subject on NATS, and none of its members has both
        const client = yield* onBus(Client.make(service))
        const other = yield* onBus(Client.make(service))
        const eu = yield* reading(yield* client.jobDoneIn({ topic: { region: "eu" } }))
        const us = yield* reading(yield* other.jobDoneIn({ topic: { region: "us" } }))
        const publisher = yield* onBus(Publisher.make(service))
        const sent = numbers(50)
        for (const value of sent) {
          yield* publisher.jobDoneIn({ value }, { topic: { region: "eu" } })
          yield* publisher.jobDoneIn({ value }, { topic: { region: "us" } })
        }
        assert.sameMembers([...(yield* together([eu], 50))], [...sent])
        assert.sameMembers([...(yield* together([us], 50))], [...sent])
        const produced = spans.filter(({ kind }) => kind === "producer").map((span) => span.spanId)
        const consumed = spans.filter(({ kind }) => kind === "consumer").map(parentOf)
        assert.sameMembers(consumed, produced)
      })
    )
  )
})
