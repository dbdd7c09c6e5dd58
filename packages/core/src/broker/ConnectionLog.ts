/**
 * The log lines and metrics of one connection to a broker: lost, back, and the errors in between.
 *
 * **Example** (A connection whose client has events)
 *
 * ```ts
 * import { type BrokerIdentity, BusMetrics, BusRuntime, ConnectionLog } from "@effect-psrpc/core/broker"
 * import { Effect } from "effect"
 * import type { EventEmitter } from "node:events"
 *
 * const watch = Effect.fnUntraced(function*(client: EventEmitter, broker: BrokerIdentity.BrokerIdentity) {
 *   const runtime = yield* BusRuntime.make
 *   const metrics = yield* BusMetrics.make(broker.kind)
 *   const log = new ConnectionLog.ConnectionLog("the connection", broker, runtime, metrics)
 *   client.on("close", () => log.lost())
 *   client.on("ready", () => log.restored())
 *   client.on("error", (error) => log.failed(broker.reasonOf(error)))
 * })
 * ```
 *
 * @since 0.1.0
 */
import type { BrokerIdentity } from "./BrokerIdentity.ts"
import type { BusMetrics } from "./BusMetrics.ts"
import type { BusRuntime } from "./BusRuntime.ts"

/** Milliseconds before a loss in which an error counts as its cause. */
const causeWindow = 1000

/**
 * Logs and counts what happens to one connection. Each loss is logged once, and so is an error that every reconnect
 * attempt repeats; repetitions are logged at debug level.
 *
 * @category models
 * @since 0.1.0
 */
export class ConnectionLog {
  readonly #connection: string
  readonly #broker: BrokerIdentity
  readonly #runtime: BusRuntime
  readonly #metrics: BusMetrics
  #lostAt: number | undefined
  #failure: { readonly reason: string; readonly at: number } | undefined

  /** `connection` names the connection in log lines, for example "the subscribing connection". */
  constructor(connection: string, broker: BrokerIdentity, runtime: BusRuntime, metrics: BusMetrics) {
    this.#connection = connection
    this.#broker = broker
    this.#runtime = runtime
    this.#metrics = metrics
  }

  /** The last error since the connection worked; `undefined` if there is none, or if it is too old to be the cause. */
  get reason(): string | undefined {
    const failure = this.#failure
    return failure !== undefined && failure.at >= (this.#lostAt ?? 0) - causeWindow ? failure.reason : undefined
  }

  /** The connection broke. Further calls have no effect until `restored` is called. */
  lost(): void {
    if (this.#lostAt !== undefined) return
    this.#lostAt = this.#runtime.now()
    this.#metrics.lost()
    this.#log("warning", "is lost; messages are buffered until it is back")
  }

  /** The connection works: for the first time, or again. */
  restored(): void {
    this.#failure = undefined
    if (this.#lostAt === undefined) return
    this.#metrics.reconnected()
    this.#log("info", `is back after ${this.#runtime.now() - this.#lostAt} ms`)
    this.#lostAt = undefined
  }

  /** The client reported an error of the connection. `reason` must contain no secrets. */
  failed(reason: string): void {
    const level = reason === this.#failure?.reason ? "debug" : "warning"
    this.#failure = { reason, at: this.#runtime.now() }
    this.#log(level, `reported an error: ${reason}`)
  }

  #log(level: "debug" | "info" | "warning", text: string): void {
    this.#runtime.log(level, this.#broker.message(`${this.#connection} ${text}`))
  }
}
