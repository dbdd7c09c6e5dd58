import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"

const channel = "net.client.socket"

/**
 * The sockets of one attempt to connect, as Node tells of them. Where a server accepts and says nothing, nats 2 gives the
 * attempt up and leaves its socket open, which keeps the process alive; and it cannot be told to stop.
 */
export class Sockets {
  readonly #context = new AsyncLocalStorage<true>()
  readonly #opened = new Set<Socket>()
  #isGivenUp = false
  readonly #onSocket = (message: unknown): void => {
    if (this.#context.getStore() !== true) return
    const { socket } = message as { readonly socket: Socket }
    this.#opened.add(socket)
    // not at once: it is about to be told to connect, which would bring it back to life
    if (this.#isGivenUp) queueMicrotask(() => socket.destroy())
  }

  /** Runs what opens sockets. Sockets that are opened once it has ended are none of the attempt's. */
  async watch<A>(attempt: () => Promise<A>): Promise<A> {
    subscribe(channel, this.#onSocket)
    try {
      return await this.#context.run(true, attempt)
    } finally {
      unsubscribe(channel, this.#onSocket)
      this.#opened.clear()
    }
  }

  /** Closes what is open, and whatever the attempt opens from now on. */
  giveUp(): void {
    this.#isGivenUp = true
    for (const socket of this.#opened) socket.destroy()
    this.#opened.clear()
  }
}
