/** A broker's own client in its fastest use. */
export interface Connections {
  /** Resolves when the broker has acknowledged all subscriptions. */
  listen(listeners: Readonly<Record<string, (message: Uint8Array) => void>>): Promise<void>
  publish(channel: string, message: Uint8Array): void
  /** Takes a request from a queue, if the broker has no queues itself. */
  lock(key: string, won: () => void): void
}
