import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { type HeapEntry, IndexedHeap } from "../../src/internal/time/indexedHeap.ts"

const byOrder = (a: HeapEntry, b: HeapEntry): number => a.due - b.due || a.seq - b.seq

const drained = (heap: IndexedHeap<HeapEntry>): Array<HeapEntry> => {
  const entries: Array<HeapEntry> = []
  for (let first = heap.first; first !== undefined; first = heap.first) {
    heap.delete(first)
    entries.push(first)
  }
  return entries
}

describe("IndexedHeap", () => {
  it.effect("keeps its entries in the order of a sorted array after thousands of additions and deletions", () =>
    Effect.gen(function* () {
      const heap = new IndexedHeap<HeapEntry>()
      const model: Array<HeapEntry> = []
      for (let seq = 0; seq < 5000; seq++) {
        const step = yield* Random.nextIntBetween(0, 10)
        // grows to some hundred entries, so that a deletion moves entries up as well as down
        if (step < 6 || model.length === 0) {
          const entry = { slot: -1, due: yield* Random.nextIntBetween(0, 1000), seq }
          heap.add(entry)
          model.push(entry)
          model.sort(byOrder)
        } else {
          const position = step === 6 ? 0 : yield* Random.nextIntBetween(0, model.length - 1)
          const [entry] = model.splice(position, 1)
          if (position === 0) assert.strictEqual(heap.first, entry)
          heap.delete(entry!)
          assert.isFalse(heap.has(entry!))
          assert.strictEqual(entry!.slot, -1)
        }
        assert.strictEqual(heap.size, model.length)
        assert.strictEqual(heap.first, model[0])
      }
      assert.isTrue(model.every((entry) => heap.has(entry)))
      assert.deepStrictEqual(drained(heap), model)
    }).pipe(Random.withSeed("indexedHeap"))
  )

  it("gives every entry a slot of its own", () => {
    const heap = new IndexedHeap<HeapEntry>()
    const entries = Array.from({ length: 100 }, (_, seq) => ({ slot: -1, due: (seq * 37) % 50, seq }))
    for (const entry of entries) heap.add(entry)
    for (const entry of entries.slice(0, 30)) heap.delete(entry)
    const slots = entries.slice(30).map(({ slot }) => slot)
    assert.deepStrictEqual(
      slots.sort((a, b) => a - b),
      Array.from({ length: 70 }, (_, slot) => slot)
    )
  })

  it("takes entries with equal due times in the order of their numbers", () => {
    const heap = new IndexedHeap<HeapEntry>()
    const entries = [3, 1, 4, 0, 2].map((seq) => ({ slot: -1, due: 7, seq }))
    for (const entry of entries) heap.add(entry)
    assert.deepStrictEqual(
      drained(heap).map(({ seq }) => seq),
      [0, 1, 2, 3, 4]
    )
  })

  it("has neither an entry of another heap nor one that was cleared", () => {
    const heap = new IndexedHeap<HeapEntry>()
    const other = new IndexedHeap<HeapEntry>()
    const entry = { slot: -1, due: 1, seq: 0 }
    heap.add(entry)
    other.add({ slot: -1, due: 1, seq: 0 })
    assert.isTrue(heap.has(entry))
    assert.isFalse(other.has(entry))
    heap.clear()
    assert.isFalse(heap.has(entry))
    assert.strictEqual(entry.slot, -1)
    assert.strictEqual(heap.size, 0)
    assert.isUndefined(heap.first)
  })
})
