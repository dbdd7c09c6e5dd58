/** The command line of `effect-psrpc-generate`. */
import { parseArgs } from "node:util"

export const usage = `effect-psrpc-generate [options] <folder>...

Generates TypeScript from the .proto files in folders: the messages, by protobuf-es (*_pb.ts), and for each service a
service and a client (*_psrpc.ts). Each folder is a root of imports. psrpc's options are "options.proto" and
"psrpc/options.proto".

  -o, --out <folder>              output folder (default: gen)
  -I, --include <folder>          a further root of imports, not generated; may be repeated
      --target <ts|js|dts>        the targets, joined by + (default: ts)
      --import-extension <ts|js|none>
                                  extension of imports between generated files (default: ts for target ts alone,
                                  else js)
      --service <name>            the full name of a service to generate (default: all of psrpc's); may be repeated
      --topic-schemas <[service:]module>
                                  the module with the Schemas of typed topics: a path from the output folder, or a
                                  package; may be repeated
      --opt <option=value>        a further option of both plugins, such as js_import_style=legacy_commonjs; may be repeated
      --es-opt <option=value>     a further option of protoc-gen-es, such as json_types=true; may be repeated
      --version, --help`

/** The input, output and options of one generation. */
export interface Generation {
  readonly folders: ReadonlyArray<string>
  readonly includes: ReadonlyArray<string>
  readonly out: string
  /** The options of every plugin. */
  readonly common: ReadonlyArray<string>
  /** The options of protoc-gen-es. */
  readonly es: ReadonlyArray<string>
  /** The options of this library's plugin. */
  readonly own: ReadonlyArray<string>
}

export type CommandLine = "help" | "version" | Generation

/** Parses the command line. Throws an error with a message for the user. */
export const parse = (args: ReadonlyArray<string>): CommandLine => {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      out: { type: "string", short: "o", default: "gen" },
      include: { type: "string", short: "I", multiple: true, default: [] },
      target: { type: "string", default: "ts" },
      "import-extension": { type: "string" },
      service: { type: "string", multiple: true, default: [] },
      "topic-schemas": { type: "string", multiple: true, default: [] },
      opt: { type: "string", multiple: true, default: [] },
      "es-opt": { type: "string", multiple: true, default: [] },
      version: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) return "help"
  if (values.version) return "version"
  if (positionals.length === 0) throw new Error("expected a folder with .proto files")
  // node runs .ts files with imports of .ts; JavaScript next to them has only .js
  const extension = values["import-extension"] ?? (values.target === "ts" ? "ts" : "js")
  return {
    folders: positionals,
    includes: values.include,
    out: values.out,
    common: [`target=${values.target}`, `import_extension=${extension}`, ...values.opt],
    es: values["es-opt"],
    own: [
      ...values.service.map((name) => `services=${name}`),
      ...values["topic-schemas"].map((module) => `topic_schemas=${module}`)
    ]
  }
}
