import { Client, Server, Service } from "@effect-psrpc/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { eventually, goPeer, interop, onBus } from "./support.ts"
import { conversing, newStreamService, next, openGo, streamMethods } from "./streamSupport.ts"
import { type Heard, listen, publishBare, toClient, toServers } from "./wire.ts"

const signs = (heard: ReadonlyArray<Heard>): number => heard.filter(({ body }) => body === "none").length

/** Fields 100 and 101: what an end of ours tells of itself. */
const tellsAbilities = ({ fields }: Heard): boolean => fields.includes(100) && fields.includes(101)

const keepalive = "200 millis"

/** Waits until a stream between two peers of this library has had so many keepalives in both directions. */
const untilSigns = (count: number, ...directions: ReadonlyArray<ReadonlyArray<Heard>>) =>
  eventually(
    Effect.sync(() => directions.map(signs)),
    (counts) => counts.every((heard) => heard >= count)
  )

interop("keepalives", (it) => {
  it.effect("are given between two ends of ours, and not to a Go server, nor expected of it", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service)
      yield* go.serve({ methods: ["Chat"] })
      const { match } = streamMethods
      const ours = Service.make(service.serviceName, { match })
      yield* onBus(Server.make(ours, { match: conversing.match }, { keepalive }))
      const toGo = yield* listen(toServers(service, "Chat"))
      const toOurs = yield* listen(toServers(service, "Match"))
      const fromOurs = yield* listen(toClient(service, "CLI_ours"))
      const client = yield* onBus(Client.make(service, { keepalive, clientId: "CLI_ours" }))
      const chat = yield* client.chat()
      yield* client.match()
      // long after a silent end of ours would have been given up
      yield* untilSigns(5, toOurs, fromOurs)
      assert.strictEqual(signs(toGo), 0)
      const opening = toGo.find(({ body }) => body === "open")
      assert.isTrue(opening !== undefined && tellsAbilities(opening))
      yield* chat.send({ value: "still there?" })
      assert.strictEqual(yield* next(chat), "go:still there?")
    })
  )

  it.effect("are not given to a Go client, nor expected of it", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      yield* onBus(Server.make(service, conversing, { keepalive }))
      const go = yield* goPeer(service, { clientId: "CLI_go" })
      const toGo = yield* listen(toClient(service, "CLI_go"))
      const toOurs = yield* listen(toServers(service, "Match"))
      const fromOurs = yield* listen(toClient(service, "CLI_ours"))
      const client = yield* onBus(Client.make(service, { keepalive, clientId: "CLI_ours" }))
      const chat = yield* openGo(go, "Chat")
      yield* client.match()
      yield* untilSigns(5, toOurs, fromOurs)
      assert.strictEqual(signs(toGo), 0)
      const ack = toGo.find(({ body }) => body === "ack")
      assert.isTrue(ack !== undefined && tellsAbilities(ack))
      yield* chat.send("still there?")
      assert.strictEqual(yield* chat.next, "ours:still there?")
    })
  )

  it.effect("that reach a Go end nevertheless are ignored, and so is that no more messages follow", () =>
    Effect.gen(function* () {
      const service = newStreamService()
      const go = yield* goPeer(service, { clientId: "CLI_go" })
      yield* go.serve({ methods: ["Chat"] })
      yield* onBus(
        Server.make(Service.make(service.serviceName, { match: streamMethods.match }), { match: conversing.match })
      )
      const client = yield* onBus(Client.make(service))
      const chat = yield* client.chat()
      const matched = yield* listen(toServers(service, "Match"))
      const match = yield* openGo(go, "Match")
      const { streamId } = yield* eventually(
        Effect.sync(() => matched[0]!),
        (heard) => heard !== undefined
      )
      for (const end of [false, true]) {
        yield* publishBare(toServers(service, "Chat"), chat.streamId, end)
        yield* publishBare(toClient(service, "CLI_go"), streamId, end)
      }
      yield* chat.send({ value: "and on" })
      assert.strictEqual(yield* next(chat), "go:and on")
      yield* match.send("and on")
      assert.strictEqual(yield* match.next, "ours:and on")
    })
  )
})
