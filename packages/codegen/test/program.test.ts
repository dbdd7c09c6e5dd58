// The program effect-psrpc-generate, and the template for buf.
import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { type Files, inFolder, packageFolder, program, readFiles, run, writeFiles } from "./support.ts"

const greeter = `syntax = "proto3";

package app.v1;

import "options.proto";

service Greeter {
  rpc Hello(HelloRequest) returns (HelloResponse);
  rpc Reload(HelloRequest) returns (HelloResponse) {
    option (psrpc.options).type = MULTI;
  }
}

message HelloRequest {
  string name = 1;
}

message HelloResponse {
  string text = 1;
}
`

/** Runs the program in a folder with these files. */
const generate = (files: Files, ...args: ReadonlyArray<string>) =>
  inFolder(async (folder) => {
    writeFiles(folder, files)
    const finished = await program(args, folder)
    const made = Object.fromEntries(Object.entries(readFiles(folder)).filter(([name]) => !(name in files)))
    return { ...finished, made }
  })

describe("effect-psrpc-generate", () => {
  it("makes messages and services of a folder, and says what it wrote", async () => {
    const { code, made, stderr, stdout } = await generate({ "proto/app/greeter.proto": greeter }, "proto")
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(Object.keys(made), ["gen/app/greeter_pb.ts", "gen/app/greeter_psrpc.ts"])
    assert.strictEqual(stdout, "gen/app/greeter_pb.ts\ngen/app/greeter_psrpc.ts\n")
    // psrpc's options are not made again for each project
    assert.include(made["gen/app/greeter_pb.ts"], 'import { file_options } from "@effect-psrpc/core/options_pb.js";')
    assert.include(made["gen/app/greeter_psrpc.ts"], 'from "./greeter_pb.ts";')
  })

  it("makes what buf makes with the template of the package", async () => {
    await inFolder(async (folder) => {
      writeFiles(folder, {
        "proto/greeter.proto": greeter,
        "proto/other.proto": greeter.replaceAll("app.v1", "app.v2").replace("options.proto", "psrpc/options.proto"),
        // the lines of the README, for a folder with node_modules
        "buf.yaml": "version: v2\nmodules:\n  - path: proto\n  - path: node_modules/@effect-psrpc/codegen/proto\n",
        "bin/protoc-gen-psrpc-effect": `#!/bin/sh\nexec node --conditions=@effect-psrpc/source ${packageFolder}/src/bin/protoc-gen-psrpc-effect.ts\n`
      })
      mkdirSync(join(folder, "node_modules/@effect-psrpc"), { recursive: true })
      symlinkSync(packageFolder, join(folder, "node_modules/@effect-psrpc/codegen"))
      await run("chmod", ["+x", "bin/protoc-gen-psrpc-effect"], folder)
      const template = "node_modules/@effect-psrpc/codegen/buf.gen.yaml"
      const buf = await run(
        "env",
        [`PATH=${folder}/bin${delimiter}${process.env["PATH"]}`, "buf", "generate", "proto", "--template", template],
        folder
      )
      assert.strictEqual(buf.code, 0, buf.stderr)
      assert.strictEqual((await program(["proto", "-o", "own"], folder)).code, 0)
      assert.deepStrictEqual(readFiles(join(folder, "own")), readFiles(join(folder, "gen")))
      assert.lengthOf(readdirSync(join(folder, "own")), 4)
    })
  })

  it("takes a folder as it is: packages, hidden folders, a copy of psrpc's options", async () => {
    const copy = readFileSync(join(packageFolder, "proto/options.proto"), "utf8")
    const { code, made, stderr } = await generate(
      {
        "greeter.proto": greeter,
        "options.proto": copy,
        "node_modules/some/broken.proto": "not a .proto",
        ".hidden/broken.proto": "not a .proto",
        "notes.txt": "not a .proto"
      },
      ".",
      "--out",
      "src/gen"
    )
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(Object.keys(made), ["src/gen/greeter_pb.ts", "src/gen/greeter_psrpc.ts"])
  })

  it("leaves an options.proto alone that is somebody else's", async () => {
    const other = 'syntax = "proto3";\npackage other;\nmessage Options {}\n'
    const both = greeter
      .replace("options.proto", "psrpc/options.proto")
      .replace("message Hello", 'import "options.proto";\nmessage Hello')
    const { code, made, stderr } = await generate(
      { "proto/options.proto": other, "proto/greeter.proto": both },
      "proto"
    )
    assert.strictEqual(code, 0, stderr)
    assert.include(made["gen/options_pb.ts"], "other.Options")
    assert.include(
      made["gen/greeter_pb.ts"],
      'import { file_psrpc_options } from "@effect-psrpc/core/psrpc/options_pb.js";'
    )
    assert.include(made["gen/greeter_pb.ts"], 'import { file_options } from "./options_pb.ts";')
    assert.include(made["gen/greeter_psrpc.ts"], "Rpc.multi")
  })

  it("takes several folders, and others to import from", async () => {
    const user = 'syntax = "proto3";\nimport "lib/lib.proto";\nservice User { rpc Call(lib.M) returns (lib.M); }\n'
    const { code, made, stderr } = await generate(
      {
        "one/greeter.proto": greeter,
        "two/user.proto": user,
        "vendor/lib/lib.proto": 'syntax = "proto3";\npackage lib;\nmessage M {}\n'
      },
      ...["one", "two", "-I", "vendor", "--opt", "map_imports=lib/:@acme/protos"]
    )
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(Object.keys(made), [
      "gen/greeter_pb.ts",
      "gen/greeter_psrpc.ts",
      "gen/user_pb.ts",
      "gen/user_psrpc.ts"
    ])
    assert.include(made["gen/user_psrpc.ts"], 'import { MSchema } from "@acme/protos/lib/lib_pb.js";')
  })

  it("takes the first of several roots that has a file, as compilers do", async () => {
    const { code, made, stderr } = await generate(
      { "proto/greeter.proto": greeter, "other/greeter.proto": "not a .proto" },
      ...["proto", "./proto", "-I", "proto", "-I", "other"]
    )
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(Object.keys(made), ["gen/greeter_pb.ts", "gen/greeter_psrpc.ts"])
  })

  it("has options for targets, extensions, services, Schemas and the messages", async () => {
    const files = { "proto/greeter.proto": greeter }
    const js = await generate(files, "proto", "--target", "js+dts")
    assert.deepStrictEqual(Object.keys(js.made), [
      "gen/greeter_pb.d.ts",
      "gen/greeter_pb.js",
      "gen/greeter_psrpc.d.ts",
      "gen/greeter_psrpc.js"
    ])
    assert.include(js.made["gen/greeter_psrpc.js"], 'from "./greeter_pb.js";')
    const both = await generate(files, "proto", "--target", "ts+js")
    for (const file of ["gen/greeter_psrpc.js", "gen/greeter_psrpc.ts"]) {
      assert.include(both.made[file], 'from "./greeter_pb.js";')
    }
    const none = await generate(files, "proto", "--import-extension", "none", "--service", "app.v1.Nobody")
    assert.deepStrictEqual(Object.keys(none.made), ["gen/greeter_pb.ts"])
    assert.include(none.stderr, "services: no file of this run has app.v1.Nobody")
    const json = await generate(files, "proto", "--es-opt", "json_types=true", "--service", "app.v1.Greeter")
    assert.include(json.made["gen/greeter_pb.ts"], "HelloRequestJson")
    assert.property(json.made, "gen/greeter_psrpc.ts")
  })

  it("reports skipped services with the user's file names", async () => {
    const grpc = 'syntax = "proto3";\nmessage M {}\nservice Upload { rpc Send(stream M) returns (M); }\n'
    const { code, made, stderr } = await generate({ "a/deep/grpc.proto": grpc }, "a")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(Object.keys(made), ["gen/deep/grpc_pb.ts"])
    assert.strictEqual(
      stderr,
      "protoc-gen-psrpc-effect: a/deep/grpc.proto:3: service Upload is skipped: " +
        "it has the keyword stream and none of psrpc's options\n"
    )
  })

  const wrong: ReadonlyArray<readonly [name: string, files: Files, args: ReadonlyArray<string>, message: string]> = [
    [
      "a contradiction",
      {
        "a/b/greeter.proto": greeter
          .replace("type = MULTI", "topic_params.names = ")
          .replace("names = ;", 'names = "x";')
      },
      ["a"],
      "a/b/greeter.proto:9: service app.v1.Greeter, method Reload: topic_params.names without topics = true\n"
    ],
    [
      "a contradiction in a file whose name has spaces, in a folder with what patterns and replacements know",
      { "$& (a)/sp ace/gre eter.proto": greeter.replace(".type = MULTI", ".topic_params.group = 'g'") },
      ["$& (a)/"],
      "$& (a)/sp ace/gre eter.proto:9: service app.v1.Greeter, method Reload: topic_params.group without topics = true\n"
    ],
    [
      "two files of one name in imports",
      { "one/greeter.proto": greeter, "two/greeter.proto": greeter.replaceAll("app.v1", "app.v2") },
      ["one", "./two"],
      "effect-psrpc-generate: one/greeter.proto and two/greeter.proto have the same name in imports: greeter.proto"
    ],
    [
      "a folder where a file has to be",
      { "a/greeter.proto": greeter, "out/greeter_psrpc.ts/notes.txt": "" },
      ["a", "-o", "out"],
      "effect-psrpc-generate: out/greeter_psrpc.ts is a folder; expected a file"
    ],
    [
      "a file where a folder has to be",
      { "a/greeter.proto": greeter, out: "" },
      ["a", "-o", "out/deep"],
      "effect-psrpc-generate: out is a file; expected a folder"
    ],
    [
      "what is no .proto",
      { "a/b/greeter.proto": greeter.replace("message HelloRequest {", "message {}") },
      ["./a"],
      "a/b/greeter.proto:14:"
    ],
    [
      "an import that is not there",
      { "a/greeter.proto": greeter.replace("options.proto", "nowhere.proto") },
      ["a"],
      "a/greeter.proto:5:1:imported file does not exist"
    ],
    ["a folder that is not there", {}, ["nowhere"], "effect-psrpc-generate: no such folder: nowhere"],
    ["a file for a folder", { "a.proto": greeter }, ["a.proto"], "effect-psrpc-generate: no such folder: a.proto"],
    ["a folder without .proto files", { "a/notes.txt": "" }, ["a"], "effect-psrpc-generate: no .proto files in a"],
    ["no folder", {}, [], "effect-psrpc-generate: expected a folder with .proto files"],
    ["an option that is not there", {}, ["a", "--foo"], "effect-psrpc-generate: Unknown option '--foo'"],
    [
      "a target that is not there",
      { "a/greeter.proto": greeter },
      ["a", "--target", "rust"],
      'invalid option "target=rust"'
    ],
    [
      "an option of plugins that is not there",
      { "a/greeter.proto": greeter },
      ["a", "--opt", "foo=1"],
      'protoc-gen-es: invalid option "foo=1'
    ]
  ]
  it.each(wrong)("writes nothing for %s, and says so", async (_, files, args, message) => {
    const { code, made, stderr, stdout } = await generate(files, ...args)
    assert.include(stderr, message)
    assert.notInclude(stderr, "effect-psrpc-input")
    assert.strictEqual(stdout, "")
    assert.strictEqual(code, 1)
    assert.deepStrictEqual(made, {})
  })

  it("tells files apart whose names in folders and in imports are alike", async () => {
    const files = { "a/greeter.proto": `${greeter}}`, "a/a/greeter.proto": greeter.replaceAll("app.v1", "app.v2") }
    const { code, stderr } = await generate(files, "a")
    assert.match(stderr, /^a\/greeter\.proto:21:/)
    assert.strictEqual(code, 1)
  })

  it("leaves what was made before as it was when something is wrong", async () => {
    await inFolder(async (folder) => {
      writeFiles(folder, { "proto/greeter.proto": greeter })
      assert.strictEqual((await program(["proto"], folder)).code, 0)
      const before = readFiles(join(folder, "gen"))
      writeFileSync(join(folder, "proto/greeter.proto"), greeter.replace("MULTI", "MULTI, stream"))
      assert.strictEqual((await program(["proto"], folder)).code, 1)
      assert.deepStrictEqual(readFiles(join(folder, "gen")), before)
    })
  })

  it("says its version and how it is used", async () => {
    const { version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"))
    assert.strictEqual((await generate({}, "--version")).stdout, `effect-psrpc-generate v${version}\n`)
    const { code, stdout } = await generate({}, "--help")
    assert.strictEqual(code, 0)
    for (const option of ["--out", "--include", "--target", "--service", "--topic-schemas"])
      assert.include(stdout, option)
  })
})
