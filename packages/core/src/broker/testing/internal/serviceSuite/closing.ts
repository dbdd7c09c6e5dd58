import { Deferred, Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import type { BidiStream } from "../../../../BidiStream.ts"
import * as Client from "../../../../Client.ts"
import * as PsrpcError from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../busSuite/failure.ts"
import type { Bus, Case } from "../busSuite/run.ts"
import { chat, failsWith, isError, on, patient, type Talk, three } from "./stage.ts"

/** A server that hands each stream to the test, and a client; what the handler does then is the test's to say. */
const pair = Effect.fnUntraced(function* (
  name: string,
  [a, b]: readonly [Bus, Bus, ...Array<Bus>],
  handle: (stream: Talk) => Effect.Effect<unknown, PsrpcError.PsrpcError>
) {
  const Chat = chat(name)
  const taken = yield* Deferred.make<Talk>()
  const talk = (stream: Talk) => Effect.andThen(Deferred.succeed(taken, stream), handle(stream))
  const server = yield* on(a)(Server.make(Chat, { talk }))
  const client = yield* on(b)(Client.make(Chat, patient))
  return { client, server, stream: Deferred.await(taken) }
})

/** Everything that one end says of the stream's end. */
const endOf = (stream: BidiStream<string, string>) =>
  Effect.all(
    {
      messages: Effect.exit(Stream.runCollect(stream.messages)),
      closed: Effect.exit(stream.closed),
      send: Effect.andThen(
        Effect.exit(stream.closed),
        Effect.match(stream.send("late"), { onFailure: (error): unknown => error, onSuccess: () => "success" })
      )
    },
    { concurrency: "unbounded" }
  )

type End = Effect.Success<ReturnType<typeof endOf>>

const errorOf = (exit: Exit.Exit<unknown, PsrpcError.PsrpcError>): unknown =>
  exit._tag === "Failure"
    ? exit.cause.reasons.map((reason) => (reason._tag === "Fail" ? reason.error : reason))[0]
    : "success"

/** Fails unless an end has seen these messages, and then no cause. */
const endsNormally = (what: string, { closed, messages, send }: End, texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* equal(
      `${what}: what it read`,
      messages._tag === "Success" ? messages.value : String(errorOf(messages)),
      texts as never
    )
    yield* equal(`${what}: whether the end has no cause`, closed._tag, "Success")
    yield* isError(`${what}: a late send`, send, { code: "canceled", reason: "stream_closed" })
  })

/** Fails unless an end has seen a cause, everywhere. */
const endsWith = (what: string, { closed, messages, send }: End, code: string, message: string) =>
  Effect.forEach(
    [errorOf(messages), errorOf(closed), send],
    (error, i) => isError(`${what}: ${["its messages", "its end", "a late send"][i]}`, error, { code, message }),
    { discard: true }
  )

const refused = new PsrpcError.PermissionDenied({ message: "not with me" })

const byClient: Case = {
  name: "stream: a client that closes ends the handler's messages, normally or with its cause",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    for (const cause of [undefined, refused]) {
      const seen = yield* Deferred.make<End>()
      const { client } = yield* pair(`${run.service}_${cause?.code}`, buses, (stream) =>
        Effect.flatMap(endOf(stream), (end) => Deferred.succeed(seen, end))
      )
      const stream = yield* client.talk()
      yield* Effect.all([stream.send("one"), stream.send("two")], { concurrency: 2 })
      yield* stream.close(cause)
      // what is closed stays as it is
      yield* stream.close(new PsrpcError.Internal({ message: "another cause" }))
      const there = yield* run.step("the handler to see the end", Deferred.await(seen))
      const here = yield* run.step("the client to see the end", endOf(stream))
      if (cause === undefined) {
        yield* endsNormally("the server's end", there, ["one", "two"])
        yield* endsNormally("the client's end", here, [])
      } else {
        yield* endsWith("the server's end", there, "permission_denied", "not with me")
        yield* endsWith("the client's end", here, "permission_denied", "not with me")
      }
    }
  })
}

