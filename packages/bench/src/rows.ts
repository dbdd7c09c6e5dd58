/** The rows of a run, and their results. */

export const buses = ["local", "redis", "nats"] as const
export type Bus = (typeof buses)[number]

export const modes = ["unary", "claimless", "affinity", "multi", "subscription", "pingpong", "oneway"] as const
export type Mode = (typeof modes)[number]

export const peers = ["effect-psrpc", "psrpc-go", "raw"] as const
export type Peer = (typeof peers)[number]

/**
 * The broker alone: `raw-1` is one received message, `raw-2` a request and a response, `raw-4` the messages of a claimed call,
 * and on Redis its lock.
 */
export type RawMode = "raw-1" | "raw-2" | "raw-4"

export const tracers = ["none", "recording"] as const
/** The tracer of this library: none, or one whose spans record and are not exported. */
export type TracerName = (typeof tracers)[number]

/** Number of servers of a multi call. */
export const multiServers = 3

/** One row to measure. */
export interface Plan {
  readonly peer: Peer
  readonly bus: Bus
  readonly mode: Mode | RawMode
  /** Calls in flight. */
  readonly concurrency: number
  /** Bytes in a request, and in its response. */
  readonly payload: number
  readonly tracer: TracerName
}

export const serversOf = ({ mode }: Plan): number => (mode === "multi" ? multiServers : 1)

/** The output of a client process. */
export interface Measured {
  readonly ops_per_sec: number
  readonly p50_us: number
  readonly p99_us: number
  readonly errors: number
  /** Resident memory of the client's process. */
  readonly rss_mb: number
}

/** A line of the JSON output. `rss_mb` is the memory of client and server together. */
export interface Row extends Plan, Measured {}

const floors: Readonly<Record<Mode, RawMode | undefined>> = {
  unary: "raw-4",
  affinity: "raw-4",
  claimless: "raw-2",
  subscription: "raw-1",
  // a message and its ack; in ping-pong the echo and its ack too, which overlap
  oneway: "raw-2",
  pingpong: "raw-2",
  multi: undefined
}

/** The raw mode to which a mode is compared: the one with as many successive messages. */
export const floorOf = (mode: Mode): RawMode | undefined => floors[mode]

/** Rows that are compared with each other. They run directly one after the other, because rates drift within minutes. */
export type Group = ReadonlyArray<Plan>

export const groups = (chosen: {
  readonly buses: ReadonlyArray<Bus>
  readonly modes: ReadonlyArray<Mode>
  readonly peers: ReadonlyArray<Peer>
  readonly concurrencies: ReadonlyArray<number>
  readonly payloads: ReadonlyArray<number>
  readonly tracers: ReadonlyArray<TracerName>
}): ReadonlyArray<Group> => {
  const all: Array<Group> = []
  for (const bus of chosen.buses) {
    for (const payload of chosen.payloads) {
      for (const concurrency of chosen.concurrencies) all.push(group(chosen, { bus, payload, concurrency }))
    }
  }
  return all.filter((rows) => rows.length > 0)
}

const group = (
  chosen: {
    readonly modes: ReadonlyArray<Mode>
    readonly peers: ReadonlyArray<Peer>
    readonly tracers: ReadonlyArray<TracerName>
  },
  at: Pick<Plan, "bus" | "payload" | "concurrency">
): Group => {
  const rows: Array<Plan> = []
  for (const mode of chosen.modes) {
    for (const peer of chosen.peers) {
      if (peer === "effect-psrpc") for (const tracer of chosen.tracers) rows.push({ peer, mode, tracer, ...at })
      else if (peer !== "raw") rows.push({ peer, mode, tracer: "none", ...at })
    }
    if (at.bus === "local" || !chosen.peers.includes("raw")) continue
    const floor = floorOf(mode)
    const wanted: ReadonlyArray<RawMode> = mode === "unary" ? ["raw-4", "raw-2"] : floor === undefined ? [] : [floor]
    for (const floor of wanted) {
      if (!rows.some((row) => row.mode === floor)) rows.push({ peer: "raw", mode: floor, tracer: "none", ...at })
    }
  }
  return rows
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const rounded = (value: number): number => Math.round(value * 10) / 10

/** Returns the medians of the rounds, and the sum of the errors. */
export const ofRounds = (plan: Plan, rounds: ReadonlyArray<Measured>): Row => {
  const of = (name: keyof Measured): number => rounded(median(rounds.map((round) => round[name])))
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0)
  const { bus, concurrency, mode, payload, peer, tracer } = plan
  return {
    peer,
    bus,
    mode,
    concurrency,
    payload,
    tracer,
    ops_per_sec: of("ops_per_sec"),
    p50_us: of("p50_us"),
    p99_us: of("p99_us"),
    errors,
    rss_mb: of("rss_mb")
  }
}
