/**
 * The generator as a value, for tools that run plugins of protoc themselves. All others use the programs
 * `effect-psrpc-generate` and `protoc-gen-psrpc-effect`.
 *
 * @since 0.1.0
 */
import type { Plugin } from "@bufbuild/protoplugin"
import { make } from "./plugin.ts"

/**
 * The plugin `protoc-gen-psrpc-effect`. `note` is told what is no error: services that are passed over, for example.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makePlugin: (note: (text: string) => void) => Plugin = make
