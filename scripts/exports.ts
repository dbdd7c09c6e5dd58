import { readFileSync, writeFileSync } from "node:fs"
import { exportsOf, manifestOf, manifestPath, published } from "./published.ts"

/** Prints the subpaths that an exports map has too many or too few. Returns whether all maps are right. */
export const checkExports = (): boolean => {
  let isRight = true
  for (const name of published) {
    const actual = manifestOf(name).exports
    const expected = exportsOf(name)
    if (JSON.stringify(actual) === JSON.stringify(expected)) continue
    isRight = false
    const missing = Object.keys(expected).filter((subpath) => !(subpath in actual))
    const extra = Object.keys(actual).filter((subpath) => !(subpath in expected))
    const parts = [
      ...(missing.length > 0 ? [`${missing.join(", ")} missing`] : []),
      ...(extra.length > 0 ? [`${extra.join(", ")} without a public module`] : [])
    ]
    process.stderr.write(
      `packages/${name}/package.json: exports differ from the public modules in src: ` +
        `${parts.length > 0 ? parts.join("; ") : "another order or another target"}. ` +
        `"npm run lint -- --fix" mends them.\n`
    )
  }
  return isRight
}

/** Writes the exports map of every published package. */
export const writeExports = (): void => {
  for (const name of published) {
    const file = manifestPath(name)
    const manifest = JSON.parse(readFileSync(file, "utf8"))
    writeFileSync(file, `${JSON.stringify({ ...manifest, exports: exportsOf(name) }, undefined, 2)}\n`)
  }
}
