export * as MessageBusSuite from "./MessageBusSuite.ts"
export * as ServiceSuite from "./ServiceSuite.ts"
