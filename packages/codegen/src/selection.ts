/** Selects the services to generate, and checks them. */
import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf"
import * as Descriptor from "@effect-psrpc/core/Descriptor"
import { safeIdentifier, type Schema } from "@bufbuild/protoplugin"
import type { PluginOptions } from "./pluginOptions.ts"

/** A service, and the names of its classes. */
export interface NamedService extends Descriptor.Service {
  readonly className: string
  readonly clientName: string
  /** The client's key in the context. */
  readonly clientId: string
}

/** A file with services to generate. */
export interface SelectedFile {
  readonly file: DescFile
  readonly services: ReadonlyArray<NamedService>
}

/** Reports a message to the user that is not an error. */
export type Note = (text: string) => void

/** Contradictions in .proto files, one line each. The compiler receives them and shows them to the user. */
export class Contradictions extends Error {}

// field numbers in FileDescriptorProto and ServiceDescriptorProto
const serviceField = 6
const methodField = 2

/** Returns the file, and the line if the compiler reports lines. */
const at = (service: DescService, method?: DescMethod): string => {
  const { file } = service
  const path = [serviceField, file.services.indexOf(service)]
  if (method !== undefined) path.push(methodField, service.methods.indexOf(method))
  const location = file.proto.sourceCodeInfo?.location.find(
    (one) => one.path.length === path.length && one.path.every((part, i) => part === path[i])
  )
  const line = location?.span[0]
  return line === undefined ? file.proto.name : `${file.proto.name}:${line + 1}`
}

const describe = (service: DescService, method: DescMethod, message: string): string =>
  `${at(service, method)}: service ${service.typeName}, method ${method.name}: ${message}`

const named = (services: ReadonlyArray<Descriptor.Service>): ReadonlyArray<NamedService> => {
  const classNames = new Set(services.map(({ name }) => safeIdentifier(name)))
  return services.map((service) => {
    const client = `${service.name}Client`
    const { package: packageName } = service.desc.file.proto
    return {
      ...service,
      className: safeIdentifier(service.name),
      // a service of the file may have this name
      clientName: classNames.has(client) ? `${client}$` : client,
      clientId: packageName === "" ? client : `${packageName}/${client}`
    }
  })
}

/** Returns the services of a file to generate. `inPackages` has the earlier ones, by package and wire name. */
const selectServices = (
  file: DescFile,
  { services: wanted }: PluginOptions,
  inPackages: Map<string, Descriptor.Service>,
  note: Note,
  problem: (text: string) => void
): ReadonlyArray<Descriptor.Service> => {
  const selected: Array<Descriptor.Service> = []
  for (const desc of file.services) {
    if (wanted.size > 0 && !wanted.has(desc.typeName)) continue
    const service = Descriptor.read(desc)
    if (service.hasStreamKeyword && !service.hasOptions && wanted.size === 0) {
      note(`${at(desc)}: service ${desc.typeName} is skipped: it has the keyword stream and none of psrpc's options`)
      continue
    }
    for (const { message, method } of service.problems) problem(describe(desc, method, message))
    // the package is not part of the wire name; packages are usually versions of one service, or served apart
    const inPackage = `${file.proto.package}/${service.name}`
    const other = inPackages.get(inPackage)
    if (other === undefined) inPackages.set(inPackage, service)
    else {
      const where = other.desc.file === file ? "" : ` in ${other.desc.file.proto.name}`
      problem(
        `${at(desc)}: service ${desc.typeName}: has the same wire name ${service.name} as ${other.desc.name}${where}`
      )
    }
    selected.push(service)
  }
  return selected
}

/** Reports services in options that do not exist, or whose file is not generated in this run. */
const noteUnknown = ({ allFiles, files, options }: Schema<PluginOptions>, note: Note): void => {
  const fileOf = new Map(allFiles.flatMap((file) => file.services.map(({ typeName }) => [typeName, file] as const)))
  const noteOne = (option: string, name: string): void => {
    const file = fileOf.get(name)
    if (file === undefined) note(`${option}: no file of this run has ${name}`)
    else if (!files.includes(file)) {
      note(`${option}: ${name} is in ${file.proto.name}, which is not generated in this run`)
    }
  }
  for (const name of options.services) noteOne("services", name)
  for (const name of options.topicSchemas.keys()) if (name !== "") noteOne("topic_schemas", name)
}

/** Returns the files and services to generate. Throws {@link Contradictions}, all of a run at once. */
export const select = (schema: Schema<PluginOptions>, note: Note): ReadonlyArray<SelectedFile> => {
  const problems: Array<string> = []
  const inPackages = new Map<string, Descriptor.Service>()
  const files = schema.files.flatMap((file) => {
    const services = selectServices(file, schema.options, inPackages, note, (text) => void problems.push(text))
    return services.length === 0 ? [] : [{ file, services: named(services) }]
  })
  if (problems.length > 0) throw new Contradictions(problems.join("\n"))
  noteUnknown(schema, note)
  return files
}
