import { parse, usage } from "../generate/commandLine.ts"
import { generate } from "../generate/generate.ts"
import { version } from "../manifest.ts"

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const complain = (text: string): void => void process.stderr.write(`${text}\n`)

/** The exit code. */
const main = async (args: ReadonlyArray<string>): Promise<number> => {
  const command = parse(args)
  if (command === "help") say(usage)
  else if (command === "version") say(`effect-psrpc-generate v${version}`)
  else {
    const { succeeded, words, written } = await generate(command)
    if (words !== "") complain(words)
    for (const file of written) say(file)
    return succeeded ? 0 : 1
  }
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  complain(`effect-psrpc-generate: ${error instanceof Error ? error.message : String(error)} (--help says more)`)
  process.exitCode = 1
}
