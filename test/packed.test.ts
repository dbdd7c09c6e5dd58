import { NatsServer, RedisServer } from "@effect-psrpc/test-servers"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { manifestOf, published } from "../scripts/published.ts"
import { follow, generationSection } from "./generation.ts"
import { check, compileLibraryAndApp, compilers, installedVersion } from "./packed/compile.ts"
import { makeOldest, manifestIn } from "./packed/oldest.ts"
import { run } from "./process.ts"
import { documents, root, snippets } from "./snippets.ts"

const versions = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages as Record<
  string,
  { readonly version: string }
>
const version = (name: string): string => `${name}@${versions[`node_modules/${name}`]!.version}`

/** The oldest protobuf-es that the generator takes. */
const oldestProtobuf = `@bufbuild/protobuf@${manifestOf("codegen").peerDependencies["@bufbuild/protobuf"]!.slice(1)}`

const readme = snippets(["README.md"])[0]!
const example = snippets(["docs/guide/tour.md"])[0]!

/** The snippet of the guide's page on deployment that begins with its file's name. */
const named = (file: string) =>
  snippets(["docs/guide/deployment.md"]).find(({ code }) => code.startsWith(`// ${file}\n`))!

/** The tour's program with another bus. */
const overRedis = example.code
  .replace("LocalMessageBus, ", "")
  .replace('from "effect"\n', 'from "effect"\nimport { RedisMessageBus } from "@effect-psrpc/redis"\n')
  .replace("LocalMessageBus.layer", 'RedisMessageBus.layer({ url: process.env["REDIS_URL"]! })')

const overNats = example.code
  .replace("LocalMessageBus, ", "")
  .replace('from "effect"\n', 'from "effect"\nimport { NatsMessageBus } from "@effect-psrpc/nats"\n')
  .replace("LocalMessageBus.layer", 'NatsMessageBus.layer({ servers: process.env["NATS_URL"]! })')

