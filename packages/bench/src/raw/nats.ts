import { connect, type NatsConnection } from "nats"
import type { Connections } from "./connections.ts"

/** One connection. Its client writes the messages of one turn of the event loop together. */
export class NatsConnections implements Connections {
  readonly #connection: Promise<NatsConnection>
  #open: NatsConnection | undefined

  constructor(url: string) {
    this.#connection = connect({ servers: url, reconnect: false })
  }

  async listen(listeners: Readonly<Record<string, (message: Uint8Array) => void>>): Promise<void> {
    const connection = (this.#open = await this.#connection)
    void connection.closed().then((error) => {
      if (error !== undefined) throw error
    })
    for (const [channel, listener] of Object.entries(listeners)) {
      connection.subscribe(channel, {
        callback: (error, message) => {
          if (error !== null) throw error
          listener(message.data)
        }
      })
    }
    await connection.flush()
  }

  publish(channel: string, message: Uint8Array): void {
    this.#open!.publish(channel, message)
  }

  /** A queue group gives a message to one member. */
  lock(_key: string, won: () => void): void {
    won()
  }
}
