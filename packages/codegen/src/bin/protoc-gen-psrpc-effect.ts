import { runNodeJs } from "@bufbuild/protoplugin"
import { make } from "../plugin.ts"

runNodeJs(make((text) => void process.stderr.write(`protoc-gen-psrpc-effect: ${text}\n`)))
