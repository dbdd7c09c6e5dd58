import { assert, describe, it } from "@effect/vitest"
import { compile, runPlugin } from "./support.ts"

/** A .proto with two methods; the first has its options on line 8. */
const proto = (first: string, second = "", methods = "rpc One(M) returns (M)"): string => `syntax = "proto3";

package acme.v1;

import "options.proto";

service Svc {
  ${methods} { ${first} }
  rpc Two(M) returns (M) { ${second} }
}

message M {}
`

const options = (text: string): string => `option (psrpc.options) = { ${text} };`

const one = (message: string): string => `svc.proto:8: service acme.v1.Svc, method One: ${message}`
const two = (message: string): string => `svc.proto:9: service acme.v1.Svc, method Two: ${message}`
const keyword = "has the keyword stream, which psrpc does not use: its streams have the option stream = true"

const cases: ReadonlyArray<readonly [name: string, proto: string, errors: ReadonlyArray<string>]> = [
  [
    "stream with subscription",
    proto(options("stream: true subscription: true")),
    [one("stream and subscription exclude each other")]
  ],
  [
    "a multi stream",
    proto(options("stream: true type: MULTI")),
    [one("a stream goes to one server: its type cannot be MULTI")]
  ],
  [
    "a multi stream, in the older spelling",
    proto(options("stream: true multi: false")),
    [one("a stream goes to one server: its type cannot be MULTI")]
  ],
  [
    "an affinity subscription",
    proto(options("subscription: true type: AFFINITY")),
    [one("a subscription is of type QUEUE or MULTI, not AFFINITY")]
  ],
  [
    "a single server with affinity",
    proto(options('type: AFFINITY topics: true topic_params: { names: "a" single_server: true }')),
    [one("type AFFINITY and topic_params.single_server exclude each other: a single server sends no claim")]
  ],
  [
    "names without topics",
    proto(options('topic_params: { names: "a" }')),
    [one("topic_params.names without topics = true")]
  ],
  [
    "a group without topics",
    proto(options('topic_params: { group: "g" }')),
    [one("topic_params.group without topics = true")]
  ],
  [
    "an empty topic name",
    proto(options('topics: true topic_params: { names: ["a", ""] }')),
    [one("topic_params.names has an empty name")]
  ],
  [
    "a topic name that is none",
    proto(options('topics: true topic_params: { names: "no-de" }')),
    [one('the topic parameter "no-de" is not a name: letters, digits and _')]
  ],
  [
    "a topic name that begins with a digit",
    proto(options('topics: true topic_params: { names: "1" }')),
    [one('the topic parameter "1" is not a name: letters, digits and _')]
  ],
  [
    "two topic names that are one in code",
    proto(options('topics: true topic_params: { names: ["node_id", "nodeId"] }')),
    [one("two topic parameters have the name nodeId")]
  ],
  [
    "members of a group whose names differ",
    proto(
      options('topics: true topic_params: { names: ["a", "b"] group: "g" }'),
      options('topics: true topic_params: { names: ["b", "a"] group: "g" }')
    ),
    [two("has the topic parameters b, a, and One of the same topic group, g, has a, b")]
  ],
  [
    "members of a group of which one is typed",
    proto(
      options('topics: true topic_params: { names: "a" group: "g" typed: true }'),
      options('topics: true topic_params: { names: "a" group: "g" }')
    ),
    [two("has the topic parameters a, and One of the same topic group, g, has a (typed)")]
  ],
  [
    "the keyword stream on a method with options",
    proto(options("type: MULTI"), "", "rpc One(stream M) returns (M)"),
    [one(keyword)]
  ],
  [
    "the keyword stream beside a method with options",
    proto("", options("type: MULTI"), "rpc One(M) returns (stream M)"),
    [one(keyword)]
  ],
  [
    "two methods with one wire name",
    proto("", "", "rpc two(M) returns (M)"),
    ["svc.proto:9: service acme.v1.Svc, method Two: has the same wire name Two as two"]
  ],
  [
    "two services with one wire name",
    `${proto("")}\nservice svc { rpc One(M) returns (M); }\n`,
    ["svc.proto:14: service acme.v1.svc: has the same wire name Svc as Svc"]
  ],
  [
    "several at once, each on a line of its own",
    proto(options('stream: true subscription: true topic_params: { names: "a" }'), options("stream: true type: MULTI")),
    [
      one("stream and subscription exclude each other"),
      one("topic_params.names without topics = true"),
      two("a stream goes to one server: its type cannot be MULTI")
    ]
  ]
]