const byServer: Case = {
  name: "stream: a handler that closes, returns or fails ends the client's messages, normally or with its cause",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const endings: Record<string, (stream: Talk) => Effect.Effect<unknown, PsrpcError.PsrpcError>> = {
      closes: (stream) => Effect.andThen(stream.close(), Effect.never),
      returns: () => Effect.void,
      closesWith: (stream) => Effect.andThen(stream.close(refused), Effect.never),
      fails: () => Effect.fail(refused),
      dies: () => Effect.die(new Error("a secret of the server"))
    }
    for (const [how, ending] of Object.entries(endings)) {
      const {
        client,
        server,
        stream: taken
      } = yield* pair(`${run.service}_${how}`, buses, (stream) => Effect.andThen(stream.send("one"), ending(stream)))
      const stream = yield* client.talk()
      const here = yield* run.step(`the client to see the end of a stream whose handler ${how}`, endOf(stream))
      const there = yield* run.step("the server's end to be over", Effect.flatMap(taken, endOf))
      if (how === "closes" || how === "returns") {
        yield* endsNormally(`${how}: the client's end`, here, ["one"])
        yield* endsNormally(`${how}: the server's end`, there, [])
      } else {
        const [code, message] = how === "dies" ? ["internal", "internal error"] : [refused.code, refused.message]
        yield* endsWith(`${how}: the client's end`, here, code, message)
        yield* endsWith(`${how}: the server's end`, there, code, message)
      }
      yield* run.step("the server to be killed", server.kill)
    }
  })
}

const byScope: Case = {
  name: "stream: the end of its scope closes it, with a cause where that ended badly",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const ends: Array<readonly [Exit.Exit<unknown, unknown>, string, string]> = [
      [Exit.void, "", ""],
      [Exit.fail(refused), "permission_denied", "not with me"],
      [Exit.fail("my own affair"), "internal", "internal error"],
      [Exit.die(new Error("a secret of the client")), "internal", "internal error"],
      [Exit.interrupt(1), "canceled", "request canceled"]
    ]
    for (const [i, [exit, code, message]] of ends.entries()) {
      const seen = yield* Deferred.make<End>()
      const { client } = yield* pair(`${run.service}_${i}`, buses, (stream) =>
        Effect.flatMap(endOf(stream), (end) => Deferred.succeed(seen, end))
      )
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(client.talk(), scope)
      yield* stream.send("one")
      yield* Scope.close(scope, exit)
      const there = yield* run.step("the handler to see the end", Deferred.await(seen))
      if (code === "") yield* endsNormally("the server's end", there, ["one"])
      else yield* endsWith("the server's end", there, code, message)
    }
  })
}

const opening: Case = {
  name: "stream: an opening that is interrupted leaves no stream open at a server",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chat(run.service)
    const buses = yield* three(run)
    let open = 0
    let opened = 0
    const talk = (stream: Talk) => {
      open++
      opened++
      return Effect.ensuring(
        Effect.exit(stream.closed),
        Effect.sync(() => open--)
      )
    }
    for (const bus of buses) yield* on(bus)(Server.make(Chat, { talk }))
    const client = yield* on(buses[0])(Client.make(Chat, patient))
    for (let i = 0; i < 60; i++) {
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(client.talk(), Effect.never)), {
        startImmediately: true
      })
      for (let yields = 0; yields < i; yields++) yield* Effect.yieldNow
      if (i % 5 === 4) yield* run.turn
      yield* run.step("an interrupted opening to end", Fiber.interrupt(fiber))
    }
    // one that is there shows that the servers are through with the others' openings
    const before = opened
    const stream = yield* client.talk()
    yield* run.until("the last stream to be opened", () => opened > before)
    yield* stream.close()
    yield* run.until(
      "all streams to be closed",
      () => open === 0,
      () => `${open} of ${opened} are open`
    )
  })
}

