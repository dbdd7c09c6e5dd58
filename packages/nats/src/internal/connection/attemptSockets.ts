import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"

const channel = "net.client.socket"

/**
 * The sockets of one attempt to connect, as reported by Node. If a server accepts the connection and sends nothing, nats 2
 * abandons the attempt and leaves its socket open, which keeps the process alive. nats 2 has no way to stop an attempt.
 */
export class AttemptSockets {
  readonly #context = new AsyncLocalStorage<true>()
  readonly #opened = new Set<Socket>()
  #isAbandoned = false
  readonly #onSocket = (message: unknown): void => {
    if (this.#context.getStore() !== true) return
    const { socket } = message as { readonly socket: Socket }
    this.#opened.add(socket)
    // a microtask later: `connect`, which follows now, would make a destroyed socket usable again
    if (this.#isAbandoned) queueMicrotask(() => socket.destroy())
  }

  /** Runs an attempt and records its sockets. Sockets that are opened after its end do not belong to it. */
  async record<A>(attempt: () => Promise<A>): Promise<A> {
    subscribe(channel, this.#onSocket)
    try {
      return await this.#context.run(true, attempt)
    } finally {
      unsubscribe(channel, this.#onSocket)
      this.#opened.clear()
    }
  }

  /** Destroys the open sockets of the attempt, and those that it opens from now on. */
  destroy(): void {
    this.#isAbandoned = true
    for (const socket of this.#opened) socket.destroy()
    this.#opened.clear()
  }
}
