import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as ErrorConversions from "../../src/ErrorConversions.ts"
import * as PsrpcError from "../../src/PsrpcError.ts"

class SoldOut extends Schema.TaggedError<SoldOut>()(
  "SoldOut",
  { item: Schema.String },
  { psrpcCode: "failed_precondition" }
) {
  override get message() {
    return `no more ${this.item}`
  }
}
class Closed extends Schema.TaggedError<Closed>()("Closed", { until: Schema.Int }) {}

describe("a method's own error", () => {
  it("is a PsrpcError with its code, its message and itself as a detail", () => {
    const error = ErrorConversions.fromDomainError(SoldOut, new SoldOut({ item: "tea" }))
    assert.deepStrictEqual([error._tag, error.message, error.details.length], ["FailedPrecondition", "no more tea", 1])
    assert.instanceOf(error.cause, SoldOut)
  })

  it("goes to other worlds and comes back", () => {
    const error = ErrorConversions.fromDomainError(SoldOut, new SoldOut({ item: "tea" }))
    for (const there of [
      ErrorConversions.fromHttpResponse(ErrorConversions.toHttpResponse(error)),
      ErrorConversions.decodeGrpcStatus(ErrorConversions.encodeGrpcStatus(error)),
      ErrorConversions.fromTwirpError(ErrorConversions.toTwirpError(error))
    ]) {
      const back = ErrorConversions.toDomainError(SoldOut, there)
      assert.instanceOf(back, SoldOut)
      assert.strictEqual(back.item, "tea")
    }
  })

  it("of a union is the one that it is, and of others none", () => {
    const either = Schema.Union([SoldOut, Closed])
    const error = ErrorConversions.fromDomainError(either, new Closed({ until: 9 }))
    assert.strictEqual(error.code, "unknown")
    const back = ErrorConversions.toDomainError(either, error)
    assert.instanceOf(back, Closed)
    assert.isUndefined(ErrorConversions.toDomainError(SoldOut, error))
    assert.isUndefined(ErrorConversions.toDomainError(either, PsrpcError.fromCode("not_found")))
  })
})
