import { execFile } from "node:child_process"

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end, within two minutes. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> }
): Promise<Finished> =>
  new Promise((resolve) => {
    const env = { ...process.env, ...options.env }
    const settings = { cwd: options.cwd, env, timeout: 120_000, maxBuffer: 1 << 26 }
    execFile(command, [...args], settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resolve({ code, stdout, stderr: error !== null && stderr === "" ? error.message : stderr })
    })
  })
