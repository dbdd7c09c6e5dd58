/**
 * The brokers' programs: which ones the tests start, how to find them and where to get them. It imports nothing but
 * Node's modules, so that a script can read it before anything else works.
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

/** A program that tests start. */
export interface Program {
  /** The name of the binary. */
  readonly binary: string
  /** The oldest version that the tests work with. */
  readonly minimum: string
  /** The package of Debian and its children that contains it. */
  readonly aptPackage: string
  /** The package of Homebrew. */
  readonly brewPackage: string
  /** The page that describes other ways to install it. */
  readonly page: string
}

export const redisProgram: Program = {
  binary: "redis-server",
  minimum: "7.0",
  aptPackage: "redis-server",
  brewPackage: "redis",
  page: "https://redis.io/docs/latest/operate/oss_and_stack/install/"
}

export const natsProgram: Program = {
  binary: "nats-server",
  minimum: "2.2",
  aptPackage: "nats-server",
  brewPackage: "nats-server",
  page: "https://docs.nats.io/running-a-nats-service/introduction/installation"
}

/** The PATH, and where Debian puts servers: the PATH of a user who is not root often lacks the latter. */
export const searchPath = (): string =>
  [process.env["PATH"] ?? "", "/usr/local/bin", "/usr/local/sbin", "/usr/sbin"].join(delimiter)

/** Returns the full path of a binary. */
export const findProgram = (binary: string, path: string = searchPath()): string | undefined =>
  path
    .split(delimiter)
    .map((directory) => join(directory, binary))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** Returns the ways to install programs by hand, one a line. */
export const installByHand = (programs: ReadonlyArray<Program>): ReadonlyArray<string> => [
  `Debian, Ubuntu: sudo apt-get update && sudo apt-get install ${programs.map((program) => program.aptPackage).join(" ")}`,
  `macOS:          brew install ${programs.map((program) => program.brewPackage).join(" ")}`,
  ...programs.map((program) => `other systems:  ${program.page}`)
]
