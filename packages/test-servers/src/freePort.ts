import { Effect } from "effect"
import { createServer } from "node:net"
import { TestServerError } from "./TestServerError.ts"

/** A port of 127.0.0.1 that nobody listens on just now. Somebody may before its user does: be ready to try again. */
export const freePort: Effect.Effect<number, TestServerError> = Effect.callback((resume) => {
  const server = createServer()
  server.once("error", (cause) => resume(Effect.fail(new TestServerError({ message: "no free port", cause }))))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})
