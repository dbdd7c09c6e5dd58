import { Effect, Schedule } from "effect"
import { execFile } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { mkdir, rmdir, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { TestServerError } from "./TestServerError.ts"

/** A program that tests run, and where it comes from. */
export interface Program {
  /** The name of the binary: `redis-server`. */
  readonly binary: string
  /** The Debian package that has it. */
  readonly aptPackage: string
  /** What to tell a reader who has to install it by hand. */
  readonly hint: string
}

const lookUp = (binary: string): string | undefined => {
  // sbin too: not every PATH has it, and Debian puts servers there
  for (const directory of [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/bin"]) {
    const path = join(directory, binary)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not here
    }
  }
  return undefined
}

const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<void, TestServerError> =>
  Effect.callback((resume) => {
    // RUNLEVEL=1: invoke-rc.d does not start the service of a package that is installed in single-user mode
    const env = { ...process.env, RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" }
    execFile(command, args, { env, maxBuffer: 64 * 1024 * 1024 }, (cause, _stdout, stderr) =>
      resume(
        cause === null
          ? Effect.void
          : Effect.fail(
              new TestServerError({ message: `${command} ${args.join(" ")}: ${stderr.trim() || cause.message}`, cause })
            )
      )
    )
  })

const lockPath = join(tmpdir(), "effect-psrpc-test-servers.lock")
/** An installation that takes longer has died. */
const staleLock = 10 * 60_000

/** One installation at a time: apt refuses a second, and several test processes may start at once. */
const lock = Effect.acquireRelease(
  Effect.tryPromise({ try: () => mkdir(lockPath), catch: (cause) => cause }).pipe(
    Effect.catch(() =>
      Effect.flatMap(
        Effect.promise(() =>
          stat(lockPath).then(
            (found) => Date.now() - found.ctimeMs > staleLock,
            () => false
          )
        ),
        (stale) =>
          Effect.andThen(
            stale ? Effect.promise(() => rmdir(lockPath).catch(() => {})) : Effect.void,
            Effect.fail(new TestServerError({ message: `another installation holds ${lockPath}` }))
          )
      )
    ),
    Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 600 })
  ),
  () => Effect.promise(() => rmdir(lockPath).catch(() => {}))
)

/**
 * The path of a program: from PATH, else installed with apt-get (as root on Debian and its children; the service of the
 * package is not started), else an error that says what to install.
 */
export const findOrInstall = Effect.fnUntraced(function* (program: Program): Effect.fn.Return<string, TestServerError> {
  const found = lookUp(program.binary)
  if (found !== undefined) return found
  const missing = new TestServerError({ message: `${program.binary} is not on PATH. ${program.hint}` })
  if (process.getuid?.() !== 0 || lookUp("apt-get") === undefined) return yield* missing
  return yield* Effect.scoped(
    Effect.gen(function* () {
      yield* lock
      if (lookUp(program.binary) === undefined) {
        yield* run("apt-get", ["update"])
        yield* run("apt-get", ["install", "-y", "--no-install-recommends", program.aptPackage])
      }
      return lookUp(program.binary) ?? (yield* missing)
    })
  )
})
