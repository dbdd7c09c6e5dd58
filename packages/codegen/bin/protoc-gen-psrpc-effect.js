#!/usr/bin/env node
import "../dist/bin/protoc-gen-psrpc-effect.js"
