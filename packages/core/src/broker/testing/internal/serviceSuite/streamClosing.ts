/** The end of streams: close, half-close, failures, interruption. */
import { Deferred, Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import type { BidiStream } from "../../../../BidiStream.ts"
import * as Client from "../../../../Client.ts"
import * as PsrpcError from "../../../../PsrpcError.ts"
import * as Rpc from "../../../../Rpc.ts"
import * as Server from "../../../../Server.ts"
import * as Service from "../../../../Service.ts"
import { equal } from "../harness/assertions.ts"
import type { Bus, Run } from "../harness/run.ts"
import { failsWith, isError } from "./errorAssertions.ts"
import { chatService, clientOptions, on, type Talk, serverOptions } from "./fixtures.ts"
import type { ServiceCase } from "./serviceCase.ts"

/** Makes a server that passes its stream to the test before it runs the handler, and a client. */
const pair = Effect.fnUntraced(function* (
  run: Run,
  name: string,
  [a, b]: readonly [Bus, Bus, Bus],
  handle: (stream: Talk) => Effect.Effect<unknown, PsrpcError.PsrpcError>
) {
  const Chat = chatService(name)
  const taken = yield* Deferred.make<Talk>()
  const talk = (stream: Talk) => Effect.andThen(Deferred.succeed(taken, stream), handle(stream))
  const server = yield* on(a)(Server.make(Chat, { talk }, serverOptions(run)))
  const client = yield* on(b)(Client.make(Chat, clientOptions(run)))
  return { client, server, stream: Deferred.await(taken) }
})

/** Waits until a stream ends. Returns all that one endpoint reports. */
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

/** Fails if an endpoint has not received these messages and then an end without a cause. */
const endsNormally = (what: string, { closed, messages, send }: End, texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    yield* equal(`${what}: messages`, messages._tag === "Success" ? messages.value : [String(errorOf(messages))], texts)
    yield* equal(`${what}: closed`, closed._tag, "Success")
    yield* isError(`${what}: a send after the end`, send, { code: "canceled", reason: "stream_closed" })
  })

/** Fails if the messages, the end and later sends of an endpoint do not fail with this cause. */
const endsWith = (what: string, { closed, messages, send }: End, { code, message }: Cause) =>
  Effect.forEach(
    Object.entries({ messages: errorOf(messages), closed: errorOf(closed), "a send after the end": send }),
    ([where, error]) => isError(`${what}: ${where}`, error, { code, message }),
    { discard: true }
  )

/** Fails if an endpoint has not ended with this cause; without a cause, also if it has not received these messages. */
const ends = (what: string, end: End, cause: Cause | undefined, texts: ReadonlyArray<string>) =>
  cause === undefined ? endsNormally(what, end, texts) : endsWith(what, end, cause)

type Cause = Pick<PsrpcError.PsrpcError, "code" | "message">

const defect: Cause = { code: "internal", message: "internal error" }

const refused = new PsrpcError.PermissionDenied({ message: "not with me" })

const byClient: ServiceCase = {
  name: "stream: a close by the client ends the handler's messages, with its cause if there is one",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    for (const cause of [undefined, refused]) {
      const seen = yield* Deferred.make<End>()
      const { client } = yield* pair(run, `${run.service}_${cause?.code}`, buses, (stream) =>
        Effect.flatMap(endOf(stream), (end) => Deferred.succeed(seen, end))
      )
      const stream = yield* client.talk()
      yield* Effect.all([stream.send("one"), stream.send("two")], { concurrency: 2 })
      yield* stream.close(cause)
      // a second close has no effect
      yield* stream.close(new PsrpcError.Internal({ message: "another cause" }))
      const atServer = yield* run.step("the stream to end at the server", Deferred.await(seen))
      const atClient = yield* run.step("the stream to end at the client", endOf(stream))
      yield* ends("the server's endpoint", atServer, cause, ["one", "two"])
      yield* ends("the client's endpoint", atClient, cause, [])
    }
  })
}

