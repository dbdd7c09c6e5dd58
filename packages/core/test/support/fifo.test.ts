import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Fifo } from "../../src/broker/index.ts"

const operations = Schema.Array(
  Schema.Literals(["push", "push", "push", "unshift", "shift", "shift", "pop", "clear"] as const)
)

describe("Fifo", () => {
  it.prop("holds the same items as an array after any operations", [operations], ([steps]) => {
    const fifo = new Fifo.Fifo<number>()
    const model: Array<number> = []
    for (const [number, step] of steps.entries()) {
      if (step === "push") {
        fifo.push(number)
        model.push(number)
      } else if (step === "unshift") {
        fifo.unshift(number)
        model.unshift(number)
      } else if (step === "shift") assert.strictEqual(fifo.shift(), model.shift())
      else if (step === "pop") assert.strictEqual(fifo.pop(), model.pop())
      else {
        fifo.clear()
        model.length = 0
      }
      assert.strictEqual(fifo.size, model.length)
      assert.deepStrictEqual(fifo.toArray(), model)
      for (let i = -1; i <= model.length; i++) assert.strictEqual(fifo.at(i), model[i])
    }
  })

  it("keeps the order of many items, over several turns of its ring", () => {
    const fifo = new Fifo.Fifo<number>()
    let pushed = 0
    let taken = 0
    for (const [pushes, shifts] of [
      [3, 2],
      [40_000, 39_000],
      [5000, 6001],
      [10, 10]
    ] as const) {
      for (let i = 0; i < pushes; i++) fifo.push(pushed++)
      for (let i = 0; i < shifts; i++) assert.strictEqual(fifo.shift(), taken++)
      assert.strictEqual(fifo.size, pushed - taken)
    }
    assert.isUndefined(fifo.shift())
  })
})
