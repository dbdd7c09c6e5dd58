import { type Deadlines, Timer } from "../time/deadlines.ts"

/** What watches over a stream. */
interface Watched {
  /** Whether the other end understands signs of life. */
  readonly hasSigns: boolean
  /** Gives a sign of life; `probe` asks for one. */
  beat(probe?: boolean): void
  /** The other end is not there any more. */
  vanished(why: string, reason: "peer_lost" | "no_listeners"): void
}

/** How many intervals of the other end may pass without anything heard of it. */
const patience = 3
/** The shortest interval that is kept watch over, in milliseconds, whatever the other end says. */
export const shortestKeepalive = 100
/** How long the answer to a probe is waited for at most, in milliseconds. */
const probePatience = 1000
/** Less than any time to wait: what is left, in milliseconds, of a time that is over. */
const instant = 0.001

/**
 * Whether the other end of a stream is still there. Two things tell: signs of life, where both ends give them; and a
 * message of ours that comes to no ack while nothing at all is heard, not even, where it can be asked, when it is asked.
 */
export class Liveness {
  readonly #stream: Watched
  readonly #deadlines: Deadlines
  readonly #interval: number
  readonly #timeout: number
  /** How many messages of the other end have come. */
  #heard = 0
  #said = false
  #seen = 0
  #missed = 0
  /** Signs of life in a row that reached nobody. */
  #unheard = 0
  #stopped = false
  #beat: Timer | undefined
  #watch: Timer | undefined
  #suspicion: { readonly timer: Timer; readonly heardBefore: number; readonly due: number } | undefined

  constructor(stream: Watched, deadlines: Deadlines, interval: number, timeout: number) {
    this.#stream = stream
    this.#deadlines = deadlines
    this.#interval = interval
    this.#timeout = timeout
  }

  get count(): number {
    return this.#heard
  }

  /** Something has come. */
  heard(): void {
    this.#heard++
    this.#unheard = 0
  }

  /** A sign of life reached nobody: the other end may be on its way back to the broker. */
  unheard(): void {
    if (++this.#unheard >= patience) this.#stream.vanished("nobody listens", "no_listeners")
  }

  /** Something has gone out. */
  said(): void {
    this.#said = true
  }

  /** Starts to give signs of life, and to expect them where the other end has said how often. */
  start(theirs: number): void {
    const deadlines = this.#deadlines
    if (this.#interval < Infinity) {
      const beat = new Timer(() => {
        if (!this.#said) this.#stream.beat()
        this.#said = false
        if (!this.#stopped) deadlines.add(beat, this.#interval)
      })
      this.#beat = beat
      deadlines.add(beat, this.#interval)
    }
    if (theirs > 0) {
      const interval = Math.max(theirs, shortestKeepalive)
      const watch = new Timer(() => {
        if (this.#heard !== this.#seen) this.#missed = 0
        else if (++this.#missed >= patience) return this.#stream.vanished("it gives no sign of life", "peer_lost")
        this.#seen = this.#heard
        deadlines.add(watch, interval)
      })
      this.#watch = watch
      deadlines.add(watch, interval)
    }
  }

  /**
   * A message that left at a time, on the monotonic clock, came to no ack. Where nothing was heard since it was sent, and
   * nothing will be within the stream's timeout of its leaving, nobody is there.
   */
  suspect(left: number, heardBefore: number): void {
    if (this.#heard !== heardBefore) return
    const due = left + this.#timeout
    if (this.#suspicion !== undefined) {
      // an earlier message counts, and a probe that is under way is the answer to all of them
      if (this.#suspicion.heardBefore === heardBefore && this.#suspicion.due <= due) return
      this.#deadlines.delete(this.#suspicion.timer)
    }
    const delay = due - this.#deadlines.monotonic()
    if (delay <= instant) return this.#probe(heardBefore)
    this.#suspectUntil(heardBefore, due, delay, () => this.#probe(heardBefore))
  }

  #suspectUntil(heardBefore: number, due: number, delay: number, then: () => void): void {
    const timer = new Timer(() => {
      this.#suspicion = undefined
      if (this.#heard === heardBefore) then()
    })
    this.#suspicion = { timer, heardBefore, due }
    this.#deadlines.add(timer, delay)
  }

  /** One message, or its ack, may be lost while the other end is there: asks it, where it can be asked. */
  #probe(heardBefore: number): void {
    if (!this.#stream.hasSigns) return this.#silent()
    this.#stream.beat(true)
    if (this.#stopped || this.#heard !== heardBefore) return
    const delay = Math.min(this.#timeout, probePatience)
    // nothing that is sent meanwhile can be suspected any sooner
    this.#suspectUntil(heardBefore, -Infinity, delay, () => this.#silent())
  }

  #silent(): void {
    this.#stream.vanished("it acknowledges nothing", "peer_lost")
  }

  stop(): void {
    this.#stopped = true
    for (const timer of [this.#beat, this.#watch, this.#suspicion?.timer]) {
      if (timer !== undefined) this.#deadlines.delete(timer)
    }
  }
}
