/**
 * A real nats-server for tests and benchmarks: on a port of its own, on 127.0.0.1 only, and ended by its own process
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

/** How to start a server. */
export interface Options {
  /** Default: a free one. */
  readonly port?: number | undefined
  /** What a client must give. Default: none. */
  readonly token?: string | undefined
  /** Whom it knows. Default: everybody. */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** Whether it speaks TLS, with a certificate that signs itself. Default: `false`. */
  readonly tls?: boolean | undefined
  /** The largest message in bytes. Default: 1 MiB. */
  readonly maxPayload?: number | undefined
  /** Makes it a member of a cluster. */
  readonly cluster?: { readonly port: number; readonly routes: ReadonlyArray<number> } | undefined
  /** More lines of its configuration. */
  readonly config?: string | undefined
  /** More arguments for the command line. */
  readonly args?: ReadonlyArray<string> | undefined
}

/** A running server. */
export interface NatsServer extends RunningServer {
  /** Its address, without credentials. */
  readonly url: string
  /** The certificate that a client trusts, if the server speaks TLS. */
  readonly ca: string | undefined
  /** Makes it tell its clients to go elsewhere, and end some time later. */
  readonly lameDuck: Effect.Effect<void>
}

/** Whether it greets. */
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
      chunk.toString("latin1").startsWith("INFO ") ? done(Effect.void) : failed("no NATS")
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
    // not named alike
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

/** Starts a cluster, and waits until its members know each other. */
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
        : Effect.fail(new TestServerError({ message: "the cluster is not whole" }))
    ).pipe(Effect.retry({ schedule: poll, times: 500 }))
  )
  return nodes
})

/** The server that tests share: `NATS_URL` where it is set, else one that is started and ends with the scope. */
export const natsUrl: Effect.Effect<string, TestServerError, Scope.Scope> = Effect.suspend(() => {
  const given = process.env["NATS_URL"]
  return given === undefined || given === "" ? Effect.map(make(), (server) => server.url) : Effect.succeed(given)
})
