export * as FaultyMessageBus from "./FaultyMessageBus.ts"
export * as PsrpcTest from "./PsrpcTest.ts"
