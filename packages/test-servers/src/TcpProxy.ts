/**
 * A TCP proxy that breaks connections as networks do: it cuts, delays or silences them.
 *
 * @since 0.1.0
 */
import { Effect, type Scope } from "effect"
import { connect, createServer, type Server, type Socket } from "node:net"
import { TestServerError } from "./TestServerError.ts"

/** A running proxy, in front of one server. */
export interface TcpProxy {
  readonly port: number
  /** Returns the number of connections through it. */
  readonly connections: () => number
  /** Returns the bytes that clients have sent so far. */
  readonly sent: () => number
  /** Cuts every connection. */
  readonly cut: () => void
  /** Sets whether new connections are closed at once. */
  readonly refuse: (on: boolean) => void
  /** Sets whether bytes are held back, in one direction or both: connections stay open, and no bytes pass. */
  readonly hold: (direction: "requests" | "replies" | "both" | "none") => void
  /** Delays all bytes from now on, in milliseconds. */
  readonly delay: (millis: number) => void
}

/** Starts a proxy that ends with the scope. */
export const make = (target: { readonly port: number }): Effect.Effect<TcpProxy, TestServerError, Scope.Scope> => {
  const pairs = new Set<{ client: Socket; server: Socket; flush: () => void }>()
  let refusing = false
  let held = { requests: false, replies: false }
  let wait = 0
  let sent = 0

  const pipe = (from: Socket, to: Socket, isHeld: () => boolean): (() => void) => {
    let kept: Array<Buffer> = []
    const pass = (chunk: Buffer): void => {
      if (wait === 0) to.write(chunk)
      else setTimeout(() => to.write(chunk), wait)
    }
    from.on("data", (chunk: Buffer) => {
      if (isHeld()) kept.push(chunk)
      else pass(chunk)
    })
    return () => {
      if (isHeld()) return
      for (const chunk of kept) pass(chunk)
      kept = []
    }
  }
  const accept = (client: Socket): void => {
    client.on("error", () => {})
    if (refusing) return void client.destroy()
    const server = connect(target.port, "127.0.0.1")
    server.on("error", () => {})
    client.setNoDelay(true)
    server.setNoDelay(true)
    client.on("data", (chunk: Buffer) => {
      sent += chunk.length
    })
    const requests = pipe(client, server, () => held.requests)
    const replies = pipe(server, client, () => held.replies)
    const pair = { client, server, flush: () => (requests(), replies()) }
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.on("close", end)
    server.on("close", end)
  }
  const cut = (): void => {
    for (const { client, server } of [...pairs]) {
      client.resetAndDestroy()
      server.destroy()
    }
  }
  return Effect.acquireRelease(
    Effect.callback<Server, TestServerError>((resume) => {
      const server = createServer(accept)
      server.once("error", (cause) =>
        resume(Effect.fail(new TestServerError({ message: "the proxy cannot listen", cause })))
      )
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        cut()
      })
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return {
        port: typeof address === "object" && address !== null ? address.port : 0,
        connections: () => pairs.size,
        sent: () => sent,
        cut,
        refuse: (on) => {
          refusing = on
        },
        hold: (direction) => {
          held = {
            requests: direction === "requests" || direction === "both",
            replies: direction === "replies" || direction === "both"
          }
          for (const pair of pairs) pair.flush()
        },
        delay: (millis) => {
          wait = millis
        }
      }
    })
  )
}
