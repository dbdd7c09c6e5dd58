import { Redis } from "ioredis"
import type { Connections } from "./connections.ts"

const lockSeconds = 5

/** No reconnect: a broken connection ends the row. */
const connect = (url: string): Redis => {
  const redis = new Redis(url, { retryStrategy: () => null })
  redis.on("error", (error) => {
    throw error
  })
  return redis
}

/** Two connections. The commands of one turn of the event loop leave in one write. */
export class RedisConnections implements Connections {
  readonly #pub: Redis
  readonly #sub: Redis
  #corked: Redis["stream"] | undefined
  readonly #uncork = (): void => {
    this.#corked?.uncork()
    this.#corked = undefined
  }

  constructor(url: string) {
    this.#pub = connect(url)
    this.#sub = connect(url)
  }

  async listen(listeners: Readonly<Record<string, (message: Uint8Array) => void>>): Promise<void> {
    const byChannel = new Map(Object.entries(listeners))
    this.#sub.on("messageBuffer", (channel: Buffer, message: Buffer) => byChannel.get(channel.toString())?.(message))
    if (byChannel.size > 0) await this.#sub.subscribe(...byChannel.keys())
    await this.#pub.ping()
  }

  #cork(): void {
    if (this.#corked !== undefined) return
    this.#corked = this.#pub.stream
    this.#corked.cork()
    setImmediate(this.#uncork)
  }

  /** A failure ends the process. */
  publish(channel: string, message: Uint8Array): void {
    this.#cork()
    void this.#pub.publish(channel, Buffer.from(message.buffer, message.byteOffset, message.byteLength))
  }

  lock(key: string, won: () => void): void {
    this.#cork()
    void this.#pub.set(key, "1", "EX", lockSeconds, "NX").then((reply) => {
      if (reply === "OK") won()
    })
  }
}
