/**
 * A real nats-server for tests and benchmarks: on its own port of 127.0.0.1, ended by its process
 * handle.
 *
 * @since 0.1.0
 */
import { Effect, type Scope } from "effect"
import { writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { type Certificate, makeCertificate, temporaryDirectory } from "./certificate.ts"
import { freePort } from "./freePort.ts"
import { launchServer, poll, type RunningServer } from "./launchServer.ts"
import { natsProgram } from "./programs.ts"
import { TestServerError } from "./TestServerError.ts"

/** Options of a server. */
export interface Options {
  /** Default: a free port. */
  readonly port?: number | undefined
  /** The token that clients must have. Default: none. */
  readonly token?: string | undefined
  /** The only user. Default: no authentication. */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** Whether it uses TLS, with a self-signed certificate. Default: `false`. */
  readonly tls?: boolean | undefined
  /** Maximum size of a message in bytes. Default: 1 MiB. */
  readonly maxPayload?: number | undefined
  /** Makes it a member of a cluster. */
  readonly cluster?: { readonly port: number; readonly routes: ReadonlyArray<number> } | undefined
  /** Further lines of its configuration. */
  readonly config?: string | undefined
  /** Further arguments for the command line. */
  readonly args?: ReadonlyArray<string> | undefined
}

/** A running server. */
export interface NatsServer extends RunningServer {
  /** Its address, without credentials. */
  readonly url: string
  /** The certificate that a client trusts, if the server uses TLS. */
  readonly ca: string | undefined
  /** Puts it into lame duck mode: it asks its clients to leave, and ends some time later. */
  readonly lameDuck: Effect.Effect<void>
}

/** Waits for the greeting of a NATS server. */
const greets = (port: number): Effect.Effect<void, TestServerError> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    const done = (effect: Effect.Effect<void, TestServerError>): void => {
      socket.destroy()
      resume(effect)
    }
    const failed = (message: string): void =>
      done(Effect.fail(new TestServerError({ message: `nats on ${port}: ${message}` })))
    socket.setTimeout(3000, () => failed("no answer"))
    socket.on("error", (cause) => failed(cause.message))
    socket.on("close", () => failed("closed"))
    socket.on("data", (chunk: Buffer) =>
      chunk.toString("latin1").startsWith("INFO ") ? done(Effect.void) : failed("not a NATS server")
    )
    return Effect.sync(() => socket.destroy())
  })

const configOf = (options: Options, port: number, certificate: Certificate | undefined): string => {
  const lines = [`listen: 127.0.0.1:${port}`]
  if (options.maxPayload !== undefined) {
    lines.push(`max_payload: ${options.maxPayload}`, `max_pending: ${Math.max(options.maxPayload, 64 * 1024 * 1024)}`)
  }
  if (options.token !== undefined) lines.push(`authorization { token: ${JSON.stringify(options.token)} }`)
  else if (options.user !== undefined) {
    const password = JSON.stringify(options.password ?? "")
    lines.push(`authorization { user: ${JSON.stringify(options.user)}, password: ${password} }`)
  }
  if (certificate !== undefined) {
    lines.push(
      `tls { cert_file: ${JSON.stringify(certificate.certPath)}, key_file: ${JSON.stringify(certificate.keyPath)} }`
    )
  }
  if (options.cluster !== undefined) {
    const routes = options.cluster.routes.map((route) => `"nats://127.0.0.1:${route}"`).join(", ")
    lines.push(
      `cluster { name: test, listen: "127.0.0.1:${options.cluster.port}", routes: [${routes}], no_advertise: true }`
    )
    // unique names
    lines.push(`server_name: "n${port}"`)
  }
  return [...lines, options.config ?? "", ""].join("\n")
}

/** Starts a server that ends with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<NatsServer, TestServerError, Scope.Scope> {
  const directory = yield* temporaryDirectory
  const certificate = options.tls === true ? yield* makeCertificate : undefined
  const path = join(directory, "nats.conf")
  const server = yield* launchServer({
    binary: natsProgram,
    port: options.port,
    args: (port) =>
      Effect.promise(() => writeFile(path, configOf(options, port, certificate))).pipe(
        Effect.as(["-c", path, ...(options.args ?? [])])
      ),
    ready: greets
  })
  return {
    ...server,
    url: `nats://127.0.0.1:${server.port}`,
    ca: certificate?.ca,
    lameDuck: Effect.sync(() => void process.kill(server.pid(), "SIGUSR2"))
  }
})

/** Starts a cluster, and waits until its members are connected. */
export const makeCluster = Effect.fnUntraced(function* (
  count: number
): Effect.fn.Return<ReadonlyArray<NatsServer>, TestServerError, Scope.Scope> {
  const ports = yield* Effect.forEach(Array.from({ length: count }), () => freePort)
  const nodes = yield* Effect.forEach(ports, (port) =>
    make({ cluster: { port, routes: ports.filter((other) => other !== port) } })
  )
  yield* Effect.forEach(nodes, (node) =>
    Effect.suspend(() =>
      (node.output().match(/Route connection created/g)?.length ?? 0) >= count - 1
        ? Effect.void
        : Effect.fail(new TestServerError({ message: "the cluster is not complete" }))
    ).pipe(Effect.retry({ schedule: poll, times: 500 }))
  )
  return nodes
})

/** The server that tests share: `NATS_URL` if it is set, otherwise a new one that ends with the scope. */
export const natsUrl: Effect.Effect<string, TestServerError, Scope.Scope> = Effect.suspend(() => {
  const given = process.env["NATS_URL"]
  return given === undefined || given === "" ? Effect.map(make(), (server) => server.url) : Effect.succeed(given)
})
