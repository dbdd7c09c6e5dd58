// What is generated of one .proto here and by psrpc's own generator for Go, in both directions, with every method.
import { Client, PsrpcError, Publisher, Server } from "@effect-psrpc/core"
import { assert, describe, it as plain, layer } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { goBinaryOf, hasGo } from "../src/index.ts"
import { MyRequestSchema } from "./gen/my_service_pb.ts"
import { MyService, MyServiceClient } from "./gen/my_service_psrpc.ts"
import { RoomName, TrackId } from "./generatedTopics.ts"
import { Broker, onBus } from "./support.ts"

const goModule = "generated/go"
const generated = join(import.meta.dirname, "../generated")

const eu = { topic: "eu" }
const track = { roomName: RoomName.make("lobby"), trackId: TrackId.make("t-1") }

/** What a Go program says. */
interface Line {
  readonly name: string
  readonly texts: ReadonlyArray<string> | null
}

/** A Go program around generated code, which ends with the scope. */
const goProgram = Effect.fnUntraced(function* (command: "serve" | "call") {
  const { bus, url } = yield* Broker
  const path = yield* goBinaryOf(goModule)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(path, [command, "-bus", bus, "-url", url], { stdio: ["pipe", "pipe", "pipe"] })),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, "exit")
        child.kill("SIGKILL")
        await ended
      })
  )
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
  const lines: Array<Line> = []
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(JSON.parse(line))
    for (const check of waiting) check()
  })
  const closed = once(child, "close")
  /** Waits for a line. */
  const said = (name: string): Effect.Effect<Line> =>
    Effect.callback((resume) => {
      const check = (): void => {
        const line = lines.find((one) => one.name === name)
        if (line !== undefined) resume(Effect.succeed(line))
        else if (child.exitCode !== null) resume(Effect.die(new Error(`the Go program ended: ${stderr}`)))
      }
      waiting.add(check)
      child.once("close", check)
      check()
      return Effect.sync(() => waiting.delete(check))
    })
  /** Waits for its end. */
  const ended = Effect.promise(async () => {
    await closed
    return { code: child.exitCode, stderr }
  })
  /** Tells it to end. */
  const end = Effect.sync(() => void child.stdin.end())
  return { lines, said, ended, end }
})

/** Tries again what found nobody: the other side's subscriptions are made in the background. */
const untilAnswered = <A>(call: Effect.Effect<A, PsrpcError.PsrpcError>) =>
  Effect.retry(call, { while: PsrpcError.hasNotRun, times: 500, schedule: Schedule.spaced("20 millis") })

const first = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.flatMap(Stream.runCollect(Stream.take(stream, 1)), ([value]) =>
    value === undefined ? Effect.die(new Error("the stream ended")) : Effect.succeed(value)
  )

const text = ({ text }: { readonly text: string }): string => text

