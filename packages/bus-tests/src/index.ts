/** Tests that all buses over brokers share, and their helpers. */

export { behavior, eachWay } from "./behavior.ts"

export type { Broker, Bus, Connect, Options, Server, Ways } from "./broker.ts"

export { call, calls, methods, serve, Work } from "./calls.ts"

export { optionalDurations } from "./durations.ts"

export { again, grace, maxDelay } from "./grace.ts"

export { lostConnection } from "./lostConnection.ts"

export { busMetrics } from "./metrics.ts"

export { shown, starting } from "./starting.ts"

export * from "./support.ts"
