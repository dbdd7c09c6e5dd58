import { NatsServer, RedisServer } from "@effect-psrpc/test-servers"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "./process.ts"

const script = (env: Readonly<Record<string, string>>) =>
  Effect.promise(() => run("npm", ["run", "--silent", "telemetry"], { cwd: ".", env }))

/** The lines of the tree of spans, without their times. */
const treeOf = (printed: string): Array<string> => {
  const lines = printed.split("\n")
  const begin = lines.findIndex((line) => line.startsWith("The spans"))
  const end = lines.findIndex((line) => line.startsWith("The metrics"))
  return lines.slice(begin + 2, end - 1).map((line) => line.replace(/\s+\d+\.\d ms/, " "))
}

/** Each span's name, kind and depth. */
const shape = (tree: ReadonlyArray<string>): Array<string> =>
  tree.map((line) => /^\s*\S.*?\((?:internal|client|server|producer|consumer)\)/.exec(line)![0])

const expected = [
  "  a visit (internal)",
  "    Shop/Buy (client)",
  "      Shop/Buy (server)",
  "        Orders/Place (client)",
  "          Orders/Place (server)",
  "            Stock/Reserve (client)",
  "              Stock/Reserve (server)",
  "            Stock/Reserve (client)",
  "              Stock/Reserve (server)",
  "                publish Stock/Changed (producer)",
  "                  receive Stock/Changed (consumer)",
  "            Stock/Reserve (client)",
  "              Stock/Reserve (server)",
  "                publish Stock/Changed (producer)",
  "                  receive Stock/Changed (consumer)",
  "    Orders/Follow (client)",
  "      Orders/Follow (server)"
]

const tells = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>, where: string) {
  const { code, stderr, stdout } = yield* script(env)
  assert.strictEqual(code, 0, stderr)
  assert.match(stdout, new RegExp(`^Three services ${where}$`, "m"))
  assert.match(stdout, /^The spans, of 1 trace:$/m)
  const tree = treeOf(stdout)
  assert.deepStrictEqual(shape(tree), expected)
  // the attempt that failed, and only that
  assert.deepStrictEqual(
    tree.flatMap((line, i) => (line.includes("unavailable") ? [i] : [])),
    [5, 6]
  )
  for (const [side, method, calls] of [
    ["client", "Stock.Reserve", 3],
    ["server", "Stock.Reserve", 3],
    ["client", "Orders.Place", 1],
    ["server", "Shop.Buy", 1]
  ] as const) {
    assert.match(stdout, new RegExp(`^ *${side} +${method} +unary +${calls} +0 `, "m"))
  }
  assert.match(stdout, /^ *client +Orders\.Follow +stream +1 +0 /m)
  assert.match(stdout, /^Stock received 3 requests for 2 items/m)
})

describe("npm run telemetry", () => {
  it.live("tells of a call across three services in process: its trace, the metrics, a retry", () =>
    tells({ REDIS_URL: "", NATS_URL: "" }, "in process")
  )

  it.live("tells the same over Redis", () =>
    Effect.flatMap(RedisServer.redisUrl, (url) => tells({ REDIS_URL: url, NATS_URL: "" }, "over Redis")).pipe(
      Effect.scoped
    )
  )

  it.live("tells the same over NATS", () =>
    Effect.flatMap(NatsServer.natsUrl, (url) => tells({ REDIS_URL: "", NATS_URL: url }, "over NATS")).pipe(
      Effect.scoped
    )
  )
})
