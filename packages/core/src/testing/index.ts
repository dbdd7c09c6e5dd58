export * as MessageBusSuite from "./MessageBusSuite.ts"
