export * as BusRuntime from "./BusRuntime.ts"
export * as Limits from "./Limits.ts"
export * as Outbox from "./Outbox.ts"
export * as Peer from "./Peer.ts"
