import { Effect } from "effect"
import { connect } from "node:net"
import { connect as connectTls } from "node:tls"
import { TestServerError } from "./TestServerError.ts"

export interface Address {
  readonly port: number
  readonly password?: string | undefined
  /** The certificate to trust, for a server that speaks TLS. */
  readonly ca?: string | undefined
}

export type Reply = string | number | null | ReadonlyArray<Reply>

class Incomplete extends Error {}

/** One reply of RESP2, errors as text that starts with `-`. */
const parse = (text: string): Reply => {
  let at = 0
  const line = (): string => {
    const end = text.indexOf("\r\n", at)
    if (end < 0) throw new Incomplete()
    const found = text.slice(at, end)
    at = end + 2
    return found
  }
  const next = (): Reply => {
    const head = line()
    const rest = head.slice(1)
    switch (head[0]) {
      case "+":
        return rest
      case ":":
        return Number(rest)
      case "$": {
        const size = Number(rest)
        if (size < 0) return null
        if (text.length < at + size + 2) throw new Incomplete()
        const found = text.slice(at, at + size)
        at += size + 2
        return found
      }
      case "*":
        return Array.from({ length: Math.max(0, Number(rest)) }, next)
      default:
        return head
    }
  }
  return next()
}

const frame = (args: ReadonlyArray<string>): string =>
  `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join("")}`

/** Sends one command on a connection of its own. An error of Redis' fails, with its text. */
export const redisCommand = (address: Address, ...args: ReadonlyArray<string>): Effect.Effect<Reply, TestServerError> =>
  Effect.callback((resume) => {
    const commands = address.password === undefined ? [args] : [["AUTH", address.password], args]
    const { ca, port } = address
    const socket =
      ca === undefined
        ? connect(port, "127.0.0.1")
        : connectTls({ port, host: "127.0.0.1", servername: "localhost", ca })
    let text = ""
    const done = (effect: Effect.Effect<Reply, TestServerError>): void => {
      socket.destroy()
      resume(effect)
    }
    socket.setTimeout(3000, () => done(Effect.fail(new TestServerError({ message: `redis on ${port}: no answer` }))))
    socket.on("error", (cause) =>
      done(Effect.fail(new TestServerError({ message: `redis on ${port}: ${cause.message}`, cause })))
    )
    socket.on("close", () => done(Effect.fail(new TestServerError({ message: `redis on ${port}: closed` }))))
    // latin1: a length counts bytes
    socket.setEncoding("latin1")
    socket.on("data", (chunk: string) => {
      text += chunk
      if (commands.length === 2 && text.startsWith("+OK\r\n")) {
        text = text.slice(5)
        commands.shift()
      }
      if (text === "") return
      try {
        const reply = parse(text)
        done(
          typeof reply === "string" && reply.startsWith("-")
            ? Effect.fail(new TestServerError({ message: reply.slice(1) }))
            : Effect.succeed(reply)
        )
      } catch (error) {
        if (!(error instanceof Incomplete)) throw error
      }
    })
    socket.write(commands.map(frame).join(""))
    return Effect.sync(() => socket.destroy())
  })
