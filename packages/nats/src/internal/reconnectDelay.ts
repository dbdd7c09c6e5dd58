import { Backoff, type Limits } from "@effect-psrpc/core/broker"
import type { LinkListener } from "./link.ts"

/** The delay before the next reconnect attempt; see `Backoff`. */
export class ReconnectDelay implements LinkListener {
  readonly #delays: Limits.ReconnectDelays
  #attempt = 0
  #delay: number

  constructor(delays: Limits.ReconnectDelays) {
    this.#delays = delays
    this.#delay = delays.minDelay
  }

  /** Returns the delay in milliseconds. nats.js asks several times between two attempts and needs one answer. */
  readonly current = (): number => this.#delay

  trying(): void {
    this.#delay = Backoff.delay(this.#delays, this.#attempt++)
  }

  up(): void {
    this.#attempt = 0
    this.#delay = this.#delays.minDelay
  }
}
