#!/usr/bin/env node
import "../dist/bin/effect-psrpc-generate.js"
