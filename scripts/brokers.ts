// Finds the brokers that the tests start, and installs with apt-get the ones that are missing. `npm test` runs it first;
// `npm run brokers` runs it alone. It is not interactive: without root or apt-get it prints what to install by hand, and fails.
import { spawnSync } from "node:child_process"
import {
  findProgram,
  installByHand,
  natsProgram,
  type Program,
  redisProgram,
  searchPath
} from "../packages/test-servers/src/programs.ts"

/** The machine on which the brokers run. */
export interface Machine {
  /** The folders in which programs are searched, separated as in PATH. */
  readonly path: string
  readonly isRoot: boolean
  readonly print: (line: string) => void
}

const versionOf = (file: string): string | undefined => {
  const { stdout } = spawnSync(file, ["--version"], { encoding: "utf8" })
  return /\bv=?(\d+(?:\.\d+)+)/.exec(stdout ?? "")?.[1]
}

const isOlder = (version: string, minimum: string): boolean =>
  version.localeCompare(minimum, "en", { numeric: true }) < 0

/** Prints the programs that it finds, and returns the missing ones. */
const survey = (programs: ReadonlyArray<Program>, { path, print }: Machine): ReadonlyArray<Program> =>
  programs.filter((program) => {
    const file = findProgram(program.binary, path)
    if (file === undefined) {
      print(`  ${program.binary}: missing`)
      return true
    }
    const version = versionOf(file)
    const isOld = version === undefined || isOlder(version, program.minimum)
    const remark = isOld ? `, and the tests need ${program.minimum} or newer` : ""
    print(`  ${program.binary}: ${version ?? "unknown version"} (${file})${remark}`)
    return isOld
  })

/** Runs apt-get without questions, and returns what it printed if it failed. */
const aptGet = (file: string, args: ReadonlyArray<string>, print: Machine["print"]): string | undefined => {
  print(`> apt-get ${args.join(" ")}`)
  // RUNLEVEL=1: invoke-rc.d starts no service in single-user mode
  const env = { ...process.env, RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" }
  // two runs on one machine: the second waits for the first
  const { error, status, stderr, stdout } = spawnSync(file, ["-o", "DPkg::Lock::Timeout=300", ...args], {
    encoding: "utf8",
    env,
    maxBuffer: 1 << 26
  })
  return error === undefined && status === 0 ? undefined : (error?.message ?? `${stdout}${stderr}`).trim()
}

/** Installs programs, and returns the reason if that is not possible. */
const install = (programs: ReadonlyArray<Program>, { isRoot, path, print }: Machine): string | undefined => {
  const file = findProgram("apt-get", path)
  if (file === undefined) return "This machine has no apt-get, so they cannot be installed from here."
  if (!isRoot) return "Only root can install them with apt-get, and this user is not root."
  const packages = programs.map((program) => program.aptPackage)
  print(`Installs ${packages.join(" and ")} with apt-get, as root, in about half a minute. No service is started.`)
  // a package source that is unreachable may not matter: the next command shows it
  const outdated = aptGet(file, ["update"], print)
  if (outdated !== undefined) print(`${outdated}\napt-get update failed; continuing with the existing lists.`)
  return aptGet(file, ["install", "-y", "--no-install-recommends", ...packages], print)
}

/** Installs missing programs, and prints each step. Returns whether all programs exist. */
export const provideBrokers = (programs: ReadonlyArray<Program>, machine: Machine): boolean => {
  machine.print("Brokers that the tests start:")
  let missing = survey(programs, machine)
  if (missing.length === 0) return true
  const reason = install(missing, machine)
  if (reason === undefined) {
    machine.print("Brokers after the installation:")
    missing = survey(programs, machine)
    if (missing.length === 0) return true
  } else machine.print(reason)
  for (const { binary, minimum } of missing) machine.print(`MISSING: ${binary} ${minimum} or newer.`)
  machine.print("Install by hand, then run this again:")
  for (const line of installByHand(missing)) machine.print(`  ${line}`)
  return false
}

if (import.meta.main) {
  const machine: Machine = {
    path: searchPath(),
    isRoot: process.getuid?.() === 0,
    print: (line) => void process.stdout.write(`${line}\n`)
  }
  process.exitCode = provideBrokers([redisProgram, natsProgram], machine) ? 0 : 1
}
