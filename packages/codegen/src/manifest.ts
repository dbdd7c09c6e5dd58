import { readFileSync } from "node:fs"

/** This package's own version, from beside `src` or `dist`. */
export const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}
