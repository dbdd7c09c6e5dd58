import { assert, describe, it } from "@effect/vitest"
import { NatsTarget } from "../src/internal/subjects/natsTarget.ts"
import { checkSubject, routeSubject } from "../src/internal/subjects/subjectNames.ts"

describe("the subject of a route", () => {
  it("is a different valid subject for every route", () => {
    const routes = [
      "Hello.REQ",
      "Hello-REQ",
      "Hello_REQ",
      "a b.REQ",
      "*",
      ">",
      "..",
      "\u1f680",
      "\u{1f680}",
      "u+0020",
      " "
    ]
    const subjects = routes.map((route) => routeSubject("SRV.S.Q", route))
    assert.strictEqual(new Set(subjects).size, routes.length)
    for (const subject of subjects) assert.isUndefined(checkSubject(subject))
    assert.strictEqual(subjects[0], "SRV.S.Q.@Hello-REQ")
  })

  it("is not a subject that a topic can have", () => {
    // topics keep letters, digits and _, and encode the rest with u+
    assert.match(routeSubject("SRV.S.eu.Q", "M.REQ"), /^SRV\.S\.eu\.Q\.@/)
  })
})

describe("a target", () => {
  it("has the route as the bytes of a Msg's field 3, and no bytes without a route", () => {
    const { tail } = new NatsTarget("SRV.S", "Größe.REQ")
    const route = new TextEncoder().encode("Größe.REQ")
    assert.deepStrictEqual([...tail], [0x1a, route.length, ...route])
    assert.strictEqual(new NatsTarget("CLI.S.C.RES", "").tail.length, 0)
  })

  it("made by another bus has no route", () => {
    const ours = new NatsTarget("SRV.S", "M.REQ")
    assert.strictEqual(NatsTarget.from(ours), ours)
    const other = NatsTarget.from({ name: "a b", tail: new Uint8Array(0), unique: false })
    assert.strictEqual(other.refusal?.code, "invalid_argument")
  })
})
