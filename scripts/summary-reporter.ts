import type { Reporter, TestModule } from "vitest/node"

/** Ends the output with a line for people and scripts: `N passed, N failed, N skipped`. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, errors: ReadonlyArray<unknown>): void {
    let passed = 0
    let failed = errors.length
    const skipped: Array<string> = []
    for (const module of modules) {
      let own = 0
      for (const test of module.children.allTests()) {
        own++
        const { state } = test.result()
        if (state === "passed") passed++
        else if (state === "failed") failed++
        else skipped.push(test.fullName)
      }
      // a file that cannot be loaded has no tests, and counts as failed
      if (own === 0 || (module.errors().length > 0 && module.state() === "failed"))
        failed += Math.max(1, module.errors().length)
    }
    // after the output of every other reporter
    process.once("exit", () => {
      for (const name of skipped) process.stdout.write(`skipped: ${name}\n`)
      process.stdout.write(
        `${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ""}\n`
      )
    })
  }
}
