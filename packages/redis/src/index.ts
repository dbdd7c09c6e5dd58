export * as RedisMessageBus from "./RedisMessageBus.ts"
