import { create } from "@bufbuild/protobuf"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Option, Redacted } from "effect"
import { fingerprintOf } from "../../src/internal/retry/fingerprint.ts"
import { RequestSchema } from "../gen/internal_pb.ts"

const same: ReadonlyArray<readonly [unknown, unknown]> = [
  [undefined, undefined],
  ["tea", "tea"],
  [
    { a: 1, b: { c: 2, d: 3 } },
    { b: { d: 3, c: 2 }, a: 1 }
  ],
  [new Uint8Array([1, 2]), Buffer.from([1, 2]).subarray()],
  [5n, 5n],
  [Option.some(1), Option.some(1)],
  [Redacted.make("a secret"), Redacted.make("a secret")],
  [new Map([["a", 1]]), new Map([["a", 1]])],
  [create(RequestSchema, { metadata: { a: "1", b: "2" } }), create(RequestSchema, { metadata: { b: "2", a: "1" } })]
]

const different: ReadonlyArray<unknown> = [
  undefined,
  null,
  "",
  "tea",
  "tea ",
  0,
  1,
  NaN,
  Infinity,
  -Infinity,
  5n,
  6n,
  true,
  [1, 2],
  [2, 1],
  { a: 1 },
  { a: 2 },
  { b: 1 },
  { a: { b: 1 } },
  new Uint8Array(0),
  new Uint8Array(1),
  new Uint8Array(2),
  new Uint8Array([1, 2]),
  new Uint8Array([2, 1]),
  new Date(1),
  new Date(2),
  new Map([["a", 1]]),
  new Set(["a"]),
  Option.none(),
  Option.some(1),
  Option.some(2),
  Duration.seconds(1),
  Duration.seconds(2),
  DateTime.makeUnsafe(1),
  Redacted.make("a secret"),
  Redacted.make("another"),
  { card: Redacted.make({ number: 1 }) },
  { card: Redacted.make({ number: 2 }) },
  new Error("a"),
  new Error("b"),
  create(RequestSchema, { metadata: { a: "1" } }),
  create(RequestSchema, { metadata: { a: "2" } }),
  create(RequestSchema, { sentAt: 1n }),
  create(RequestSchema, { rawRequest: new Uint8Array([1]) })
]

describe("the print of a request", () => {
  it("is the same for equal requests, whatever the order of their fields", () => {
    for (const [a, b] of same) assert.strictEqual(fingerprintOf(a), fingerprintOf(b))
  })

  it("is another for another request", () => {
    const prints = new Map<number, unknown>()
    for (const each of different) {
      const print = fingerprintOf(each)
      assert.isTrue(Number.isSafeInteger(print))
      // a date, and a time of Effect's, are the same text
      if (each instanceof Date) continue
      assert.isFalse(prints.has(print), `${String(each)} and ${String(prints.get(print))}`)
      prints.set(print, each)
    }
  })

  it("has few that meet by chance", () => {
    const prints = new Set(Array.from({ length: 100_000 }, (_, i) => fingerprintOf({ id: i, name: `order ${i}` })))
    assert.strictEqual(prints.size, 100_000)
    const bytes = new Set(Array.from({ length: 65_536 }, (_, i) => fingerprintOf(new Uint8Array([i >> 8, i & 255, 7]))))
    assert.strictEqual(bytes.size, 65_536)
  })

  it("is the same for all that cannot be read through", () => {
    const circle: Record<string, unknown> = {}
    circle["itself"] = circle
    assert.strictEqual(fingerprintOf(circle), 0)
  })
})
