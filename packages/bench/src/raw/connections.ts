/** A broker's own client, used as well as it can be. */
export interface Connections {
  /** Resolves when the broker has all subscriptions. */
  listen(listeners: Readonly<Record<string, (message: Uint8Array) => void>>): Promise<void>
  publish(channel: string, message: Uint8Array): void
  /** Takes a request out of a queue, where the broker has none of its own. */
  lock(key: string, won: () => void): void
}
