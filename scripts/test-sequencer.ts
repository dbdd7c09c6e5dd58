import { BaseSequencer, type TestSpecification } from "vitest/node"

/** The projects in the order in which they run: the ones whose files take long come first, many short files fill the end. */
const projects = ["repository", "codegen", "redis", "nats", "interop", "core"]

/** The longest files, as measured: on a clean checkout vitest knows no times. */
const longest = [
  "packed",
  "documents",
  "repository",
  "compile",
  "program",
  "serviceSuite",
  "messageBusSuite",
  "suites",
  "generated",
  "ServiceSuite"
]

const rankOf = (list: ReadonlyArray<string>, name: string): number => {
  const index = list.indexOf(name)
  return index < 0 ? list.length : index
}

const nameOf = ({ moduleId }: TestSpecification): string =>
  moduleId.slice(moduleId.lastIndexOf("/") + 1, -".test.ts".length)

/** Runs the longest files first, so that no processor waits for the last one. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    // what vitest knows of the files decides among the rest: a sort is stable
    const sorted = await super.sort(files)
    return sorted.toSorted(
      (a, b) =>
        rankOf(projects, a.project.name) - rankOf(projects, b.project.name) ||
        rankOf(longest, nameOf(a)) - rankOf(longest, nameOf(b))
    )
  }
}
