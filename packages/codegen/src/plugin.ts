/** The plugin of protoc and buf. */
import { create, maximumEdition, minimumEdition } from "@bufbuild/protobuf"
import { CodeGeneratorResponse_Feature, CodeGeneratorResponseSchema } from "@bufbuild/protobuf/wkt"
import { createEcmaScriptPlugin, type Plugin, type Schema, type Target } from "@bufbuild/protoplugin"
import { version } from "./manifest.ts"
import { parseOptions, type PluginOptions } from "./pluginOptions.ts"
import { print } from "./print.ts"
import { Contradictions, type Note, select, type SelectedFile } from "./selection.ts"

const name = "protoc-gen-psrpc-effect"

/** Makes the plugin. `note` receives messages for the user that are not errors. */
export const make = (note: Note): Plugin => {
  // a run prints several targets from one selection
  const selections = new WeakMap<object, ReadonlyArray<SelectedFile>>()
  const generate = (schema: Schema<PluginOptions>, target: Target): void => {
    const selected = selections.get(schema) ?? select(schema, note)
    selections.set(schema, selected)
    print(schema, selected, target)
  }
  const plugin = createEcmaScriptPlugin<PluginOptions>({
    name,
    version: `v${version}`,
    parseOptions,
    generateTs: generate,
    generateJs: generate,
    generateDts: generate
  })
  return {
    ...plugin,
    run: (request) => {
      try {
        return plugin.run(request)
      } catch (error) {
        if (!(error instanceof Contradictions)) throw error
        // a wrong .proto is a response of the plugin, not its failure
        return create(CodeGeneratorResponseSchema, {
          error: error.message,
          supportedFeatures: BigInt(
            CodeGeneratorResponse_Feature.PROTO3_OPTIONAL | CodeGeneratorResponse_Feature.SUPPORTS_EDITIONS
          ),
          minimumEdition,
          maximumEdition
        })
      }
    }
  }
}
