/**
 * A real redis-server for tests and benchmarks: on its own port of 127.0.0.1, without writes to disk, and
 * ended by its own process handle.
 *
 * @since 0.1.0
 */
import { Effect, type Scope } from "effect"
import { Redis } from "ioredis"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Certificate, makeCertificate, temporaryDirectory } from "./certificate.ts"
import { freePort } from "./freePort.ts"
import { launchServer, poll, type RunningServer } from "./launchServer.ts"
import { redisProgram } from "./programs.ts"
import { TestServerError } from "./TestServerError.ts"

/** Options of a server. */
export interface Options {
  /** Default: a free port. */
  readonly port?: number | undefined
  /** The password. Default: none. */
  readonly password?: string | undefined
  /** Whether it uses TLS, with a self-signed certificate. Default: `false`. */
  readonly tls?: boolean | undefined
  /** Whether it is a node of a cluster, still without slots: see `makeCluster`. Default: `false`. */
  readonly cluster?: boolean | undefined
  /** Makes it a Sentinel that watches a master. */
  readonly sentinel?: { readonly name: string; readonly master: { readonly port: number } } | undefined
  /** Further arguments for the command line. */
  readonly args?: ReadonlyArray<string> | undefined
}

/** A running server. */
export interface RedisServer extends RunningServer {
  /** Its address, with the password, and `rediss:` if it uses TLS. */
  readonly url: string
  /** The certificate that a client trusts, if the server uses TLS. */
  readonly ca: string | undefined
  /** Sends a command on a new connection. */
  readonly command: (...args: ReadonlyArray<string>) => Effect.Effect<Reply, TestServerError>
  /** Closes the connections of all clients, or of one type. */
  readonly killClients: (type?: "normal" | "pubsub") => Effect.Effect<void, TestServerError>
}

/** A reply to a command. */
export type Reply = string | number | null | ReadonlyArray<Reply>

/** The address of a server, and the credentials that it requires. */
interface Address {
  readonly port: number
  readonly password: string | undefined
  readonly ca: string | undefined
}

/** Sends one command on a new connection. Fails with the error that Redis replies. */
const redisCommand = (
  { ca, password, port }: Address,
  [command, ...args]: ReadonlyArray<string>
): Effect.Effect<Reply, TestServerError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const client = new Redis({
        host: "127.0.0.1",
        port,
        ...(password !== undefined && { password }),
        ...(ca !== undefined && { tls: { ca, servername: "localhost" } }),
        protocol: 2,
        lazyConnect: true,
        enableReadyCheck: false,
        disableClientInfo: true,
        connectTimeout: 3000,
        commandTimeout: 3000,
        maxRetriesPerRequest: 0,
        retryStrategy: () => null
      })
      // the command fails with it
      client.on("error", () => {})
      return client
    }),
    (client) =>
      Effect.tryPromise({
        try: () => client.connect().then(() => client.call(command!, ...args) as Promise<Reply>),
        catch: (cause) =>
          new TestServerError({ message: `redis on ${port}: ${cause instanceof Error ? cause.message : ""}`, cause })
      }),
    (client) => Effect.sync(() => client.disconnect())
  )

const argsOf = Effect.fnUntraced(function* (
  options: Options,
  port: number,
  directory: string,
  certificate: Certificate | undefined
): Effect.fn.Return<ReadonlyArray<string>, TestServerError> {
  const args = ["--bind", "127.0.0.1", "--dir", directory]
  if (certificate === undefined) args.push("--port", String(port))
  else {
    args.push("--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no")
    args.push("--tls-cert-file", certificate.certPath, "--tls-key-file", certificate.keyPath)
  }
  if (options.password !== undefined) args.push("--requirepass", options.password)
  args.push(...(options.args ?? []))
  if (options.sentinel !== undefined) {
    const { master, name } = options.sentinel
    const path = join(directory, "sentinel.conf")
    const lines = [
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${name} 500`,
      `sentinel failover-timeout ${name} 2000`
    ]
    yield* Effect.promise(() => writeFile(path, `${lines.join("\n")}\n`))
    return [path, "--sentinel", ...args]
  }
  if (options.cluster === true) {
    const bus = yield* freePort
    args.push("--cluster-enabled", "yes", "--cluster-port", String(bus), "--cluster-announce-ip", "127.0.0.1")
    args.push("--cluster-config-file", `nodes-${port}.conf`, "--cluster-node-timeout", "2000")
  }
  return [...args, "--save", "", "--appendonly", "no"]
})

/** Starts a server that ends with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<RedisServer, TestServerError, Scope.Scope> {
  const directory = yield* temporaryDirectory
  const certificate = options.tls === true ? yield* makeCertificate : undefined
  const commandOn =
    (port: number) =>
    (...args: ReadonlyArray<string>) =>
      redisCommand({ port, password: options.password, ca: certificate?.ca }, args)
  const server = yield* launchServer({
    binary: redisProgram,
    port: options.port,
    args: (port) => argsOf(options, port, directory, certificate),
    ready: (port) => commandOn(port)("PING")
  })
  const auth = options.password === undefined ? "" : `:${encodeURIComponent(options.password)}@`
  const command = commandOn(server.port)
  return {
    ...server,
    url: `${certificate === undefined ? "redis" : "rediss"}://${auth}127.0.0.1:${server.port}`,
    ca: certificate?.ca,
    command,
    killClients: (type) =>
      Effect.forEach(type === undefined ? (["normal", "pubsub"] as const) : [type], (type) =>
        command("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")
      ).pipe(Effect.asVoid)
  }
})

/** Starts a cluster of masters that share the slots, and waits until each reports that it is complete. */
export const makeCluster = Effect.fnUntraced(function* (
  options: {
    /** The number of masters. Default: 1. */
    readonly nodes?: number | undefined
  } = {}
): Effect.fn.Return<ReadonlyArray<RedisServer>, TestServerError, Scope.Scope> {
  const count = options.nodes ?? 1
  const nodes = yield* Effect.forEach(Array.from({ length: count }), () => make({ cluster: true }))
  const first = nodes[0]!
  for (const [index, node] of nodes.entries()) {
    const from = Math.floor((16384 * index) / count)
    const to = Math.floor((16384 * (index + 1)) / count) - 1
    yield* node.command("CLUSTER", "ADDSLOTSRANGE", String(from), String(to))
    if (node === first) continue
    const info = String(yield* first.command("CLUSTER", "NODES"))
    const bus = /@(\d+)/.exec(info)?.[1] ?? ""
    yield* node.command("CLUSTER", "MEET", "127.0.0.1", String(first.port), bus)
  }
  yield* Effect.forEach(nodes, (node) =>
    Effect.all([node.command("CLUSTER", "INFO"), node.command("CLUSTER", "SLOTS")]).pipe(
      Effect.filterOrFail(
        ([info, slots]) => String(info).includes("cluster_state:ok") && Array.isArray(slots) && slots.length === count,
        () => new TestServerError({ message: "the cluster is not complete" })
      ),
      Effect.retry({ schedule: poll, times: 1000 })
    )
  )
  return nodes
})

/** The server that tests share: `REDIS_URL` if it is set, otherwise a new one that ends with the scope. */
export const redisUrl: Effect.Effect<string, TestServerError, Scope.Scope> = Effect.suspend(() => {
  const given = process.env["REDIS_URL"]
  return given === undefined || given === "" ? Effect.map(make(), (server) => server.url) : Effect.succeed(given)
})
