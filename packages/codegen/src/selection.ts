/** Which services are generated, and what is wrong with them. */
import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf"
import { Descriptor } from "@effect-psrpc/core"
import { safeIdentifier, type Schema } from "@bufbuild/protoplugin"
import type { PluginOptions } from "./pluginOptions.ts"

/** A service, and what its classes are called. */
export interface NamedService extends Descriptor.Service {
  readonly className: string
  readonly clientName: string
  /** The client's key in the context. */
  readonly clientId: string
}

/** A file that has services to be generated. */
export interface SelectedFile {
  readonly file: DescFile
  readonly services: ReadonlyArray<NamedService>
}

/** Tells the user something that is no error. */
export type Note = (text: string) => void

/** What is wrong with .proto files, one line each. It goes back to the compiler, which shows it to the user. */
export class Contradictions extends Error {}

// the fields' numbers in FileDescriptorProto and ServiceDescriptorProto
const serviceField = 6
const methodField = 2

/** File and line, where the compiler tells lines. */
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
      // a service of the file may have the name
      clientName: classNames.has(client) ? `${client}$` : client,
      clientId: packageName === "" ? client : `${packageName}/${client}`
    }
  })
}

/** The services of a file that are generated; `inPackages` are those before it, by package and wire name. */
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
      note(
        `${at(desc)}: service ${desc.typeName} is passed over: it has the keyword stream and none of psrpc's options`
      )
      continue
    }
    for (const { message, method } of service.problems) problem(describe(desc, method, message))
    // packages are no part of it, and are as a rule versions of one service, or served apart
    const inPackage = `${file.proto.package}/${service.name}`
    const other = inPackages.get(inPackage)
    if (other === undefined) inPackages.set(inPackage, service)
    else {
      const where = other.desc.file === file ? "" : ` in ${other.desc.file.proto.name}`
      problem(
        `${at(desc)}: service ${desc.typeName}: has the wire name ${service.name}, which ${other.desc.name}${where} has already`
      )
    }
    selected.push(service)
  }
  return selected
}

/** Tells which services options name that are not there, or are of files of which nothing is made. */
const noteUnknown = ({ allFiles, files, options }: Schema<PluginOptions>, note: Note): void => {
  const fileOf = new Map(allFiles.flatMap((file) => file.services.map(({ typeName }) => [typeName, file] as const)))
  const noteOne = (option: string, name: string): void => {
    const file = fileOf.get(name)
    if (file === undefined) note(`${option}: ${name} is in none of the files of this run`)
    else if (!files.includes(file)) {
      note(`${option}: ${name} is in ${file.proto.name}, of which nothing is made in this run`)
    }
  }
  for (const name of options.services) noteOne("services", name)
  for (const name of options.topicSchemas.keys()) if (name !== "") noteOne("topic_schemas", name)
}

/** What is to be generated. Throws {@link Contradictions}, with all there are. */
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
