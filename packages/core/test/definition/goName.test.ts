import { assert, describe, it } from "@effect/vitest"
import { goName } from "../../src/internal/definition/goName.ts"
import * as Rpc from "../../src/Rpc.ts"
import { wireName } from "../../src/internal/definition/service.ts"

describe("Go's names", () => {
  // the vectors of google.golang.org/protobuf/internal/strs, TestGoCamelCase, v1.36.11
  const vectors: ReadonlyArray<readonly [string, string]> = [
    ["", ""],
    ["one", "One"],
    ["one_two", "OneTwo"],
    ["_my_field_name_2", "XMyFieldName_2"],
    ["Something_Capped", "Something_Capped"],
    ["my_Name", "My_Name"],
    ["OneTwo", "OneTwo"],
    ["_", "X"],
    ["_a_", "XA_"],
    ["one.two", "OneTwo"],
    ["one.Two", "One_Two"],
    ["one_two.three_four", "OneTwoThreeFour"],
    ["one_two.Three_four", "OneTwo_ThreeFour"],
    ["_one._two", "XOne_XTwo"],
    ["SCREAMING_SNAKE_CASE", "SCREAMING_SNAKE_CASE"],
    ["double__underscore", "Double_Underscore"],
    ["camelCase", "CamelCase"],
    ["go2proto", "Go2Proto"],
    ["世界", "世界"],
    ["x世界", "X世界"],
    ["foo_bar世界", "FooBar世界"]
  ]
  // and by the same rules, where a service or a method has them
  const ours: ReadonlyArray<readonly [string, string]> = [
    ["_my_service", "XMyService"],
    ["sayHello", "SayHello"],
    ["say_hello", "SayHello"],
    ["SayHello", "SayHello"],
    ["normalRPC", "NormalRPC"],
    ["v2", "V2"],
    ["2fast", "2Fast"],
    ["get_2fa", "Get_2Fa"],
    ["a_1_b", "A_1B"],
    ["trailing_", "Trailing_"],
    ["a.1", "A_1"],
    ["a..b", "A_B"],
    [".", "_"],
    [".a", "A"],
    ["__", "X_"],
    ["a.b.C.d", "AB_CD"],
    ["x🚀y", "X🚀y"]
  ]
  for (const [name, go] of [...vectors, ...ours]) {
    it(`${name === "" ? "an empty name" : name} is ${go === "" ? "empty" : go}`, () => {
      assert.strictEqual(goName(name), go)
    })
  }

  it("are those of methods on the wire, unless they have a name", () => {
    assert.strictEqual(wireName("say_hello", Rpc.unary()), "SayHello")
    assert.strictEqual(wireName("sayHello", Rpc.unary({ name: "say_hello" })), "say_hello")
  })
})
