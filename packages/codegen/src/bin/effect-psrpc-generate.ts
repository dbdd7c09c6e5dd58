import { parse, usage } from "../generate/commandLine.ts"
import { generate } from "../generate/generate.ts"
import { version } from "../manifest.ts"

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const printError = (text: string): void => void process.stderr.write(`${text}\n`)

/** Runs the program and returns its exit code. */
const main = async (args: ReadonlyArray<string>): Promise<number> => {
  const command = parse(args)
  if (command === "help") print(usage)
  else if (command === "version") print(`effect-psrpc-generate v${version}`)
  else {
    const { messages, succeeded, written } = await generate(command)
    if (messages !== "") printError(messages)
    for (const file of written) print(file)
    return succeeded ? 0 : 1
  }
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  printError(
    `effect-psrpc-generate: ${error instanceof Error ? error.message : String(error)} (--help lists the options)`
  )
  process.exitCode = 1
}
