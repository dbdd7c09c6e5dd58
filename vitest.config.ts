import { existsSync, readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"

// Workspace packages are tested from their sources: nothing has to be built first.
const conditions = ["@effect-psrpc/source", "import", "module", "default"]

const projects = readdirSync("packages").filter((name) => existsSync(`packages/${name}/test`))

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/summary-reporter.ts"],
    projects: projects.map((name) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      test: {
        name,
        root: `packages/${name}`,
        include: ["test/**/*.test.ts"],
        // brokers are real: what a test waits for is a condition, and this is where it gives up
        testTimeout: 30_000,
        hookTimeout: 120_000
      }
    }))
  }
})
