/** Prints the generated text, for TypeScript, JavaScript and declarations. */
import type { DescMessage } from "@bufbuild/protobuf"
import type { GeneratedFile, Printable, Schema, Target } from "@bufbuild/protoplugin"
import type * as Descriptor from "@effect-psrpc/core/Descriptor"
import type { PluginOptions } from "./pluginOptions.ts"
import type { NamedService, SelectedFile } from "./selection.ts"

/** The file and the form of the printed text. */
interface Place {
  readonly f: GeneratedFile
  readonly options: PluginOptions
  /** Prints types only: imports are of types, and a value is `typeof` its name. */
  readonly types: boolean
}

const core = ({ f, types }: Place, name: string): Printable => f.import(name, "@effect-psrpc/core", types)

const value = ({ types }: Place, name: Printable): Printable => (types ? ["typeof ", name] : name)

const message = (place: Place, desc: DescMessage): Printable => value(place, place.f.importSchema(desc, place.types))

/** Returns a message, or `undefined` for `google.protobuf.Empty`, which is no payload. */
const payload = (place: Place, desc: DescMessage): Printable | undefined =>
  desc.typeName === "google.protobuf.Empty" ? undefined : message(place, desc)

const list = (all: ReadonlyArray<Printable>): Printable => all.map((one, i) => (i === 0 ? one : [", ", one]))

const topic = (place: Place, service: NamedService, method: Descriptor.Method): Printable => {
  const { f, options, types } = place
  const readonly = types ? "readonly " : ""
  const { topicSchemas } = options
  const module = method.typed ? (topicSchemas.get(service.desc.typeName) ?? topicSchemas.get("")) : undefined
  if (module === undefined) return [readonly, f.array(method.topic.map(({ name }) => f.string(name)))]
  const fields = method.topic.map(({ name, typeName }) => [
    readonly,
    `${name}: `,
    value(place, f.import(typeName, module, types))
  ])
  return ["{ ", list(fields), " }"]
}

/** Returns the options of a method that its type has, without those that have their defaults. */
const typedOptions = (
  place: Place,
  service: NamedService,
  method: Descriptor.Method
): ReadonlyArray<readonly [name: string, value: Printable | undefined]> => {
  const { f } = place
  const { desc, group, kind, routing } = method
  const payloads: Readonly<Record<typeof kind, ReadonlyArray<readonly [string, Printable | undefined]>>> = {
    unary: [
      ["request", payload(place, desc.input)],
      ["response", payload(place, desc.output)]
    ],
    multi: [
      ["request", payload(place, desc.input)],
      ["response", payload(place, desc.output)]
    ],
    stream: [
      ["send", message(place, desc.input)],
      ["receive", message(place, desc.output)]
    ],
    subscription: [["message", payload(place, desc.output)]]
  }
  return [
    ...payloads[kind],
    ["topic", method.topic.length > 0 ? topic(place, service, method) : undefined],
    ["routing", kind !== "multi" && routing !== "queue" ? f.string(routing) : undefined],
    ["singleServer", method.singleServer ? "true" : undefined],
    ["group", group === undefined ? undefined : f.string(group)]
  ]
}

/** Prints the options that are given as an object, or as its type, each with `prefix`. */
const given = (
  options: ReadonlyArray<readonly [name: string, value: Printable | undefined]>,
  prefix: string,
  separator: string
): Printable => {
  const members = options.filter(([, value]) => value !== undefined)
  if (members.length === 0) return "{}"
  return ["{ ", members.map(([name, value], i) => [i === 0 ? "" : separator, `${prefix}${name}: `, value!]), " }"]
}

/** Prints `Rpc.unary({ … })`. Options with their default are left out. */
const definition = (place: Place, service: NamedService, method: Descriptor.Method): Printable => {
  const { f } = place
  const options: ReadonlyArray<readonly [string, Printable | undefined]> = [
    ["name", f.string(method.name)],
    ["desc", [f.importSchema(service.desc), `.method.${method.desc.localName}`]],
    ...typedOptions(place, service, method),
    ["idempotent", method.idempotent ? "true" : undefined]
  ]
  return [core(place, "Rpc"), `.${method.kind}(`, given(options, "", ", "), ")"]
}

