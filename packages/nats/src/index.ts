export * as NatsMessageBus from "./NatsMessageBus.ts"