describe("the packed packages, in an empty project", () => {
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "effect-psrpc-packed-"))
    const tarballs = join(folder, "tarballs")
    const project = join(folder, "project")
    mkdirSync(tarballs)
    mkdirSync(project)
    const build = await run("npm", ["run", "build"], { cwd: root })
    assert.strictEqual(build.code, 0, build.stdout + build.stderr)
    const workspaces = published.flatMap((name) => ["-w", `@effect-psrpc/${name}`])
    const pack = await run("npm", ["pack", ...workspaces, "--pack-destination", tarballs], { cwd: root })
    assert.strictEqual(pack.code, 0, pack.stderr)
    writeFileSync(
      join(project, "package.json"),
      JSON.stringify({ name: "a-users-project", private: true, type: "module" })
    )
    const packages = [
      ...readdirSync(tarballs).map((name) => join(tarballs, name)),
      ...["effect", "@effect/platform-node", "@types/node"].map(version)
    ]
    const install = await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], {
      cwd: project
    })
    assert.strictEqual(install.code, 0, install.stderr)
    writeFileSync(join(project, "readme.ts"), readme.code)
    writeFileSync(join(project, "main.ts"), example.code)
    writeFileSync(join(project, "redis.ts"), overRedis)
    writeFileSync(join(project, "nats.ts"), overNats)
    cpSync(join(import.meta.dirname, "packed/messages.ts"), join(project, "messages.ts"))
    for (const file of ["worker.ts", "client.ts"]) writeFileSync(join(project, file), named(file).code)
  }, 180_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const inProject = (command: string, ...args: ReadonlyArray<string>) =>
    run(command, args, { cwd: join(folder, "project") })

  it("hold what they need and nothing of the workspace", () => {
    for (const name of published) {
      const at = join(folder, "project/node_modules/@effect-psrpc", name)
      const files = readdirSync(at)
      for (const file of ["CHANGELOG.md", "LICENSE", "README.md", "dist", "package.json"])
        assert.include(files, file, name)
      assert.notInclude(files, "test", name)
      const manifest = manifestIn(at)
      assert.strictEqual(manifest.license, "Apache-2.0")
      assert.strictEqual(manifest.sideEffects, false)
      assert.property(manifest.peerDependencies, "effect")
      assert.deepStrictEqual(manifest.publishConfig, { access: "public", provenance: true })
      assert.include(readFileSync(join(at, "CHANGELOG.md"), "utf8"), `## ${manifest.version}\n`)
    }
  })

  it.each(compilers)(
    "keep their types from package to package under TypeScript $version, and type-check the examples of the README and " +
      "the guide, declarations included",
    { timeout: 240_000 },
    async (compiler) => {
      assert.match(installedVersion(compiler), new RegExp(`^${compiler.version}\\.`))
      const examples = ["readme.ts", "main.ts", "redis.ts", "nats.ts", "worker.ts", "client.ts", "messages.ts"]
      const compiled = await compileLibraryAndApp(join(folder, "project"), compiler, examples)
      assert.strictEqual(compiled.stdout, "")
      assert.strictEqual(compiled.code, 0, compiled.stderr)
      assert.lengthOf(compiled.declarations, 2)
      for (const declarations of compiled.declarations) {
        assert.include(declarations, "export declare const authentication: Interceptor.Interceptor<")
        assert.notMatch(declarations, /\bany\b|\/internal\//)
      }
    }
  )

  it("work with the oldest protobuf-es that core takes, and with the newest", { timeout: 240_000 }, async () => {
    const output = "5 seconds, try again later: 30 seconds, GetLoad: multi\n"
    assert.strictEqual((await inProject("node", "messages.ts")).stdout, output)
    const oldest = makeOldest(join(folder, "project"))
    const packageOf = (name: string) => manifestIn(join(oldest, "node_modules", name))
    assert.strictEqual(
      packageOf("@effect-psrpc/core").peerDependencies["@bufbuild/protobuf"],
      `^${packageOf("@bufbuild/protobuf").version}`
    )
    const { code, stderr, stdout } = await run("node", ["messages.ts"], { cwd: oldest })
    assert.strictEqual(stderr, "")
    assert.strictEqual(stdout, output)
    assert.strictEqual(code, 0)
    const checked = await check(oldest, compilers[1], ["messages.ts", "surface.ts"])
    assert.strictEqual(checked.stdout, "")
    assert.strictEqual(checked.code, 0, checked.stderr)
  })

  it.each([
    { file: "readme.ts", of: "the README", output: readme.output },
    { file: "main.ts", of: "the tour", output: example.output }
  ])("run the example of $of and print the output that follows it", async ({ file, output }) => {
    assert.isDefined(output)
    const { code, stderr, stdout } = await inProject("node", file)
    assert.strictEqual(stderr, "")
    assert.strictEqual(stdout, output)
    assert.strictEqual(code, 0)
  })

  it.live.each([
    { broker: "Redis", file: "redis.ts", variable: "REDIS_URL", url: RedisServer.redisUrl },
    { broker: "NATS", file: "nats.ts", variable: "NATS_URL", url: NatsServer.natsUrl }
  ])("run the tour's example over a real $broker", ({ file, url, variable }) =>
    Effect.gen(function* () {
      const env = { [variable]: yield* url }
      const { code, stderr, stdout } = yield* Effect.promise(() =>
        run("node", [file], { cwd: join(folder, "project"), env })
      )
      assert.strictEqual(stderr, "")
      // which of the two servers takes a call from the queue is the broker's choice
      assert.strictEqual(stdout.replace("this is n2", "this is n1"), example.output)
      assert.strictEqual(code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("run the guide's worker and client, and SIGTERM ends the worker", () =>
    Effect.gen(function* () {
      const env = { ...process.env, REDIS_URL: yield* RedisServer.redisUrl }
      const cwd = join(folder, "project")
      const worker = yield* Effect.acquireRelease(
        Effect.sync(() => spawn("node", ["worker.ts"], { cwd, env, stdio: "inherit" })),
        (worker) => Effect.sync(() => void worker.kill("SIGKILL"))
      )
      const ended = new Promise<number | null>((resolve) => worker.once("exit", resolve))
      // until the worker is there, a client is told at once that nobody listens
      const finished = yield* Effect.promise(() => run("node", ["client.ts"], { cwd, env })).pipe(
        Effect.repeat({ until: ({ code }) => code === 0, times: 30 })
      )
      assert.strictEqual(finished.stdout, "scene forest\nforest for acme\n", finished.stderr)
      worker.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => ended), 130)
    }).pipe(Effect.scoped)
  )

  it.each(
    documents
      .filter((document) => generationSection(document).length > 0)
      .map((document, i) => ({ document, protobuf: i === 0 ? oldestProtobuf : version("@bufbuild/protobuf") }))
  )(
    "make a client and a server of a .proto, as $document says, with $protobuf",
    { timeout: 180_000 },
    async ({ document, protobuf }) => {
      const tarballs = join(folder, "tarballs")
      const installed = (name: string): string => {
        const own = /^@effect-psrpc\/(\w+)$/.exec(name)?.[1]
        if (own === undefined) return name === "@bufbuild/protobuf" ? protobuf : version(name)
        return join(
          tarballs,
          readdirSync(tarballs).find((file) => file.startsWith(`effect-psrpc-${own}-`))!
        )
      }
      const project = mkdtempSync(join(folder, "generation-"))
      // the version stays the one that is asked for
      writeFileSync(join(project, ".npmrc"), "save-exact=true\n")
      const { printed, promised } = await follow(generationSection(document), project, installed)
      assert.notStrictEqual(promised, "")
      assert.strictEqual(printed, promised)
      assert.strictEqual(
        `@bufbuild/protobuf@${manifestIn(join(project, "node_modules/@bufbuild/protobuf")).version}`,
        protobuf
      )
      // and it type-checks, declarations included
      const modules = ["--module", "nodenext", "--target", "es2024", "--types", "", "--allowImportingTsExtensions"]
      const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--verbatimModuleSyntax", ...modules]
      const checked = await run("tsc", [...options, "--erasableSyntaxOnly", "--isolatedModules", "main.ts"], {
        cwd: project
      })
      assert.strictEqual(checked.stdout, "")
      assert.strictEqual(checked.code, 0, checked.stderr)
    }
  )
})
