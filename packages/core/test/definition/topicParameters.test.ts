import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { parameters } from "../../src/internal/definition/topicParameters.ts"

describe("the parameters of a topic", () => {
  it("are strings in the order of their names", () => {
    const { encode, names } = parameters(["region", "node"])
    assert.deepStrictEqual(names, ["region", "node"])
    assert.deepStrictEqual(encode({ node: "n1", region: "eu" }), ["eu", "n1"])
    assert.deepStrictEqual(encode({ node: "", region: "" }), ["", ""])
  })

  it("are encoded by their Schemas", () => {
    const { encode, names } = parameters({
      region: Schema.Literals(["eu", "us"]),
      shard: Schema.FiniteFromString,
      plain: Schema.String
    })
    assert.deepStrictEqual(names, ["region", "shard", "plain"])
    assert.deepStrictEqual(encode({ plain: "x", shard: 41, region: "eu" }), ["eu", "41", "x"])
  })

  it("may be none", () => {
    for (const none of [undefined, [], {}]) {
      const { encode, names } = parameters(none)
      assert.deepStrictEqual(names, [])
      assert.deepStrictEqual(encode(undefined), [])
    }
  })

  it("that are more than needed are left out", () => {
    assert.deepStrictEqual(parameters(["a"]).encode({ a: "1", b: "2" }), ["1"])
  })

  it("that do not fit are refused by name", () => {
    const { encode } = parameters({ region: Schema.Literals(["eu", "us"]), node: Schema.String })
    assert.throws(() => encode(undefined), TypeError, "expected a topic { region, node }")
    assert.throws(() => encode(null as never), TypeError, "expected a topic { region, node }")
    assert.throws(() => encode("eu" as never), TypeError, "expected a topic { region, node }")
    assert.throws(() => encode({ region: "mars", node: "n" }), TypeError, `topic parameter "region"`)
    assert.throws(() => encode({ region: "eu" }), TypeError, `topic parameter "node": expected a string, got undefined`)
    assert.throws(() => encode({ region: "eu", node: null }), TypeError, `"node": expected a string, got null`)
    assert.throws(() => encode({ region: "eu", node: 5 }), TypeError, `"node": expected a string, got number`)
  })

  it("whose names cannot be are refused at the definition", () => {
    assert.throws(() => parameters([""]), TypeError, "a topic parameter needs a name")
    assert.throws(() => parameters(["a", "b", "a"]), TypeError, "two topic parameters with one name")
    for (const name of ["0", "1", "42"]) {
      assert.throws(() => parameters([name]), TypeError, `topic parameter "${name}": a name that reads as an integer`)
      assert.throws(() => parameters({ [name]: Schema.String }), TypeError, `topic parameter "${name}"`)
    }
    // these keep their place
    assert.deepStrictEqual(parameters({ "01": Schema.String, "1.5": Schema.String, "-1": Schema.String }).names, [
      "01",
      "1.5",
      "-1"
    ])
  })

  it("whose Schemas are none are refused at the definition", () => {
    assert.throws(() => parameters({ region: "eu" as never }), TypeError, `topic parameter "region"`)
    assert.throws(() => parameters({ region: undefined as never }), TypeError, `topic parameter "region"`)
  })
})
