import { existsSync, readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import LongestFirst from "./scripts/test-sequencer.ts"

// Workspace packages are tested from their sources: nothing has to be built first. "module" is not among them: packages keep
// under it what only bundlers can read, and node runs it here.
const conditions = ["@effect-psrpc/source", "import", "default"]

const packages = readdirSync("packages").filter((name) => existsSync(`packages/${name}/test`))
const projects = [{ name: "repository", root: "." }, ...packages.map((name) => ({ name, root: `packages/${name}` }))]

export default defineConfig({
  test: {
    reporters: ["./scripts/progress-reporter.ts", "./scripts/summary-reporter.ts"],
    // one more than there are processors: most files wait for brokers, peers and timeouts
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    projects: projects.map(({ name, root }) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      test: {
        name,
        root,
        // no module keeps state that another file could see, and loading them for each file is most of the work
        isolate: false,
        include: ["test/**/*.test.ts"],
        // tests use real brokers and wait for conditions; this is the limit
        testTimeout: 30_000,
        hookTimeout: 120_000
      }
    }))
  }
})
