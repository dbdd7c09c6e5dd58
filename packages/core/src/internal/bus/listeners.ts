/**
 * Receives the bytes of each message, an encoded `Msg`. It runs inside the bus's own callback: it must not block, and
 * may keep the bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Listener = (message: Uint8Array) => void

/**
 * The listeners of one name: everybody in `fan`, and one member of the queue group in turn.
 *
 * @category models
 * @since 0.1.0
 */
export class ListenerGroup {
  readonly #fan: Array<Listener> = []
  readonly #queue: Array<Listener> = []
  readonly #onDefect: (defect: unknown) => void
  #next = 0

  constructor(onDefect: (defect: unknown) => void) {
    this.#onDefect = onDefect
  }

  get isEmpty(): boolean {
    return this.#fan.length === 0 && this.#queue.length === 0
  }

  get hasQueue(): boolean {
    return this.#queue.length > 0
  }

  /** How many listeners a message reaches. */
  get receivers(): number {
    return this.#fan.length + (this.#queue.length > 0 ? 1 : 0)
  }

  add(listener: Listener, queue: boolean): void {
    ;(queue ? this.#queue : this.#fan).push(listener)
  }

  delete(listener: Listener, queue: boolean): void {
    const list = queue ? this.#queue : this.#fan
    const index = list.indexOf(listener)
    if (index < 0) return
    list.splice(index, 1)
    // the member whose turn it is keeps it
    if (queue && index < this.#next) this.#next--
  }

  /** Gives the message to every listener outside of the queue group. */
  all(message: Uint8Array): void {
    const fan = this.#fan
    // from a copy: a listener may subscribe or unsubscribe
    if (fan.length === 1) this.call(fan[0]!, message)
    else for (const listener of fan.slice()) this.call(listener, message)
  }

  /** Gives the message to the member of the queue group whose turn it is. */
  one(message: Uint8Array): void {
    const member = this.#turn()
    if (member !== undefined) this.call(member, message)
  }

  /** Whom a message is for, everybody and the member whose turn it is: for `call`, one after the other. */
  recipients(): ReadonlyArray<Listener> {
    const recipients = this.#fan.slice()
    const member = this.#turn()
    if (member !== undefined) recipients.push(member)
    return recipients
  }

  #turn(): Listener | undefined {
    if (this.#queue.length === 0) return undefined
    if (this.#next >= this.#queue.length) this.#next = 0
    return this.#queue[this.#next++]
  }

  /** Gives the message to one listener. */
  call(listener: Listener, message: Uint8Array): void {
    try {
      listener(message)
    } catch (defect) {
      this.#onDefect(defect)
    }
  }
}

/**
 * A table of listeners by name, for authors of buses. A listener that throws stops nobody: `onDefect` hears of it.
 *
 * @category models
 * @since 0.1.0
 */
export class Listeners {
  readonly #groups = new Map<string, ListenerGroup>()
  readonly #onDefect: (defect: unknown) => void

  constructor(onDefect: (defect: unknown) => void) {
    this.#onDefect = onDefect
  }

  get(name: string): ListenerGroup | undefined {
    return this.#groups.get(name)
  }

  names(): Iterable<string> {
    return this.#groups.keys()
  }

  add(name: string, listener: Listener, queue: boolean): void {
    let group = this.#groups.get(name)
    if (group === undefined) this.#groups.set(name, (group = new ListenerGroup(this.#onDefect)))
    group.add(listener, queue)
  }

  delete(name: string, listener: Listener, queue: boolean): void {
    const group = this.#groups.get(name)
    if (group === undefined) return
    group.delete(listener, queue)
    if (group.isEmpty) this.#groups.delete(name)
  }
}