const half: Case = {
  name: "stream: an end that has no more to say still hears the other",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const { client } = yield* pair(run.service, buses, (stream) =>
      Effect.flatMap(Stream.runCollect(stream.messages), (texts) => stream.send(`heard ${texts.join(", ")}`))
    )
    const stream = yield* client.talk()
    yield* Effect.all([stream.send("one"), stream.send("two")], { concurrency: 2 })
    yield* equal("whether the other end could be told", yield* run.step("the end to be told", stream.closeSend), true)
    yield* failsWith("a send after the end", stream.send("three"), { code: "failed_precondition", mayHaveRun: false })
    const end = yield* run.step("the handler's last word", Stream.runCollect(stream.messages))
    yield* equal("what the handler said", end, ["heard one, two"])
    yield* run.step("the stream to be closed", stream.closed)
  })
}

const hijack: Case = {
  name: "stream: one that is hijacked outlives its handler",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const { client, stream: taken } = yield* pair(run.service, buses, (stream) => stream.hijack)
    const stream = yield* client.talk()
    const there = yield* taken
    yield* stream.send("one")
    yield* there.send("two")
    yield* equal("what the server's end reads", yield* Stream.runCollect(Stream.take(there.messages, 1)), ["one"])
    yield* equal("what the client reads", yield* Stream.runCollect(Stream.take(stream.messages, 1)), ["two"])
    yield* there.close(refused)
    yield* endsWith("the client's end", yield* run.step("the end", endOf(stream)), refused.code, refused.message)
  })
}

const unreadable: Case = {
  name: "stream: a message that does not decode closes it, and both ends say why",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const seen = yield* Deferred.make<End>()
    yield* pair(run.service, buses, (stream) => Effect.flatMap(endOf(stream), (end) => Deferred.succeed(seen, end)))
    const Numbers = Service.make(run.service, { talk: Rpc.stream({ send: Schema.Finite, receive: Schema.String }) })
    const client = yield* on(buses[2])(Client.make(Numbers, patient))
    const stream = yield* client.talk()
    yield* failsWith("a message that does not encode", stream.send("text" as never), {
      code: "malformed_request",
      reason: "not_sent",
      mayHaveRun: false
    })
    yield* failsWith("a message that does not decode", stream.send(1), { code: "malformed_request" })
    const there = yield* run.step("the handler to see the end", Deferred.await(seen))
    yield* isError("the server's end", errorOf(there.closed), { code: "malformed_request" })
    yield* isError("the client's end", errorOf(yield* Effect.exit(stream.closed)), { code: "malformed_request" })
  })
}

const gone: Case = {
  name: "stream: a client that is closed, and a server that is killed, end the streams of the other",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* three(run)
    const Chat = chat(run.service)
    const taken = yield* Deferred.make<Talk>()
    const talk = (stream: Talk) => Effect.andThen(Deferred.succeed(taken, stream), Effect.never)
    const server = yield* on(buses[0])(Server.make(Chat, { talk }))
    const leaves = yield* run.closable
    const first = yield* Client.make(Chat, patient).pipe(on(buses[1]), Scope.provide(leaves.scope))
    const mine = yield* first.talk()
    const theirs = yield* Deferred.await(taken)
    yield* leaves.close
    yield* isError("the closed client's end", errorOf(yield* Effect.exit(mine.closed)), {
      code: "canceled",
      reason: "client_closed"
    })
    const there = yield* run.step("the server to hear of it", Effect.exit(theirs.closed))
    yield* isError("the server's end", errorOf(there), { code: "canceled" })
    yield* failsWith("a stream of a closed client", Effect.scoped(first.talk()), {
      code: "canceled",
      reason: "client_closed",
      mayHaveRun: false
    })
    const second = yield* on(buses[2])(Client.make(Chat, patient))
    const stream = yield* second.talk()
    yield* run.step("the server to be killed", server.kill)
    yield* endsWith("the client's end", yield* run.step("the end", endOf(stream)), "unavailable", "EOF")
  })
}

export const closing: ReadonlyArray<Case> = [byClient, byServer, byScope, opening, half, hijack, unreadable, gone]