describe("contradictions are errors that say where", () => {
  for (const [name, file, errors] of cases) {
    it(name, async () => {
      const { error, files } = runPlugin(await compile({ "svc.proto": file }))
      assert.deepStrictEqual(error.split("\n"), errors)
      assert.deepStrictEqual(files, {})
    })
  }

  it("without a line where the compiler tells none", async () => {
    const compiled = await compile({ "svc.proto": proto(options("stream: true type: MULTI")) })
    for (const file of compiled.set.file) delete file.sourceCodeInfo
    const { error } = runPlugin(compiled)
    assert.strictEqual(
      error,
      "svc.proto: service acme.v1.Svc, method One: a stream goes to one server: its type cannot be MULTI"
    )
  })

  it("a type that a later psrpc may have, in a copy of its options elsewhere", async () => {
    const copy = `syntax = "proto3";
      package psrpc;
      import "google/protobuf/descriptor.proto";
      extend google.protobuf.MethodOptions { optional Options options = 2198; }
      enum Routing { QUEUE = 0; NEAREST = 9; }
      message Options { Routing type = 8; }`
    const file = proto("option (psrpc.options).type = NEAREST;").replace("options.proto", "vendor/psrpc.proto")
    const { error } = runPlugin(await compile({ "vendor/psrpc.proto": copy, "svc.proto": file }))
    assert.strictEqual(error, one("type has the value 9, which psrpc does not know"))
  })

  it("an option of somebody else's with the number of psrpc's", async () => {
    const other = `syntax = "proto3";
      package other;
      import "google/protobuf/descriptor.proto";
      extend google.protobuf.MethodOptions { string other = 2198; }`
    const file = proto('option (other.other) = "hello";').replace("options.proto", "other.proto")
    const { error, files } = runPlugin(await compile({ "other.proto": other, "svc.proto": file }))
    const message = "has an option with the number 2198 that is not psrpc's: "
    assert.strictEqual(error.slice(0, one(message).length), one(message))
    assert.deepStrictEqual(files, {})
  })

  it("of all files of a run, and no file is generated", async () => {
    const wrong = (name: string) =>
      proto(options("stream: true type: MULTI")).replace("service Svc", `service ${name}`).replaceAll("acme.v1", name)
    const { error, files } = runPlugin(
      await compile({ "a.proto": wrong("A"), "b/b.proto": wrong("B"), "c.proto": proto("") })
    )
    const message = "method One: a stream goes to one server: its type cannot be MULTI"
    assert.deepStrictEqual(error.split("\n"), [
      `a.proto:8: service A.A, ${message}`,
      `b/b.proto:8: service B.B, ${message}`
    ])
    assert.deepStrictEqual(files, {})
  })
})

describe("services of one wire name", () => {
  const service = (packageName: string, name: string): string =>
    proto("").replace("acme.v1", packageName).replace("service Svc", `service ${name}`).replaceAll(/\bM\b/g, `${name}M`)

  it("in two files of a package are a contradiction", async () => {
    const files = { "a.proto": service("acme.v1", "Svc"), "b/b.proto": service("acme.v1", "svc") }
    assert.strictEqual(
      runPlugin(await compile(files)).error,
      "b/b.proto:7: service acme.v1.svc: has the same wire name Svc as Svc in a.proto"
    )
  })

  it("in two packages are none", async () => {
    const files = { "v1.proto": service("acme.v1", "Svc"), "v2.proto": service("acme.v2", "Svc") }
    const answer = runPlugin(await compile(files))
    assert.strictEqual(answer.error, "")
    assert.include(answer.files["v1_psrpc.ts"], '("acme.v1/SvcClient", Svc)')
    assert.include(answer.files["v2_psrpc.ts"], '("acme.v2/SvcClient", Svc)')
  })
})

describe("what is no contradiction", () => {
  const fine: ReadonlyArray<readonly [name: string, proto: string, text: string]> = [
    ["a single server without topics", proto(options("topic_params: { single_server: true }")), "singleServer: true"],
    ["typed without names", proto(options("topics: true topic_params: { typed: true }")), 'topic: ["topic"]'],
    [
      "typed without topics",
      proto(options("topic_params: { typed: true }")),
      'one: Rpc.unary({ name: "One", desc: Svc$1.method.one, request'
    ],
    [
      "a group that a subscription names, and that others have otherwise",
      proto(
        options('topics: true topic_params: { names: "a" group: "g" }'),
        options('subscription: true topics: true topic_params: { names: "b" group: "g" }')
      ),
      'two: Rpc.subscription({ name: "Two", desc: Svc$1.method.two, message: MSchema, topic: ["b"] })'
    ],
    [
      "two groups with other names",
      proto(
        options('topics: true topic_params: { names: "a" group: "g" }'),
        options('topics: true topic_params: { names: "b" group: "h" }')
      ),
      'topic: ["b"], group: "h"'
    ]
  ]
  for (const [name, file, text] of fine) {
    it(name, async () => {
      const { error, files } = runPlugin(await compile({ "svc.proto": file }))
      assert.strictEqual(error, "")
      assert.include(files["svc_psrpc.ts"], text)
    })
  }
})
