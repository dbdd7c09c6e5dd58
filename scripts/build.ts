// Builds `dist` of every published package, with declarations, and copies the license next to it.
import { copyFileSync, existsSync, rmSync } from "node:fs"
import { published } from "./published.ts"
import { run } from "./run.ts"

for (const name of published) rmSync(`packages/${name}/dist`, { recursive: true, force: true })
const code = run("tsc", ["-b"])
for (const name of published) copyFileSync("LICENSE", `packages/${name}/LICENSE`)
if (code === 0)
  for (const name of published)
    process.stdout.write(
      `${existsSync(`packages/${name}/dist/index.js`) ? "built" : "MISSING"} packages/${name}/dist\n`
    )
process.exit(code)
