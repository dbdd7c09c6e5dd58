import { assert, describe, it } from "@effect/vitest"
import * as Id from "../../src/internal/wire/id.ts"

const kinds = [
  ["CLI_", Id.newClientId],
  ["SRV_", Id.newServerId],
  ["REQ_", Id.newRequestId],
  ["STR_", Id.newStreamId]
] as const

describe("id", () => {
  it.each(kinds)("%s is followed by 12 alphanumerics", (prefix, make) => {
    for (let i = 0; i < 10_000; i++) assert.match(make(), new RegExp(`^${prefix}[0-9A-Za-z]{12}$`))
  })

  it.each(kinds)("%s: every character turns up in every place about as often as any other", (_, make) => {
    const count = 62_000
    const counts = Array.from({ length: 12 }, () => new Map<string, number>())
    for (let i = 0; i < count; i++) {
      const id = make()
      for (let place = 0; place < 12; place++) {
        const character = id[place + 4]!
        counts[place]!.set(character, (counts[place]!.get(character) ?? 0) + 1)
      }
    }
    for (const place of counts) {
      assert.strictEqual(place.size, 62)
      // Chi-squared with 61 degrees of freedom: 61 on average, above 150 once in a hundred million.
      let chiSquared = 0
      for (const n of place.values()) chiSquared += (n - count / 62) ** 2 / (count / 62)
      assert.isBelow(chiSquared, 150)
    }
  })

  it("no request id comes twice in a million", () => {
    const ids = new Set<string>()
    for (let i = 0; i < 1_000_000; i++) ids.add(Id.newRequestId())
    assert.strictEqual(ids.size, 1_000_000)
  })

  it("no client or server id comes twice in a hundred thousand", () => {
    const ids = new Set<string>()
    for (let i = 0; i < 100_000; i++) ids.add(Id.newClientId()).add(Id.newServerId())
    assert.strictEqual(ids.size, 200_000)
  })
})
