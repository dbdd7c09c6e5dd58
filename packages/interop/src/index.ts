/** A real Go psrpc peer, for tests and benchmarks. */

export type * from "./commands.ts"

export { binary as goPeerBinary, binaryOf as goBinaryOf, goIsNeeded, hasGo } from "./goBuild.ts"

export * as GoPeer from "./GoPeer.ts"

export { GoError, type GoErrorDetail, GoPeerError } from "./GoPeerError.ts"
