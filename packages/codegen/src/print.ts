/** The text that is generated, for TypeScript, JavaScript and declarations. */
import type { DescMessage } from "@bufbuild/protobuf"
import type { GeneratedFile, Printable, Schema, Target } from "@bufbuild/protoplugin"
import type { Descriptor } from "@effect-psrpc/core"
import type { PluginOptions } from "./pluginOptions.ts"
import type { NamedService, SelectedFile } from "./selection.ts"

/** Where something is printed, and as what. */
interface Place {
  readonly f: GeneratedFile
  readonly options: PluginOptions
  /** Types alone are printed: imports are of types, and a value is `typeof` its name. */
  readonly types: boolean
}

const core = ({ f, types }: Place, name: string): Printable => f.import(name, "@effect-psrpc/core", types)

const value = ({ types }: Place, name: Printable): Printable => (types ? ["typeof ", name] : name)

const message = (place: Place, desc: DescMessage): Printable => value(place, place.f.importSchema(desc, place.types))

/** A message, or `undefined` for nothing, which is what `google.protobuf.Empty` is. */
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

/** `Rpc.unary({ … })`: what is left out has its default. */
const definition = (place: Place, service: NamedService, method: Descriptor.Method): Printable => {
  const { f } = place
  const { desc, group, kind, routing } = method
  const options: Record<string, Printable | undefined> = { name: f.string(method.name) }
  switch (kind) {
    case "unary":
    case "multi":
      options["request"] = payload(place, desc.input)
      options["response"] = payload(place, desc.output)
      break
    case "stream":
      options["send"] = message(place, desc.input)
      options["receive"] = message(place, desc.output)
      break
    case "subscription":
      options["message"] = payload(place, desc.output)
  }
  if (method.topic.length > 0) options["topic"] = topic(place, service, method)
  if (kind !== "multi" && routing !== "queue") options["routing"] = f.string(routing)
  if (method.singleServer) options["singleServer"] = "true"
  if (group !== undefined) options["group"] = f.string(group)
  if (method.idempotent) options["idempotent"] = "true"
  const given = Object.entries(options).flatMap(([key, one]) => (one === undefined ? [] : [[`${key}: `, one]]))
  return [core(place, "Rpc"), `.${kind}({ `, list(given), " })"]
}

/** `Rpc.Unary<…>`: the type of that. */
const type = (place: Place, service: NamedService, method: Descriptor.Method): Printable => {
  const { f } = place
  const { desc, kind } = method
  const [input, output] = [payload(place, desc.input) ?? "undefined", payload(place, desc.output) ?? "undefined"]
  const rpc = core(place, "Rpc")
  const parameters = topic(place, service, method)
  const routing = f.string(method.routing)
  const group = method.group === undefined ? "undefined" : f.string(method.group)
  const chosen = [parameters, routing, String(method.singleServer), group]
  switch (kind) {
    case "unary":
      return [rpc, ".Unary<", list([input, output, "undefined", ...chosen]), ">"]
    case "multi":
      return [rpc, ".Multi<", list([input, output, "undefined", parameters, group]), ">"]
    case "stream":
      return [rpc, ".Stream<", list([message(place, desc.input), message(place, desc.output), ...chosen]), ">"]
    case "subscription":
      return [rpc, ".Subscription<", list([output, parameters, routing]), ">"]
  }
}

/** The methods of a service, in braces: definitions, or their types. */
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

/** Classes with their definitions, for TypeScript and JavaScript. */
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

/** The types of the same classes. Go's names have no small letter behind a `_`, so that `_base` is nobody's. */
const printTypes = (place: Place, service: NamedService): void => {
  const { f } = place
  const { className, clientId, clientName, desc, name } = service
  const model = [core(place, "Service"), ".Service<", f.string(name), ", "]
  printMethods(place, service, [`declare const ${className}_base: `, model], ">;")
  f.print()
  f.print(f.jsDoc(desc))
  f.print(f.export("declare class", className), ` extends ${className}_base {}`)
  f.print()
  const methods = [core(place, "Service"), `.Methods<typeof ${className}>`]
  const parameters = list([clientName, f.string(clientId), methods, f.string(name)])
  f.print(`declare const ${clientName}_base: `, core(place, "Client"), ".ServiceClass<", parameters, ">;")
  f.print()
  f.print(f.jsDoc(clientDoc(service)))
  f.print(f.export("declare class", clientName), ` extends ${clientName}_base {}`)
}

const extensions: Readonly<Record<Target, string>> = { ts: ".ts", js: ".js", dts: ".d.ts" }

/** Prints files for one target. */
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
    // without it, all that is declared is exported
    if (target === "dts") {
      f.print()
      f.print("export {};")
    }
  }
}
