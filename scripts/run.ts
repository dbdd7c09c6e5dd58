import { spawnSync } from "node:child_process"

/** Runs a command with this process's terminal and returns its exit code. npm puts `node_modules/.bin` on the PATH. */
export const run = (command: string, args: ReadonlyArray<string>): number => {
  const { error, status } = spawnSync(command, args, { stdio: "inherit" })
  if (error !== undefined) process.stderr.write(`${command}: ${error.message}\n`)
  return status ?? 1
}