const byServer: ServiceCase = {
  name: "stream: a handler that closes, returns or fails ends the client's messages, with its cause if there is one",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const endings: Record<string, readonly [handle: Parameters<typeof pair>[3], cause: Cause | undefined]> = {
      closes: [(stream) => Effect.andThen(stream.close(), Effect.never), undefined],
      returns: [() => Effect.void, undefined],
      closesWith: [(stream) => Effect.andThen(stream.close(refused), Effect.never), refused],
      fails: [() => Effect.fail(refused), refused],
      dies: [() => Effect.die(new Error("a secret of the server")), defect]
    }
    for (const [how, [ending, cause]] of Object.entries(endings)) {
      const {
        client,
        server,
        stream: taken
      } = yield* pair(run, `${run.service}_${how}`, buses, (stream) =>
        Effect.andThen(stream.send("one"), ending(stream))
      )
      const stream = yield* client.talk()
      const atClient = yield* run.step(`the stream to end at the client (${how})`, endOf(stream))
      const atServer = yield* run.step("the stream to end at the server", Effect.flatMap(taken, endOf))
      yield* ends(`${how}: the client's endpoint`, atClient, cause, ["one"])
      yield* ends(`${how}: the server's endpoint`, atServer, cause, [])
      yield* run.step("the server to be killed", server.kill)
    }
  })
}

const byScope: ServiceCase = {
  name: "stream: the end of its scope closes it, with a cause if the scope failed",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const exits: ReadonlyArray<readonly [Exit.Exit<unknown, unknown>, Cause | undefined]> = [
      [Exit.void, undefined],
      [Exit.fail(refused), refused],
      [Exit.fail("an error of the program"), defect],
      [Exit.die(new Error("a secret of the client")), defect],
      [Exit.interrupt(1), { code: "canceled", message: "request canceled" }]
    ]
    for (const [i, [exit, cause]] of exits.entries()) {
      const seen = yield* Deferred.make<End>()
      const { client } = yield* pair(run, `${run.service}_${i}`, buses, (stream) =>
        Effect.flatMap(endOf(stream), (end) => Deferred.succeed(seen, end))
      )
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(client.talk(), scope)
      yield* stream.send("one")
      yield* Scope.close(scope, exit)
      const atServer = yield* run.step("the stream to end at the server", Deferred.await(seen))
      yield* ends("the server's endpoint", atServer, cause, ["one"])
    }
  })
}

const opening: ServiceCase = {
  name: "stream: an interrupted opening leaves no stream open at a server",
  body: Effect.fnUntraced(function* (run) {
    const Chat = chatService(run.service)
    const buses = yield* run.connections(3)
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
    for (const bus of buses) yield* on(bus)(Server.make(Chat, { talk }, serverOptions(run)))
    const client = yield* on(buses[0])(Client.make(Chat, clientOptions(run)))
    for (let i = 0; i < 60; i++) {
      const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(client.talk(), Effect.never)), {
        startImmediately: true
      })
      for (let yields = 0; yields < i; yields++) yield* Effect.yieldNow
      if (i % 5 === 4) yield* run.turn
      yield* run.step("an interrupted opening to end", Fiber.interrupt(fiber))
    }
    // the ack of this opening shows that the servers have received the others
    const before = opened
    const stream = yield* client.talk()
    yield* run.waitUntil("the last stream to be opened", () => opened > before)
    yield* stream.close()
    yield* run.waitUntil(
      "all streams to be closed",
      () => open === 0,
      () => `${open} of ${opened} are open`
    )
  })
}

const halfClose: ServiceCase = {
  name: "stream: a half-closed endpoint still receives messages",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const { client } = yield* pair(run, run.service, buses, (stream) =>
      Effect.flatMap(Stream.runCollect(stream.messages), (texts) => stream.send(`received ${texts.join(", ")}`))
    )
    const stream = yield* client.talk()
    yield* Effect.all([stream.send("one"), stream.send("two")], { concurrency: 2 })
    yield* equal("result of closeSend", yield* run.step("the half-close", stream.closeSend), true)
    yield* failsWith("a send after the half-close", stream.send("three"), {
      code: "failed_precondition",
      mayHaveRun: false
    })
    const received = yield* run.step("the handler's message", Stream.runCollect(stream.messages))
    yield* equal("messages of the handler", received, ["received one, two"])
    yield* run.step("the stream to be closed", stream.closed)
  })
}

