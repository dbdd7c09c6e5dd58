import { assert, describe, it } from "@effect/vitest"
import { ReplyError } from "ioredis"
import { RedisIdentity } from "../src/internal/connection/redisIdentity.ts"

const broker = new RedisIdentity("127.0.0.1:6379", ["s3cret"])

/** An error of ioredis, with a name and a text. */
const errorOf = (name: string, message: string) => Object.assign(new Error(message), { name })

describe("an error of ioredis", () => {
  it("for a command on a lost connection has the reason, and no advice about options of the bus", () => {
    const limit = "Reached the max retries per request limit (which is 0)."
    const error = broker.failure("publish to news", errorOf("MaxRetriesPerRequestError", limit))
    assert.strictEqual(error._tag, "Unavailable")
    assert.strictEqual(error.reason, "connection")
    assert.isTrue(error.mayHaveRun)
    assert.strictEqual(
      error.message,
      "redis at 127.0.0.1:6379: publish to news: the connection was lost before Redis replied"
    )
  })

  it("that is a reply of Redis has had no effect", () => {
    for (const [message, tag] of [
      ["NOPERM this user has no permissions", "PermissionDenied"],
      ["NOAUTH Authentication required.", "Unauthenticated"],
      ["READONLY You can't write against a read only replica.", "Unavailable"]
    ] as const) {
      const error = broker.failure("publish to news", new ReplyError(message))
      assert.strictEqual(error._tag, tag)
      assert.isFalse(error.mayHaveRun)
    }
  })

  it("has the reason of its cause, without secrets", () => {
    const inner = new Error("connect ECONNREFUSED s3cret")
    assert.strictEqual(broker.reasonOf({ errors: [inner] }), "connect ECONNREFUSED <redacted>")
    assert.strictEqual(
      broker.reasonOf(Object.assign(new Error("all nodes failed"), { lastNodeError: inner })),
      "connect ECONNREFUSED <redacted>"
    )
    assert.strictEqual(broker.reasonOf({ code: "ETIMEDOUT" }), "ETIMEDOUT")
  })
})
