// The example is run as a reader runs it, and its page is read as Prometheus reads it.
import { Telemetry } from "@effect-psrpc/core"
import { assert, describe, it } from "@effect/vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { root } from "./snippets.ts"

/** Runs it on a port that is free, until the test is done with it. */
const withExample = async (test: (url: string, example: ChildProcess) => Promise<void>): Promise<void> => {
  const example = spawn("npm", ["run", "-s", "prometheus"], {
    cwd: root,
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true
  })
  try {
    const ended = once(example, "exit").then(() => Promise.reject(new Error("the example has ended")))
    const [url] = (await Promise.race([once(createInterface(example.stdout!), "line"), ended])) as [string]
    ended.catch(() => {})
    await test(url, example)
  } finally {
    // npm and what it runs are one group, as on a terminal
    if (example.exitCode === null && example.signalCode === null) process.kill(-example.pid!, "SIGKILL")
  }
}

/** Reads the page until it says what is waited for. */
const readUntil = async (url: string, done: (page: string) => boolean): Promise<string> => {
  for (let page = "", i = 0; ; i++) {
    if (i > 200) throw new Error(`waited in vain for the metrics:\n${page}`)
    const response = await fetch(url)
    assert.strictEqual(response.status, 200)
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain/)
    page = await response.text()
    if (done(page)) return page
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The value of a series; `undefined` where there is none. */
const valueOf = (page: string, series: string): number | undefined => {
  const line = page.split("\n").find((line) => line.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

describe("npm run prometheus", () => {
  it("serves the metrics of a server and a client, and ends on Ctrl-C", { timeout: 60_000 }, async () => {
    await withExample(async (url, example) => {
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
      const labels = (side: string, method: string, kind: string, more = ""): string =>
        `{side="${side}",service="Greeter",method="${method}",kind="${kind}"${more}}`
      const rejected = `psrpc_calls_finished${labels("server", "Hello", "unary", ',code="already_exists"')}`
      const page = await readUntil(
        url,
        (page) =>
          (valueOf(page, rejected) ?? 0) >= 2 &&
          (valueOf(page, `psrpc_messages_received${labels("client", "RegionChanged", "subscription")}`) ?? 0) > 0
      )
      for (const { name, type } of Telemetry.metrics) {
        // of a bus with a broker, and of what goes wrong
        if (/_bus_(?!subscriptions)|dropped/.test(name)) continue
        assert.include(page, `# TYPE ${name} ${type}\n`)
      }
      for (const side of ["client", "server"]) {
        const started = valueOf(page, `psrpc_calls_started${labels(side, "Hello", "unary")}`)
        assert.isAtLeast(started!, 6)
        const [count, all] = [
          valueOf(page, `psrpc_call_duration_seconds_count${labels(side, "Hello", "unary")}`),
          valueOf(page, `psrpc_call_duration_seconds_bucket${labels(side, "Hello", "unary", ',le="+Inf"')}`)
        ]
        assert.isAtLeast(count!, 5)
        assert.strictEqual(count, all)
        assert.strictEqual(valueOf(page, `psrpc_streams_open${labels(side, "Chat", "stream")}`), 1)
      }
      assert.isAtLeast(valueOf(page, `psrpc_bus_subscriptions{side="bus",bus="local"}`)!, 10)
      process.kill(-example.pid!, "SIGINT")
      await once(example, "exit")
    })
  })
})