const hijack: ServiceCase = {
  name: "stream: a hijacked stream outlives its handler",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const { client, stream: taken } = yield* pair(run, run.service, buses, (stream) => stream.hijack)
    const stream = yield* client.talk()
    const atServer = yield* taken
    yield* stream.send("one")
    yield* atServer.send("two")
    yield* equal("messages at the server", yield* Stream.runCollect(Stream.take(atServer.messages, 1)), ["one"])
    yield* equal("messages at the client", yield* Stream.runCollect(Stream.take(stream.messages, 1)), ["two"])
    yield* atServer.close(refused)
    yield* endsWith("the client's endpoint", yield* run.step("the stream to end", endOf(stream)), refused)
  })
}

const malformed: ServiceCase = {
  name: "stream: a message that does not decode closes it, with the cause at both endpoints",
  quiet: true,
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const seen = yield* Deferred.make<End>()
    yield* pair(run, run.service, buses, (stream) =>
      Effect.flatMap(endOf(stream), (end) => Deferred.succeed(seen, end))
    )
    const Numbers = Service.make(run.service, { talk: Rpc.stream({ send: Schema.Finite, receive: Schema.String }) })
    const client = yield* on(buses[2])(Client.make(Numbers, clientOptions(run)))
    const stream = yield* client.talk()
    yield* failsWith("a message that does not encode", stream.send("text" as never), {
      code: "malformed_request",
      reason: "not_sent",
      mayHaveRun: false
    })
    yield* failsWith("a message that does not decode", stream.send(1), { code: "malformed_request" })
    const atServer = yield* run.step("the stream to end at the server", Deferred.await(seen))
    yield* isError("the server's endpoint", errorOf(atServer.closed), { code: "malformed_request" })
    yield* isError("the client's endpoint", errorOf(yield* Effect.exit(stream.closed)), { code: "malformed_request" })
  })
}

const closedPeer: ServiceCase = {
  name: "stream: a client that closes, and a server that is killed, end the streams of the peer",
  body: Effect.fnUntraced(function* (run) {
    const buses = yield* run.connections(3)
    const Chat = chatService(run.service)
    const taken = yield* Deferred.make<Talk>()
    const talk = (stream: Talk) => Effect.andThen(Deferred.succeed(taken, stream), Effect.never)
    const server = yield* on(buses[0])(Server.make(Chat, { talk }, serverOptions(run)))
    const leaves = yield* run.closable
    const first = yield* Client.make(Chat, clientOptions(run)).pipe(on(buses[1]), Scope.provide(leaves.scope))
    const mine = yield* first.talk()
    const theirs = yield* Deferred.await(taken)
    yield* leaves.close
    yield* isError("the closed client's endpoint", errorOf(yield* Effect.exit(mine.closed)), {
      code: "canceled",
      reason: "client_closed"
    })
    const atServer = yield* run.step("the stream to end at the server", Effect.exit(theirs.closed))
    yield* isError("the server's endpoint", errorOf(atServer), { code: "canceled" })
    yield* failsWith("an opening by a closed client", Effect.scoped(first.talk()), {
      code: "canceled",
      reason: "client_closed",
      mayHaveRun: false
    })
    const second = yield* on(buses[2])(Client.make(Chat, clientOptions(run)))
    const stream = yield* second.talk()
    yield* run.step("the server to be killed", server.kill)
    yield* endsWith("the client's endpoint", yield* run.step("the stream to end", endOf(stream)), {
      code: "unavailable",
      message: "EOF"
    })
  })
}

export const streamClosing: ReadonlyArray<ServiceCase> = [
  byClient,
  byServer,
  byScope,
  opening,
  halfClose,
  hijack,
  malformed,
  closedPeer
]
