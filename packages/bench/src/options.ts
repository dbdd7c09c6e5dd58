import { parseArgs } from "node:util"
import { type Bus, buses, type Mode, modes, type Peer, peers, type TracerName, tracers } from "./rows.ts"

export const help = `npm run bench -- [options]

Measures this library, psrpc in Go and the brokers alone in closed loops, one after the other. On Redis and NATS, client and
server are two processes; on the local bus, one. The run starts the brokers; REDIS_URL and NATS_URL select others.

  --bus LIST          local,redis,nats
  --mode LIST         unary,claimless,multi,subscription,pingpong,oneway; also affinity, with a claim that is accepted
                      immediately. multi is a call with the responses of 3 servers, subscription an update from its
                      publishing to its arrival, pingpong a message on a stream and its echo, oneway a message and its ack
  --peer LIST         effect-psrpc,psrpc-go,raw; raw exists on Redis and NATS only: raw-1, one received message; raw-2, a
                      request and its response; raw-4, the four messages of a claimed call, on Redis with its lock
  --tracer LIST       tracer of effect-psrpc: none, or recording, a tracer whose spans are recorded and not exported; one
                      row for each. Default: none
  --concurrency LIST  calls in flight. Default: 1,64,256
  --payload LIST      bytes in a message, at least 8. Default: 64,16384
  --duration SECONDS  measured time of a row. Default: 4
  --warmup SECONDS    time before it. Default: 1.5
  --rounds N          measures each group of rows N times and takes medians. Default: 1
  --quick             unary at 64 in flight with 64 bytes, 2 s per row; within a minute in total
  --json FILE         writes each row as a line of JSON. rss_mb is the memory of client and server together
  --profile FILE      writes CPU profiles of this library's processes, one per row and role, named after FILE,
                      and prints the functions with the longest time
  --help              prints this text
`

export interface Options {
  readonly buses: ReadonlyArray<Bus>
  readonly modes: ReadonlyArray<Mode>
  readonly peers: ReadonlyArray<Peer>
  readonly tracers: ReadonlyArray<TracerName>
  readonly concurrencies: ReadonlyArray<number>
  readonly payloads: ReadonlyArray<number>
  readonly duration: number
  readonly warmup: number
  readonly rounds: number
  readonly quick: boolean
  readonly json: string | undefined
  readonly profile: string | undefined
}

const items = (text: string): ReadonlyArray<string> => text.split(",").map((item) => item.trim())

const choice = <A extends string>(name: string, known: ReadonlyArray<A>, text: string): ReadonlyArray<A> => {
  const unknown = items(text).find((item) => !known.includes(item as A))
  if (unknown !== undefined) throw new TypeError(`--${name}: "${unknown}" is not one of ${known.join(", ")}`)
  // in the order of the list, each once
  return known.filter((item) => items(text).includes(item))
}

const number = (name: string, least: number, text: string): number => {
  const value = Number(text)
  if (text.trim() === "" || !(value >= least) || value === Infinity) {
    throw new TypeError(`--${name}: expected a number of at least ${least}, got "${text}"`)
  }
  return value
}

const integer = (name: string, least: number, text: string): number => {
  const value = number(name, least, text)
  if (!Number.isInteger(value)) throw new TypeError(`--${name}: expected a whole number, got "${text}"`)
  return value
}

const integers = (name: string, least: number, text: string): ReadonlyArray<number> => [
  ...new Set(items(text).map((item) => integer(name, least, item)))
]

/** Parses the options. Returns `undefined` for --help. Throws a `TypeError` that names a wrong option. */
export const readOptions = (args: ReadonlyArray<string>): Options | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      bus: { type: "string" },
      mode: { type: "string" },
      peer: { type: "string" },
      tracer: { type: "string" },
      concurrency: { type: "string" },
      payload: { type: "string" },
      duration: { type: "string" },
      warmup: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) return undefined
  const { quick } = values
  return {
    buses: choice("bus", buses, values.bus ?? "local,redis,nats"),
    modes: choice(
      "mode",
      modes,
      values.mode ?? (quick ? "unary" : "unary,claimless,multi,subscription,pingpong,oneway")
    ),
    peers: choice("peer", peers, values.peer ?? peers.join(",")),
    tracers: choice("tracer", tracers, values.tracer ?? "none"),
    concurrencies: integers("concurrency", 1, values.concurrency ?? (quick ? "64" : "1,64,256")),
    payloads: integers("payload", 8, values.payload ?? (quick ? "64" : "64,16384")),
    duration: number("duration", 0.5, values.duration ?? (quick ? "2" : "4")),
    warmup: number("warmup", 0, values.warmup ?? (quick ? "1" : "1.5")),
    rounds: integer("rounds", 1, values.rounds ?? "1"),
    quick,
    json: values.json,
    profile: values.profile
  }
}
