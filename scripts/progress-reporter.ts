import { DefaultReporter, type TestCase, type TestModule, type TestSpecification } from "vitest/node"

/** Maximum number of files for which each file gets a line of its own. */
const fewFiles = 10
/** Interval of progress lines without a terminal, in milliseconds. */
const interval = 20_000
/** Number of slow files listed at the end. */
const slowFiles = 8

const minutesAndSeconds = (millis: number): string => {
  const seconds = Math.round(millis / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}

const nameOf = (module: TestModule): string => `${module.project.name} ${module.relativeModuleId}`

const firstLine = (errors: ReadonlyArray<{ readonly message: string }> | undefined): string =>
  (errors?.[0]?.message ?? "no error is known").split("\n")[0]!

/**
 * Prints the progress of a run, and failures as soon as they happen. A terminal has vitest's own live summary; elsewhere
 * a line is printed every 20 seconds. The output of tests is printed in runs of few files, and of tests that fail.
 */
export default class ProgressReporter extends DefaultReporter {
  #files = 0
  #filesDone = 0
  #passed = 0
  #failed = 0
  #startedAt = 0
  #timer: NodeJS.Timeout | undefined
  #slowest: Array<{ readonly name: string; readonly millis: number }> = []

  override onTestRunStart(specifications: ReadonlyArray<TestSpecification>): void {
    super.onTestRunStart(specifications)
    this.#files = specifications.length
    this.#startedAt = performance.now()
    // the output of many files is too long to read
    if (!process.argv.some((arg) => arg.startsWith("--silent")))
      this.silent = this.#files > fewFiles ? "passed-only" : false
    this.log(`Test files: ${this.#files}. Failures are printed as they happen.`)
    if (this.isTTY) return
    this.#timer = setInterval(() => this.log(this.#progress()), interval)
    this.#timer.unref()
  }

  override onTestCaseResult(test: TestCase): void {
    super.onTestCaseResult(test)
    const { errors, state } = test.result()
    if (state === "passed") this.#passed++
    if (state !== "failed") return
    this.#failed++
    this.log(`FAILED ${nameOf(test.module)} > ${test.fullName}: ${firstLine(errors)}`)
  }

  override onTestModuleEnd(module: TestModule): void {
    this.#filesDone++
    this.#slowest.push({ name: nameOf(module), millis: module.diagnostic().duration })
    for (const error of module.errors()) this.log(`FAILED ${nameOf(module)}: ${firstLine([error])}`)
    super.onTestModuleEnd(module)
  }

  override printTestModule(module: TestModule): void {
    if (this.#files <= fewFiles) super.printTestModule(module)
  }

  override onTestRunEnd(...args: Parameters<DefaultReporter["onTestRunEnd"]>): void {
    clearInterval(this.#timer)
    super.onTestRunEnd(...args)
    if (this.#files <= fewFiles) return
    const slowest = this.#slowest.toSorted((a, b) => b.millis - a.millis).slice(0, slowFiles)
    this.log("Slowest files, in seconds of their tests:")
    for (const { millis, name } of slowest) this.log(`${(millis / 1000).toFixed(1).padStart(7)}  ${name}`)
    this.log("")
  }

  #progress(): string {
    const tests = `${this.#passed} tests passed, ${this.#failed} failed`
    const elapsed = minutesAndSeconds(performance.now() - this.#startedAt)
    return `${elapsed}  ${this.#filesDone} of ${this.#files} files, ${tests}`
  }
}
