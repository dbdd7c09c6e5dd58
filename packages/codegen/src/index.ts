/**
 * The plugin as a value, for tools that run plugins of protoc themselves. Use the programs `effect-psrpc-generate` and
 * `protoc-gen-psrpc-effect` for everything else.
 *
 * @since 0.1.0
 */
import type { Plugin } from "@bufbuild/protoplugin"
import { make } from "./plugin.ts"

/**
 * Makes the plugin `protoc-gen-psrpc-effect`. `note` receives messages that are not errors, about skipped services for example.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makePlugin: (note: (text: string) => void) => Plugin = make
