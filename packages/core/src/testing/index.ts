export * as FaultyMessageBus from "./FaultyMessageBus.ts"
export * as MessageBusSuite from "./MessageBusSuite.ts"
export * as PsrpcTest from "./PsrpcTest.ts"
export * as ServiceSuite from "./ServiceSuite.ts"
