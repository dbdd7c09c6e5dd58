import { NatsServer, RedisServer } from "@effect-psrpc/test-servers"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { follow, generationSection } from "./generation.ts"
import { run } from "./process.ts"
import { documents, root, snippets } from "./snippets.ts"

const versions = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages as Record<
  string,
  { readonly version: string }
>
const version = (name: string): string => `${name}@${versions[`node_modules/${name}`]!.version}`

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

const published = ["core", "redis", "nats", "codegen"]

const overNats = example.code
  .replace("LocalMessageBus, ", "")
  .replace('from "effect"\n', 'from "effect"\nimport { NatsMessageBus } from "@effect-psrpc/nats"\n')
  .replace("LocalMessageBus.layer", 'NatsMessageBus.layer({ servers: process.env["NATS_URL"]! })')

/** What users export without writing its type: the compiler has to be able to name it. */
const exported = `
import { Client, Publisher, Rpc, Selection, Server, Service } from "@effect-psrpc/core"
import { PsrpcTest } from "@effect-psrpc/core/testing"
import { NatsMessageBus } from "@effect-psrpc/nats"
import { RedisMessageBus } from "@effect-psrpc/redis"
import { Config, Effect, Layer, Schema, Stream } from "effect"

export class Farm extends Service.make("Farm", {
  render: Rpc.unary({ request: Schema.String, response: Schema.String, routing: "affinity" }),
  load: Rpc.multi({ response: Schema.Finite }),
  chat: Rpc.stream({ send: Schema.String, receive: Schema.String }),
  done: Rpc.subscription({ message: Schema.String, topic: ["region"] })
}) {}
export class FarmClient extends Client.Service<FarmClient>()("app/FarmClient", Farm) {}
export class FarmServer extends Server.Service<FarmServer>()("app/FarmServer", Farm) {}
export const handlers = Farm.of({
  render: { affinity: 1, handle: Effect.succeed },
  load: () => Effect.succeed(1),
  chat: (stream) => Stream.runForEach(stream.messages, (text) => stream.send(text))
})
export const server = () => Server.layer(Farm, handlers)
export const made = Server.make(Farm, handlers)
export const named = FarmServer.layer(handlers)
export const client = Client.make(Farm)
export const publisher = Publisher.make(Farm)
export const render = (job: string) => FarmClient.use((farm) => farm.render(job, { selection: Selection.best() }))
export const loads = Effect.map(FarmClient, (farm) => farm.load({ expect: 1 }).pipe(Client.successes))
export const chat = FarmClient.use((farm) => farm.chat())
export const done = FarmClient.use((farm) => farm.done({ topic: { region: "eu" } }))
export const OnRedis = RedisMessageBus.layerConfig({ url: Config.Redacted("REDIS_URL") })
export const OnNats = NatsMessageBus.layer({ servers: "nats://127.0.0.1:4222" })
export const Live = Layer.merge(server(), FarmClient.layer).pipe(Layer.provide(OnNats))
export const Network = PsrpcTest.layer(FarmClient, [{ handlers, affinity: 0.2 }])
`

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
      ...["effect", "@effect/platform-node", "typescript", "@types/node"].map(version)
    ]
    const install = await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], {
      cwd: project
    })
    assert.strictEqual(install.code, 0, install.stderr)
    writeFileSync(join(project, "readme.ts"), readme.code)
    writeFileSync(join(project, "main.ts"), example.code)
    writeFileSync(join(project, "redis.ts"), overRedis)
    writeFileSync(join(project, "nats.ts"), overNats)
    writeFileSync(join(project, "exported.ts"), exported)
    for (const file of ["worker.ts", "client.ts"]) writeFileSync(join(project, file), named(file).code)
  }, 180_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const inProject = (command: string, ...args: ReadonlyArray<string>) =>
    run(command, args, { cwd: join(folder, "project") })

  it("hold what they need and nothing of the workspace", () => {
    for (const name of published) {
      const at = join(folder, "project/node_modules/@effect-psrpc", name)
      const files = readdirSync(at)
      for (const file of ["LICENSE", "README.md", "dist", "package.json"]) assert.include(files, file, name)
      assert.notInclude(files, "test", name)
      const manifest = JSON.parse(readFileSync(join(at, "package.json"), "utf8"))
      assert.strictEqual(manifest.license, "Apache-2.0")
      assert.strictEqual(manifest.sideEffects, false)
      assert.property(manifest.peerDependencies, "effect")
    }
  })

  it("type-check the examples of the README and the guide, declarations included", { timeout: 120_000 }, async () => {
    const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2024"]
    const modules = ["--module", "nodenext", "--types", "node", "--skipLibCheck", "false"]
    const others = ["readme.ts", "worker.ts", "client.ts"]
    const checked = await inProject(
      "./node_modules/.bin/tsc",
      ...options,
      ...modules,
      "main.ts",
      "redis.ts",
      "nats.ts",
      ...others
    )
    assert.strictEqual(checked.stdout, "")
    assert.strictEqual(checked.code, 0, checked.stderr)
  })

  it("name what users export without writing its type", { timeout: 120_000 }, async () => {
    const options = ["--declaration", "--outDir", "declared", "--strict", "--exactOptionalPropertyTypes"]
    const modules = ["--target", "es2024", "--module", "nodenext", "--types", "node", "--skipLibCheck", "false"]
    const checked = await inProject("./node_modules/.bin/tsc", ...options, ...modules, "exported.ts")
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

  it.each(documents.filter((document) => generationSection(document).length > 0).map((document) => ({ document })))(
    "make a client and a server of a .proto, as $document says",
    { timeout: 180_000 },
    async ({ document }) => {
      const tarballs = join(folder, "tarballs")
      const installed = (name: string): string => {
        const own = /^@effect-psrpc\/(\w+)$/.exec(name)?.[1]
        if (own === undefined) return version(name)
        return join(
          tarballs,
          readdirSync(tarballs).find((file) => file.startsWith(`effect-psrpc-${own}-`))!
        )
      }
      const project = mkdtempSync(join(folder, "generation-"))
      const { printed, promised } = await follow(generationSection(document), project, installed)
      assert.notStrictEqual(promised, "")
      assert.strictEqual(printed, promised)
      // and it type-checks, declarations included
      const modules = ["--module", "nodenext", "--target", "es2024", "--types", "", "--allowImportingTsExtensions"]
      const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--verbatimModuleSyntax", ...modules]
      const tsc = join(folder, "project/node_modules/.bin/tsc")
      const checked = await run(tsc, [...options, "--erasableSyntaxOnly", "--isolatedModules", "main.ts"], {
        cwd: project
      })
      assert.strictEqual(checked.stdout, "")
      assert.strictEqual(checked.code, 0, checked.stderr)
    }
  )
})
