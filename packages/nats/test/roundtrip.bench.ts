// Round trips a second, this bus against nats.js alone, alternating in one run: node --conditions=@effect-psrpc/source roundtrip.bench.ts
import { NatsServer } from "@effect-psrpc/test-servers"
import * as nats3 from "@nats-io/transport-node"
import { Effect } from "effect"
import { fork } from "node:child_process"
import * as nats2 from "nats"
import { NatsMessageBus } from "../src/index.ts"

type Client = "nats 2" | "nats 3"
const connect = (client: Client, servers: string): Promise<NatsMessageBus.Connection> =>
  client === "nats 2" ? nats2.connect({ servers }) : nats3.connect({ servers })
const subjectOf = (client: Client, way: string, to: "there" | "back"): string =>
  `${client}.${way}.${to}`.replaceAll(" ", "_")
const clients: ReadonlyArray<Client> = ["nats 2", "nats 3"]
const message = new Uint8Array(64).fill(7)
const channel = (subject: string) => ({ name: "", subject, route: "" })
const ignore = { wanted: () => true, delivered() {}, undelivered() {} }

/** One end of a round trip: listens on one subject, and sends to another. */
interface Way {
  readonly listen: (subject: string, listener: (message: Uint8Array) => void) => Effect.Effect<void>
  readonly sender: (subject: string) => (message: Uint8Array) => void
}

const waysOf = (client: Client, url: string) =>
  Effect.gen(function* () {
    const raw = yield* Effect.promise(() => connect(client, url))
    const connection = yield* Effect.promise(() => connect(client, url))
    yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([raw.close(), connection.close()])))
    const bus = yield* NatsMessageBus.makeConnection({ connection })
    const ways: Record<string, Way> = {
      client: {
        listen: (subject, listener) =>
          Effect.promise(() => {
            raw.subscribe(subject, { callback: (_, { data }) => listener(data) })
            return raw.flush()
          }),
        sender: (subject) => (message) => raw.publish(subject, message)
      },
      bus: {
        listen: (subject, listener) => Effect.orDie(bus.subscribe(channel(subject), listener)) as Effect.Effect<void>,
        sender: (subject) => {
          const target = bus.target(channel(subject))
          return (message) => bus.publishUnsafe(target, message, Date.now() + 5000, ignore)
        }
      }
    }
    return ways
  })

/** The other end: sends every message back. */
const echo = (url: string) =>
  Effect.gen(function* () {
    for (const client of clients) {
      for (const [name, way] of Object.entries(yield* waysOf(client, url))) {
        const send = way.sender(subjectOf(client, name, "back"))
        yield* way.listen(subjectOf(client, name, "there"), send)
      }
    }
    process.send!("ready")
    return yield* Effect.never
  })

/** Keeps a number of messages in flight for a while. */
const measure = (inFlight: number, seconds: number, send: () => void, heard: { on: () => void }) =>
  Effect.callback<{ readonly rate: number; readonly cpu: number }>((resume) => {
    let [count, open] = [0, 0]
    const begin = performance.now()
    const end = begin + seconds * 1000
    const cpu = process.cpuUsage()
    const next = (): void => {
      open++
      send()
    }
    heard.on = () => {
      count++
      open--
      if (performance.now() < end) return next()
      if (open > 0) return
      const used = process.cpuUsage(cpu)
      resume(
        Effect.succeed({ rate: (count / (performance.now() - begin)) * 1000, cpu: (used.user + used.system) / count })
      )
    }
    for (let i = 0; i < inFlight; i++) next()
  })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const program = Effect.gen(function* () {
  const seconds = Number(process.argv[2] ?? 1)
  const rounds = Number(process.argv[3] ?? 3)
  const { url } = yield* NatsServer.make()
  yield* Effect.acquireRelease(
    Effect.callback<() => void>((resume) => {
      const child = fork(import.meta.filename, ["echo", url])
      child.once("message", () => resume(Effect.succeed(() => child.kill())))
    }),
    (end) => Effect.sync(end)
  )
  const sends = new Map<string, { readonly send: () => void; readonly heard: { on: () => void } }>()
  for (const client of clients) {
    for (const [name, way] of Object.entries(yield* waysOf(client, url))) {
      const heard = { on: () => {} }
      const send = way.sender(subjectOf(client, name, "there"))
      yield* way.listen(subjectOf(client, name, "back"), () => heard.on())
      sends.set(`${client}, ${name}`, { send: () => send(message), heard })
    }
  }
  for (const inFlight of [1, 64, 256]) {
    const results = new Map<string, Array<{ readonly rate: number; readonly cpu: number }>>()
    for (let round = 0; round <= rounds; round++) {
      for (const [way, { heard, send }] of sends) {
        const result = yield* measure(inFlight, seconds, send, heard)
        // the first round warms up
        if (round > 0) results.set(way, [...(results.get(way) ?? []), result])
      }
    }
    for (const [way, all] of results) {
      const rate = median(all.map(({ rate }) => rate))
      const cpu = median(all.map(({ cpu }) => cpu))
      console.log(
        `${String(inFlight).padStart(4)} in flight  ${way.padEnd(16)} ${(rate / 1000).toFixed(1).padStart(6)}k/s` +
          `  (${all.map(({ rate }) => (rate / 1000).toFixed(0)).join(" ")})  ${cpu.toFixed(1)} µs CPU`
      )
    }
  }
})

await Effect.runPromise(Effect.scoped(process.argv[2] === "echo" ? echo(process.argv[3]!) : program))
process.exit()
