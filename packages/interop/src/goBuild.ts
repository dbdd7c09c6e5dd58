import { Effect, Schedule } from "effect"
import { execFile } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import { accessSync, constants } from "node:fs"
import { access, link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { tmpdir, userInfo } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { GoPeerError } from "./GoPeerError.ts"

/** A folder of this package, with a Go module in it. */
const sourcesOf = (folder: string): string => fileURLToPath(new URL(`../${folder}`, import.meta.url))

/** Whether `go` is on the PATH. */
export const hasGo: boolean = (process.env["PATH"] ?? "").split(delimiter).some((directory) => {
  try {
    accessSync(join(directory, "go"), constants.X_OK)
    return true
  } catch {
    return false
  }
})

/** The message if `go` is missing. */
export const goIsNeeded =
  "the Go peer needs go on the PATH (1.25.5 or newer, https://go.dev/dl), which builds packages/interop/peer"

const failure = (message: string) => (cause: unknown) => new GoPeerError({ message: `${message}: ${cause}`, cause })

/** Returns the output folder of the sources: each version of them has its own. */
const cacheDirectory = (sources: string) =>
  Effect.tryPromise({
    try: async () => {
      const hash = createHash("sha256")
      const names = (await readdir(sources, { recursive: true })).filter(
        (name) => /\.(go|mod|sum)$/.test(name) && !name.endsWith("_test.go")
      )
      for (const name of names.toSorted()) hash.update(`${name}\0`).update(await readFile(join(sources, name)))
      const directory = join(
        tmpdir(),
        `effect-psrpc-peer-${userInfo().username}`,
        `${process.arch}-${hash.digest("hex").slice(0, 24)}`
      )
      await mkdir(directory, { recursive: true, mode: 0o700 })
      return directory
    },
    catch: failure("no folder for the Go peer")
  })

const exists = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false
  )

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** Test files start at the same time: one of them builds, the others wait for it. */
const tryLock = async (path: string): Promise<boolean> => {
  const own = `${path}.${randomUUID()}`
  await writeFile(own, String(process.pid))
  try {
    // a link appears with its content, so a lock always has its owner
    await link(own, path)
    return true
  } catch {
    const owner = Number(await readFile(path, "utf8").catch(() => String(process.pid)))
    if (!isAlive(owner)) await rm(path, { force: true })
    return false
  } finally {
    await rm(own, { force: true })
  }
}

const build = (folder: string, directory: string, binary: string): Effect.Effect<void, GoPeerError> =>
  Effect.callback((resume) => {
    // built next to its place and renamed, so that a binary is always complete
    const made = join(directory, `peer.${randomUUID()}`)
    const child = execFile("go", ["build", "-o", made, "."], { cwd: sourcesOf(folder) }, (cause, _stdout, stderr) =>
      resume(
        cause === null
          ? Effect.tryPromise({ try: () => rename(made, binary), catch: failure("the Go peer cannot be kept") })
          : Effect.fail(
              new GoPeerError({
                message: `go build in packages/interop/${folder}: ${stderr.trim() || cause.message}`,
                cause
              })
            )
      )
    )
    return Effect.sync(() => void child.kill())
  })

/** Builds the binary, unless another process does. Returns whether it exists. */
const buildLocked = (folder: string, directory: string, binary: string): Effect.Effect<boolean, GoPeerError> => {
  const lock = join(directory, "lock")
  return Effect.acquireUseRelease(
    Effect.tryPromise({ try: () => tryLock(lock), catch: failure("no lock for building the Go peer") }),
    (locked) =>
      Effect.flatMap(
        Effect.promise(() => exists(binary)),
        (built) => (built || !locked ? Effect.succeed(built) : Effect.as(build(folder, directory, binary), true))
      ),
    (locked) => (locked ? Effect.promise(() => rm(lock, { force: true })) : Effect.void)
  )
}

/** Returns the path of the binary of a Go module in a folder of this package. Builds it if necessary. */
export const binaryOf = Effect.fnUntraced(function* (folder: string): Effect.fn.Return<string, GoPeerError> {
  if (!hasGo) return yield* new GoPeerError({ message: goIsNeeded })
  const directory = yield* cacheDirectory(sourcesOf(folder))
  const path = join(directory, "peer")
  yield* Effect.promise(() => exists(path)).pipe(
    Effect.flatMap((built) => (built ? Effect.succeed(true) : buildLocked(folder, directory, path))),
    Effect.repeat({ schedule: Schedule.spaced("100 millis"), until: (done) => done })
  )
  return path
})

/** Returns the path of the Go peer's binary. */
export const binary: Effect.Effect<string, GoPeerError> = binaryOf("peer")
