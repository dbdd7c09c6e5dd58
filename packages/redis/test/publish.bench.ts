// Publishes a second, this bus against ioredis alone, alternating in one run: node --conditions=@effect-psrpc/source publish.bench.ts
import { RedisServer } from "@effect-psrpc/test-servers"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { RedisMessageBus } from "../src/index.ts"

const seconds = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 3)
const message = new Uint8Array(64).fill(7)
const buffer = Buffer.from(message)
const name = "Service|Method|REQ"

/** Keeps a number of messages in flight for a while. */
const measure = async (inFlight: number, send: (done: () => void) => void): Promise<{ rate: number; cpu: number }> => {
  let count = 0
  let open = 0
  const end = performance.now() + seconds * 1000
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await new Promise<void>((resolve) => {
    const done = (): void => {
      count++
      open--
      if (performance.now() < end) next()
      else if (open === 0) resolve()
    }
    const next = (): void => {
      open++
      send(done)
    }
    for (let i = 0; i < inFlight; i++) next()
  })
  const used = process.cpuUsage(cpu)
  return { rate: (count / (performance.now() - begin)) * 1000, cpu: (used.user + used.system) / count }
}

const program = Effect.gen(function* () {
  const server = yield* RedisServer.make()
  const plain = new Redis(server.url)
  const piped = new Redis(server.url, { enableAutoPipelining: true })
  const options = { autoResendUnfulfilledCommands: false }
  const given = { publisher: new Redis(server.url, options), subscriber: new Redis(server.url, options) }
  const clients = [plain, piped, given.publisher, given.subscriber]
  yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((client) => client.disconnect())))
  const own = yield* RedisMessageBus.make({ url: server.url })
  const onClients = yield* RedisMessageBus.makeClients(given)
  const through = (bus: typeof own) => {
    const target = bus.target({ name, subject: "", route: "" })
    return (done: () => void): void =>
      bus.publishUnsafe(target, message, Date.now() + 5000, { wanted: () => true, delivered: done, undelivered: done })
  }
  const ways: Record<string, (done: () => void) => void> = {
    ioredis: (done) => void plain.publish(name, buffer).then(done),
    "ioredis, enableAutoPipelining": (done) => void piped.publish(name, buffer).then(done),
    "bus, own connections": through(own),
    "bus, given clients": through(onClients)
  }
  for (const inFlight of [1, 64, 256]) {
    const rates = new Map<string, Array<number>>()
    const costs = new Map<string, Array<number>>()
    for (let round = 0; round <= rounds; round++) {
      for (const [way, send] of Object.entries(ways)) {
        const { cpu, rate } = yield* Effect.promise(() => measure(inFlight, send))
        // the first round warms up
        if (round === 0) continue
        rates.set(way, [...(rates.get(way) ?? []), rate])
        costs.set(way, [...(costs.get(way) ?? []), cpu])
      }
    }
    const median = (values: Array<number>): number => values.sort((a, b) => a - b)[values.length >> 1]!
    const base = median(rates.get("ioredis")!)
    for (const way of Object.keys(ways)) {
      const all = rates.get(way)!
      const rate = median(all)
      console.log(
        `${String(inFlight).padStart(4)} in flight  ${way.padEnd(30)} ${(rate / 1000).toFixed(1).padStart(6)}k/s` +
          `  ×${(rate / base).toFixed(2)}  (${all.map((value) => (value / 1000).toFixed(0)).join(" ")})  ${median(costs.get(way)!).toFixed(1)} µs CPU`
      )
    }
  }
})

await Effect.runPromise(Effect.scoped(program))
