/** What `effect-psrpc-generate` is told. */
import { parseArgs } from "node:util"

export const usage = `effect-psrpc-generate [options] <folder>...

Makes TypeScript from the .proto files in folders: what protobuf-es makes of the messages (*_pb.ts), and a service and a
client for each service (*_psrpc.ts). Each folder is a root of imports; psrpc's options are found as "options.proto" and
as "psrpc/options.proto".

  -o, --out <folder>              where to (default: gen)
  -I, --include <folder>          a further root of imports, of which nothing is made; may be repeated
      --target <ts|js|dts>        what is made, joined by + (default: ts)
      --import-extension <ts|js|none>
                                  how generated files name each other (default: ts with target ts alone, else js)
      --service <name>            the full name of a service that is wanted (default: all of psrpc's); may be repeated
      --topic-schemas <[service:]module>
                                  the module of typed topics' Schemas, from the folder that is generated into, or a
                                  package; may be repeated
      --opt <option=value>        a further option of both plugins, as js_import_style=legacy_commonjs; may be repeated
      --es-opt <option=value>     a further option of protoc-gen-es, as json_types=true; may be repeated
      --version, --help`

/** Something to be made. */
export interface Generation {
  readonly folders: ReadonlyArray<string>
  readonly includes: ReadonlyArray<string>
  readonly out: string
  /** The options of every plugin. */
  readonly common: ReadonlyArray<string>
  /** Those of protoc-gen-es. */
  readonly es: ReadonlyArray<string>
  /** Those of this library's plugin. */
  readonly own: ReadonlyArray<string>
}

export type CommandLine = "help" | "version" | Generation

/** Throws, with words for the user, for what it does not understand. */
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
  if (positionals.length === 0) throw new Error("which folder has the .proto files?")
  // what node takes as it is has names of .ts; what is made beside it in JavaScript has only .js
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
