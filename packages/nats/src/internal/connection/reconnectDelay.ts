import { Backoff, type Limits } from "@effect-psrpc/core/broker"
import type { ConnectionListener } from "./connectionMonitor.ts"

/** The delay before the next reconnect attempt; see `Backoff`. */
export class ReconnectDelay implements ConnectionListener {
  readonly #delays: Limits.ReconnectDelays
  #attempt = 0
  #delay: number

  constructor(delays: Limits.ReconnectDelays) {
    this.#delays = delays
    this.#delay = delays.minDelay
  }

  /** Returns the delay in milliseconds. nats.js asks several times between two attempts, and needs the same delay. */
  readonly current = (): number => this.#delay

  reconnecting(): void {
    this.#delay = Backoff.delay(this.#delays, this.#attempt++)
  }

  up(): void {
    this.#attempt = 0
    this.#delay = this.#delays.minDelay
  }
}
