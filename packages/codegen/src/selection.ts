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

/** The services of a file that are generated. */
const selectServices = (
  file: DescFile,
  { services: wanted }: PluginOptions,
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
    const other = selected.find(({ name }) => name === service.name)
    if (other !== undefined) {
      problem(
        `${at(desc)}: service ${desc.typeName}: has the wire name ${service.name}, which ${other.desc.name} has already`
      )
    }
    selected.push(service)
  }
  return selected
}

/** What is to be generated. Throws {@link Contradictions}, with all there are. */
export const select = (schema: Schema<PluginOptions>, note: Note): ReadonlyArray<SelectedFile> => {
  const problems: Array<string> = []
  const files = schema.files.flatMap((file) => {
    const services = selectServices(file, schema.options, note, (text) => void problems.push(text))
    return services.length === 0 ? [] : [{ file, services: named(services) }]
  })
  if (problems.length > 0) throw new Contradictions(problems.join("\n"))
  const known = new Set(schema.allFiles.flatMap((file) => file.services.map(({ typeName }) => typeName)))
  for (const name of schema.options.services) {
    if (!known.has(name)) note(`services: ${name} is in none of the files of this run`)
  }
  return files
}