const typeNames = { unary: "Unary", multi: "Multi", stream: "Stream", subscription: "Subscription" } as const

/** Prints `Rpc.Unary<{ … }>`, the type of a definition. Options with their default are left out. */
const type = (place: Place, service: NamedService, method: Descriptor.Method): Printable => [
  core(place, "Rpc"),
  `.${typeNames[method.kind]}<`,
  given(typedOptions(place, service, method), "readonly ", "; "),
  ">"
]

/** Prints the methods of a service in braces: definitions, or their types. */
const printMethods = (place: Place, service: NamedService, start: Printable, end: string): void => {
  const { f, types } = place
  if (service.methods.length === 0) return f.print(start, "{}", end)
  f.print(start, "{")
  for (const [i, method] of service.methods.entries()) {
    f.print(f.jsDoc(method.desc, "  "))
    if (types) f.print(`  readonly ${method.key}: `, type(place, service, method), ";")
    else f.print(`  ${method.key}: `, definition(place, service, method), i < service.methods.length - 1 ? "," : "")
  }
  f.print("}", end)
}

const clientDoc = ({ className, desc }: NamedService): string =>
  `The client of {@link ${className}}, as a service of the program.${desc.deprecated ? "\n\n@deprecated" : ""}`

/** Prints classes with their definitions, for TypeScript and JavaScript. */
const printValues = (place: Place, service: NamedService, target: "ts" | "js"): void => {
  const { f } = place
  const { className, clientId, clientName, desc, name } = service
  f.print(f.jsDoc(desc))
  const make = [core(place, "Service"), ".make(", f.string(name), ", "]
  printMethods(place, service, [f.export("class", className), " extends ", make], ") {}")
  f.print()
  f.print(f.jsDoc(clientDoc(service)))
  const self = target === "ts" ? `<${clientName}>` : ""
  const constructor = [core(place, "Client"), `.Service${self}()(`, f.string(clientId), `, ${className})`]
  f.print(f.export("class", clientName), " extends ", constructor, " {}")
}

/** Prints the types of the same classes. Go's names have no lower-case letter after a `_`, so `_base` is free. */
const printTypes = (place: Place, service: NamedService): void => {
  const { f } = place
  const { className, clientId, clientName, desc, name } = service
  const model = [core(place, "Service"), ".Service<", f.string(name), ", "]
  printMethods(place, service, [`declare const ${className}_base: `, model], ">;")
  f.print()
  f.print(f.jsDoc(desc))
  f.print(f.export("declare class", className), ` extends ${className}_base {}`)
  f.print()
  const parameters = list([clientName, f.string(clientId), `typeof ${className}`])
  f.print(`declare const ${clientName}_base: `, core(place, "Client"), ".ServiceClass<", parameters, ">;")
  f.print()
  f.print(f.jsDoc(clientDoc(service)))
  f.print(f.export("declare class", clientName), ` extends ${clientName}_base {}`)
}

const extensions: Readonly<Record<Target, string>> = { ts: ".ts", js: ".js", dts: ".d.ts" }

/** Prints the files of one target. */
export const print = (schema: Schema<PluginOptions>, files: ReadonlyArray<SelectedFile>, target: Target): void => {
  for (const { file, services } of files) {
    const f = schema.generateFile(`${file.name}_psrpc${extensions[target]}`)
    f.preamble(file)
    const place = { f, options: schema.options, types: target === "dts" }
    for (const [i, service] of services.entries()) {
      if (i > 0) f.print()
      if (target === "dts") printTypes(place, service)
      else printValues(place, service, target)
    }
    // without this line, all declarations are exported
    if (target === "dts") {
      f.print()
      f.print("export {};")
    }
  }
}
