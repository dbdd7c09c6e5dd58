import { requireProgram } from "@effect-psrpc/test-servers"
import { assert, beforeEach, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { type Machine, provideBrokers } from "../scripts/brokers.ts"
import { run } from "./process.ts"
import { root } from "./snippets.ts"

const program = (binary: string) => ({
  binary,
  minimum: "7.2",
  aptPackage: `${binary}-deb`,
  brewPackage: `${binary}-brew`,
  page: `https://${binary}.example.com`
})
const programs = [program("one-server"), program("two-server")]

/** A machine whose programs are scripts in a folder of its own. */
const machine = (isRoot = true) => {
  const folder = mkdtempSync(join(tmpdir(), "brokers-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const printed: Array<string> = []
  const put = (name: string, lines: ReadonlyArray<string>): void => {
    writeFileSync(join(folder, name), ["#!/bin/sh", `cd ${folder}`, ...lines, ""].join("\n"))
    chmodSync(join(folder, name), 0o755)
  }
  const self: Machine = { path: folder, isRoot, print: (line) => void printed.push(line) }
  return {
    folder,
    /** The lines of a script that is a broker of this version. */
    broker: (binary: string, version: string) => put(binary, [`echo "${binary}: v${version}"`]),
    /** An apt-get that runs these lines for "install", and others for "update". */
    aptGet: (install: ReadonlyArray<string>, update: ReadonlyArray<string> = []) =>
      put("apt-get", [
        `echo "$@" >> calls`,
        `case "$*" in`,
        `*update*) true`,
        ...update,
        `;;`,
        `*install*) true`,
        ...install,
        `;;`,
        `esac`
      ]),
    aptCalls: () => {
      const calls = join(folder, "calls")
      return existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : []
    },
    provide: () => {
      const provided = provideBrokers(programs, self)
      return { provided, text: printed.join("\n") }
    }
  }
}

/** Shell lines that make a broker. */
const making = (binary: string, version: string): ReadonlyArray<string> => [
  `printf '#!/bin/sh\\necho "${binary}: v${version}"\\n' > ${binary}`,
  `/bin/chmod +x ${binary}`
]

const byHand = [
  "Debian, Ubuntu: sudo apt-get update && sudo apt-get install two-server-deb",
  "macOS:          brew install two-server-brew",
  "other systems:  https://two-server.example.com"
]
const assertSaysByHand = (text: string): void => {
  for (const line of ["MISSING: two-server 7.2 or newer.", ...byHand]) assert.include(text, line)
}

describe("npm run brokers", () => {
  let on: ReturnType<typeof machine>
  beforeEach(() => {
    on = machine()
    on.broker("one-server", "7.2.1")
  })

  it("prints the brokers that are there, with their versions, and installs nothing", () => {
    on.broker("two-server", "10.0.3")
    on.aptGet([])
    const { provided, text } = on.provide()
    assert.isTrue(provided)
    assert.include(text, `one-server: 7.2.1 (${join(on.folder, "one-server")})`)
    assert.include(text, `two-server: 10.0.3 (${join(on.folder, "two-server")})`)
    assert.deepStrictEqual(on.aptCalls(), [])
  })

  it("installs only the missing one, as root, after an update, and says so", () => {
    on.aptGet(making("two-server", "7.2"))
    const { provided, text } = on.provide()
    assert.isTrue(provided, text)
    assert.deepStrictEqual(on.aptCalls(), [
      "-o DPkg::Lock::Timeout=300 update",
      "-o DPkg::Lock::Timeout=300 install -y --no-install-recommends two-server-deb"
    ])
    assert.include(text, "two-server: missing")
    assert.include(text, "Installs two-server-deb with apt-get, as root")
    assert.include(text, `two-server: 7.2 (${join(on.folder, "two-server")})`)
  })

  it("replaces one that is too old", () => {
    on.broker("two-server", "7.1.9")
    on.aptGet(making("two-server", "8.0"))
    const { provided, text } = on.provide()
    assert.isTrue(provided, text)
    assert.include(text, "two-server: 7.1.9")
    assert.include(text, "the tests need 7.2 or newer")
  })

  it("fails with the steps to take by hand if the newest package is too old", () => {
    on.aptGet(making("two-server", "6.0"))
    const { provided, text } = on.provide()
    assert.isFalse(provided)
    assertSaysByHand(text)
  })

  it("installs although apt-get update fails, and shows its error", () => {
    on.aptGet(making("two-server", "7.2"), ["echo 'a list has no answer' >&2", "exit 100"])
    const { provided, text } = on.provide()
    assert.isTrue(provided, text)
    assert.include(text, "a list has no answer")
  })

  it("fails with apt-get's error and the steps to take by hand if the installation fails", () => {
    on.aptGet(["echo 'E: Unable to locate package' >&2", "exit 100"])
    const { provided, text } = on.provide()
    assert.isFalse(provided)
    assert.include(text, "E: Unable to locate package")
    assertSaysByHand(text)
  })

  it("fails with the steps to take by hand, and runs nothing, if the user is not root", () => {
    on = machine(false)
    on.broker("one-server", "7.2.1")
    on.aptGet(making("two-server", "7.2"))
    const { provided, text } = on.provide()
    assert.isFalse(provided)
    assert.deepStrictEqual(on.aptCalls(), [])
    assert.include(text, "this user is not root")
    assertSaysByHand(text)
  })

  it("fails with the steps to take by hand on a machine without apt-get", () => {
    const { provided, text } = on.provide()
    assert.isFalse(provided)
    assert.include(text, "no apt-get")
    assertSaysByHand(text)
  })

  it("prints the versions of this machine's brokers", async () => {
    const { code, stdout } = await run("npm", ["run", "brokers"], { cwd: root })
    assert.strictEqual(code, 0, stdout)
    assert.match(stdout, /redis-server: \d+\.\d+.*\n.*nats-server: \d+\.\d+/)
  })
})

describe("a test that needs a broker", () => {
  it.effect("fails with the program that is missing, and the ways to get it", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(requireProgram(program("two-server")))
      assert.include(message, "two-server 7.2 or newer is not on the PATH")
      assert.include(message, "npm run brokers")
      for (const line of byHand) assert.include(message, line)
    })
  )
})
