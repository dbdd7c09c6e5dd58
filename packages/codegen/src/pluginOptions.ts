/** The options of the plugin, in addition to those of every plugin of protoplugin. */
export interface PluginOptions {
  /** The full names of the services to generate; empty for all of psrpc's. */
  readonly services: ReadonlySet<string>
  /** The module with the Schemas of typed topics, by the full name of a service; "" for all other services. */
  readonly topicSchemas: ReadonlyMap<string, string>
}

const fullName = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/

const parseServices = (value: string): ReadonlyArray<string> => {
  const names = value.split("+")
  for (const name of names) if (!fullName.test(name)) throw new Error(`"${name}" is not the full name of a service`)
  return names
}

/** Returns a module path in the form of protoplugin, which writes the extension of `import_extension`. */
const importPath = (module: string): string =>
  /^\.{1,2}[\\/]/.test(module) ? `${module.replaceAll("\\", "/").replace(/\.(?:js|ts)$/, "")}.js` : module

/** Parses `<module>`, or `<service>:<module>` for one service. */
const parseTopicSchemas = (value: string): readonly [service: string, module: string] => {
  const colon = value.indexOf(":")
  const service = value.slice(0, Math.max(colon, 0))
  const [name, module] = fullName.test(service) ? [service, value.slice(colon + 1)] : ["", value]
  if (module === "") throw new Error("topic_schemas needs a module, for example ../topics.js")
  return [name, importPath(module)]
}

/** Parses the options. Throws for an unknown one, as protoplugin requires. */
export const parseOptions = (given: ReadonlyArray<{ readonly key: string; readonly value: string }>): PluginOptions => {
  const services = new Set<string>()
  const topicSchemas = new Map<string, string>()
  for (const { key, value } of given) {
    switch (key) {
      case "services":
        for (const name of parseServices(value)) services.add(name)
        break
      case "topic_schemas": {
        const [service, module] = parseTopicSchemas(value)
        if (topicSchemas.has(service)) throw new Error(`two modules of topic_schemas for ${service || "all services"}`)
        topicSchemas.set(service, module)
        break
      }
      default:
        throw new Error(`unknown option ${key}`)
    }
  }
  return { services, topicSchemas }
}
