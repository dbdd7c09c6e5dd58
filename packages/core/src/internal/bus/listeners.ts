/**
 * The callback of a subscription. It receives the bytes of each message, an encoded `Msg`, inside the bus's own callback:
 * it must not block. It may keep the bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type Listener = (message: Uint8Array) => void

/**
 * The listeners of one channel: those outside of the queue group, and the members of the group, which take turns.
 *
 * @category models
 * @since 0.1.0
 */
export class ListenerGroup {
  readonly #listeners: Array<Listener> = []
  readonly #members: Array<Listener> = []
  readonly #onDefect: (defect: unknown) => void
  #next = 0

  constructor(onDefect: (defect: unknown) => void) {
    this.#onDefect = onDefect
  }

  get isEmpty(): boolean {
    return this.#listeners.length === 0 && this.#members.length === 0
  }

  get hasQueue(): boolean {
    return this.#members.length > 0
  }

  /** The number of listeners that a message reaches. */
  get receivers(): number {
    return this.#listeners.length + (this.#members.length > 0 ? 1 : 0)
  }

  add(listener: Listener, queue: boolean): void {
    ;(queue ? this.#members : this.#listeners).push(listener)
  }

  delete(listener: Listener, queue: boolean): void {
    const list = queue ? this.#members : this.#listeners
    const index = list.indexOf(listener)
    if (index < 0) return
    list.splice(index, 1)
    // the next member stays the next one
    if (queue && index < this.#next) this.#next--
  }

  /** Passes a message to every listener outside of the queue group. */
  all(message: Uint8Array): void {
    const listeners = this.#listeners
    // from a copy, because a listener may subscribe or unsubscribe
    if (listeners.length === 1) this.call(listeners[0]!, message)
    else for (const listener of listeners.slice()) this.call(listener, message)
  }

  /** Passes a message to the next member of the queue group. */
  one(message: Uint8Array): void {
    const member = this.#nextMember()
    if (member !== undefined) this.call(member, message)
  }

  /** Returns the recipients of a message, to be passed to `call`: all listeners, and the next member of the queue group. */
  recipients(): ReadonlyArray<Listener> {
    const recipients = this.#listeners.slice()
    const member = this.#nextMember()
    if (member !== undefined) recipients.push(member)
    return recipients
  }

  #nextMember(): Listener | undefined {
    if (this.#members.length === 0) return undefined
    if (this.#next >= this.#members.length) this.#next = 0
    return this.#members[this.#next++]
  }

  /** Passes a message to one listener. */
  call(listener: Listener, message: Uint8Array): void {
    try {
      listener(message)
    } catch (defect) {
      this.#onDefect(defect)
    }
  }
}

/**
 * A table of listeners by channel. A listener that throws does not stop the others; `onDefect` is called.
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
