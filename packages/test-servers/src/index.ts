/** Starts real brokers for tests and benchmarks, and proxies that break connections to them. */

export { type Certificate, makeCertificate, temporaryDirectory } from "./certificate.ts"

export { freePort } from "./freePort.ts"

export * as NatsServer from "./NatsServer.ts"

export { natsUrl } from "./NatsServer.ts"

export type { Program } from "./programs.ts"

export * as RedisServer from "./RedisServer.ts"

export { redisUrl } from "./RedisServer.ts"

export { requireProgram } from "./requireProgram.ts"

export { type ServerProcess, startProcess } from "./ServerProcess.ts"

export * as TcpProxy from "./TcpProxy.ts"

export { TestServerError } from "./TestServerError.ts"
