import { Effect } from "effect"
import { createServer } from "node:net"
import { TestServerError } from "./TestServerError.ts"

/** Finds a port of 127.0.0.1 without a listener. Another process may take it meanwhile, so callers must be ready to retry. */
export const freePort: Effect.Effect<number, TestServerError> = Effect.callback((resume) => {
  const server = createServer()
  server.once("error", (cause) => resume(Effect.fail(new TestServerError({ message: "no free port", cause }))))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})
