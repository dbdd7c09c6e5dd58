import { type Deadlines, Timer } from "../time/deadlines.ts"

/** The endpoint, as far as its liveness needs it. */
interface WatchedEndpoint {
  /** Whether the peer supports keepalives. */
  readonly supportsKeepalive: boolean
  /** Sends a keepalive. With `probe` it asks the peer to answer with a keepalive at once. */
  sendKeepalive(probe?: boolean): void
  onPeerLost(why: string, reason: "peer_lost" | "no_listeners"): void
}

/** How many keepalive intervals of the peer may pass without a message, and how many keepalives without a listener. */
const maxMissed = 3
/** Shortest keepalive interval in milliseconds. A peer's shorter interval counts as this one. */
export const shortestKeepalive = 100
/** Maximum time for the answer to a probe, in milliseconds. */
const probeTimeout = 1000
/** Delays below this count as elapsed, in milliseconds. */
const elapsed = 0.001

/**
 * Detects the loss of a stream's peer in two ways. A peer that announced keepalives is lost after three of its intervals
 * without a message. A peer is lost, too, if it does not acknowledge a message, sends nothing since, and does not answer a
 * probe, if it supports probes.
 */
export class Liveness {
  readonly #endpoint: WatchedEndpoint
  readonly #deadlines: Deadlines
  /** The own keepalive interval. */
  readonly #interval: number
  readonly #timeout: number
  /** The number of messages received from the peer. */
  received = 0
  /** `received` at the end of the peer's last interval. */
  #receivedBefore = 0
  /** The number of the peer's intervals without a message. */
  #missed = 0
  /** Whether a message was sent in the current interval. */
  #hasSent = false
  /** The number of keepalives in a row without a listener. */
  #withoutListener = 0
  #isStopped = false
  #keepaliveTimer: Timer | undefined
  #peerTimer: Timer | undefined
  #probe: { readonly timer: Timer; readonly receivedBefore: number; readonly due: number } | undefined

  constructor(endpoint: WatchedEndpoint, deadlines: Deadlines, interval: number, timeout: number) {
    this.#endpoint = endpoint
    this.#deadlines = deadlines
    this.#interval = interval
    this.#timeout = timeout
  }

  onReceived(): void {
    this.received++
    this.#withoutListener = 0
  }

  onSent(): void {
    this.#hasSent = true
  }

  /** A keepalive had no listener: the peer may be reconnecting. */
  onNoListeners(): void {
    if (++this.#withoutListener >= maxMissed) this.#endpoint.onPeerLost("no listeners", "no_listeners")
  }

  /** Starts to send keepalives, and to expect the peer's. `peerInterval` is 0 if the peer sends none. */
  start(peerInterval: number): void {
    const deadlines = this.#deadlines
    if (this.#interval < Infinity) {
      const timer = new Timer(() => {
        if (!this.#hasSent) this.#endpoint.sendKeepalive()
        this.#hasSent = false
        if (!this.#isStopped) deadlines.add(timer, this.#interval)
      })
      this.#keepaliveTimer = timer
      deadlines.add(timer, this.#interval)
    }
    if (peerInterval > 0) {
      const interval = Math.max(peerInterval, shortestKeepalive)
      const timer = new Timer(() => {
        if (this.received !== this.#receivedBefore) this.#missed = 0
        else if (++this.#missed >= maxMissed) return this.#endpoint.onPeerLost("no keepalives", "peer_lost")
        this.#receivedBefore = this.received
        deadlines.add(timer, interval)
      })
      this.#peerTimer = timer
      deadlines.add(timer, interval)
    }
  }

  /**
   * Handles a message without an ack, which was sent at `sentAt` on the monotonic clock. Probes the peer, if it has sent
   * nothing since, when the timeout of the stream has passed.
   */
  startProbe(sentAt: number, receivedBefore: number): void {
    if (this.received !== receivedBefore) return
    const due = sentAt + this.#timeout
    if (this.#probe !== undefined) {
      // the earliest message counts, and a probe that waits for its answer covers all of them
      if (this.#probe.receivedBefore === receivedBefore && this.#probe.due <= due) return
      this.#deadlines.delete(this.#probe.timer)
    }
    const delay = due - this.#deadlines.monotonic()
    if (delay <= elapsed) return this.#sendProbe(receivedBefore)
    this.#unlessReceived(receivedBefore, due, delay, () => this.#sendProbe(receivedBefore))
  }

  /** Runs an action after a delay, unless a message arrives before. */
  #unlessReceived(receivedBefore: number, due: number, delay: number, action: () => void): void {
    const timer = new Timer(() => {
      this.#probe = undefined
      if (this.received === receivedBefore) action()
    })
    this.#probe = { timer, receivedBefore, due }
    this.#deadlines.add(timer, delay)
  }

  /** Asks the peer for a keepalive, since a single message or its ack may be lost. A peer that cannot answer is lost. */
  #sendProbe(receivedBefore: number): void {
    if (!this.#endpoint.supportsKeepalive) return this.#onSilence()
    this.#endpoint.sendKeepalive(true)
    if (this.#isStopped || this.received !== receivedBefore) return
    const delay = Math.min(this.#timeout, probeTimeout)
    // the due time of -Infinity: no later message replaces a probe that waits for its answer
    this.#unlessReceived(receivedBefore, -Infinity, delay, () => this.#onSilence())
  }

  #onSilence(): void {
    this.#endpoint.onPeerLost("no acks", "peer_lost")
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of [this.#keepaliveTimer, this.#peerTimer, this.#probe?.timer]) {
      if (timer !== undefined) this.#deadlines.delete(timer)
    }
  }
}