for (const bus of ["redis", "nats"] as const) {
  // one after the other: both directions have one service
  describe.skipIf(!hasGo && !process.env["CI"])(`generated code, on ${bus}`, () => {
    layer(Broker.layer(bus), { excludeTestServices: true, timeout: "10 minutes" })((it) => {
      it.effect(
        "a client of ours calls every method of a Go server",
        () =>
          Effect.gen(function* () {
            const go = yield* goProgram("serve")
            yield* go.said("serving")
            const client = yield* Client.make(MyService)
            const request = { text: "hello" }

            const normal = yield* untilAnswered(client.normalRPC(request))
            assert.strictEqual(normal.text, "go NormalRPC hello")
            assert.strictEqual(normal.requests, 1n)
            const intensive = yield* untilAnswered(client.intensiveRPC(request))
            assert.strictEqual(intensive.text, "go IntensiveRPC hello")
            const error = yield* Effect.flip(untilAnswered(client.normalRPC({ text: "why", fail: true })))
            assert.strictEqual(error._tag, "NotFound")
            assert.strictEqual(error.message, "go NormalRPC fails")
            assert.deepStrictEqual(PsrpcError.findDetails(error, MyRequestSchema).map(text), ["why"])

            const stats = client.getStats(request, { expect: 1 }).pipe(Client.successes, first)
            assert.strictEqual((yield* stats).text, "go GetStats hello")
            const regional = client.getRegionStats(request, { topic: eu, expect: 1 }).pipe(Client.successes, first)
            assert.strictEqual((yield* regional).text, "go GetRegionStats hello")

            yield* untilAnswered(client.mute_track({ topic: track }))
            yield* go.said("MuteTrack")

            const exchange = yield* client.exchangeUpdates()
            yield* exchange.send({ text: "one" })
            yield* exchange.send({ text: "two" })
            const echoed = yield* Stream.runCollect(Stream.take(exchange.messages, 2))
            assert.deepStrictEqual(echoed.map(text), ["go ExchangeUpdates one", "go ExchangeUpdates two"])
            const followed = yield* first(client.followTrack.through(Stream.make({ text: "one" }), { topic: track }))
            assert.strictEqual(followed.text, "go FollowTrack one")

            const processed = yield* client.processUpdate()
            assert.strictEqual((yield* first(processed)).text, "go ProcessUpdate")
            const states = yield* client.updateState()
            assert.strictEqual((yield* first(states)).text, "go UpdateState")
            const regionStates = yield* client.updateRegionState({ topic: eu })
            assert.strictEqual((yield* first(regionStates)).text, "go UpdateRegionState")

            yield* go.end
            assert.deepStrictEqual(yield* go.ended, { code: 0, stderr: "" })
          }).pipe(onBus, Effect.scoped),
        60_000
      )

      it.effect(
        "a Go client calls every method of a server of ours",
        () =>
          Effect.gen(function* () {
            const muted: Array<unknown> = []
            const answer = (name: string) => (request: { readonly text: string; readonly fail: boolean }) =>
              request.fail
                ? Effect.fail(
                    new PsrpcError.NotFound({
                      message: `ours ${name} fails`,
                      details: [PsrpcError.detail(MyRequestSchema, { text: request.text })]
                    })
                  )
                : Effect.succeed({ text: `ours ${name} ${request.text}`, requests: 1n })
            const server = yield* Server.make(
              MyService,
              {
                normalRPC: answer("NormalRPC"),
                intensiveRPC: { affinity: 0.5, handle: answer("IntensiveRPC") },
                getStats: answer("GetStats"),
                getRegionStats: answer("GetRegionStats"),
                mute_track: (_, call) => Effect.sync(() => void muted.push(call.topic)),
                exchangeUpdates: (stream) =>
                  Stream.runForEach(stream.messages, ({ text }) =>
                    stream.send({ text: `ours ExchangeUpdates ${text}` })
                  ),
                followTrack: (stream, call) =>
                  Stream.runForEach(stream.messages, ({ text }) =>
                    stream.send({ text: `${call.topic.trackId} ${text}` })
                  )
              },
              { topics: { getRegionStats: [eu] } }
            )
            yield* server.registerGroup("track", track)

            const updates = yield* Publisher.make(MyService)
            // a Go client does not say when it has subscribed
            yield* Effect.forkScoped(
              updates
                .processUpdate({ text: "ours ProcessUpdate" })
                .pipe(
                  Effect.andThen(updates.updateState({ text: "ours UpdateState" })),
                  Effect.andThen(updates.updateRegionState({ text: "ours UpdateRegionState" }, { topic: eu })),
                  Effect.repeat(Schedule.spaced("20 millis"))
                )
            )
            const go = yield* goProgram("call")
            assert.deepStrictEqual(yield* go.ended, { code: 0, stderr: "" })
            assert.deepStrictEqual(
              go.lines.map(({ name, texts }) => [name].concat(texts ?? [])),
              [
                ["NormalRPC", "ours NormalRPC hello"],
                ["IntensiveRPC", "ours IntensiveRPC hello"],
                ["Failing", "not_found", "ours NormalRPC fails", "why"],
                ["GetStats", "ours GetStats hello"],
                ["GetRegionStats", "ours GetRegionStats hello"],
                ["MuteTrack"],
                ["ExchangeUpdates", "ours ExchangeUpdates one", "ours ExchangeUpdates two"],
                ["FollowTrack", "t-1 one", "t-1 two"],
                ["ProcessUpdate", "ours ProcessUpdate"],
                ["UpdateState", "ours UpdateState"],
                ["UpdateRegionState", "ours UpdateRegionState"]
              ]
            )
            assert.deepStrictEqual(muted, [track])
          }).pipe(onBus, Effect.scoped),
        60_000
      )

      it.effect("a client of ours calls a server of ours by the Layers that are generated", () =>
        Effect.gen(function* () {
          yield* Server.make(MyService, {
            ...Server.unimplemented(MyService),
            normalRPC: ({ text }) => Effect.succeed({ text })
          })
          const client = yield* MyServiceClient
          assert.strictEqual((yield* client.normalRPC({ text: "hello" })).text, "hello")
          const exchange = yield* client.exchangeUpdates()
          assert.strictEqual((yield* Effect.flip(Stream.runDrain(exchange.messages)))._tag, "Unimplemented")
        }).pipe(Effect.provide(MyServiceClient.layer), onBus, Effect.scoped)
      )
    })
  })
}

describe.skipIf(!hasGo && !process.env["CI"])("the Go code", () => {
  plain(
    "is what psrpc's generator makes of the .proto (npm run generate:go -w @effect-psrpc/interop)",
    { timeout: 300_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "effect-psrpc-go-"))
      try {
        const stderr = await new Promise<string>((resolve) => {
          execFile("node", [join(generated, "generateGo.ts"), folder], (error, _, stderr) =>
            resolve(error === null ? "" : `${error.message}${stderr}`)
          )
        })
        assert.strictEqual(stderr, "")
        for (const file of ["my_service.pb.go", "my_service.psrpc.go"]) {
          assert.strictEqual(
            readFileSync(join(folder, file), "utf8"),
            readFileSync(join(generated, "go/api", file), "utf8"),
            file
          )
        }
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  )
})
