/**
 * A real redis-server for tests and benchmarks: on a port of its own, on 127.0.0.1 only, writing nothing to disk, and
 * ended by its own process handle.
 *
 * @since 0.1.0
 */
import { Effect, Exit, Schedule, Scope } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Certificate, makeCertificate, temporaryDirectory } from "./certificate.ts"
import { freePort } from "./freePort.ts"
import { redisProgram } from "./programs.ts"
import { requireProgram } from "./requireProgram.ts"
import { redisCommand, type Reply } from "./resp.ts"
import { type ServerProcess, startProcess } from "./ServerProcess.ts"
import { TestServerError } from "./TestServerError.ts"

/** How to start a server. */
export interface Options {
  /** Default: a free one. */
  readonly port?: number | undefined
  /** What AUTH must give. Default: none. */
  readonly password?: string | undefined
  /** Whether it speaks TLS, with a certificate that signs itself. Default: `false`. */
  readonly tls?: boolean | undefined
  /** Whether it is a node of a cluster, as yet without slots: see `makeCluster`. Default: `false`. */
  readonly cluster?: boolean | undefined
  /** Makes it a Sentinel that watches a master. */
  readonly sentinel?: { readonly name: string; readonly master: { readonly port: number } } | undefined
  /** More arguments for the command line. */
  readonly args?: ReadonlyArray<string> | undefined
}

/** A running server. */
export interface RedisServer {
  readonly port: number
  /** With the password in it, and `rediss:` where it speaks TLS. */
  readonly url: string
  /** What a client trusts, where it speaks TLS. */
  readonly ca: string | undefined
  readonly pid: () => number
  readonly output: () => string
  /** Sends a command on a connection of its own. */
  readonly command: (...args: ReadonlyArray<string>) => Effect.Effect<Reply, TestServerError>
  /** Breaks the connections of all clients, or of one type. */
  readonly killClients: (type?: "normal" | "pubsub") => Effect.Effect<void, TestServerError>
  /** Ends it; `kill` gives it no time. */
  readonly stop: (options?: { readonly kill?: boolean }) => Effect.Effect<void>
  /** Starts it again on the same port, ending it first where it still runs. */
  readonly restart: Effect.Effect<void, TestServerError>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

const poll = Schedule.spaced("20 millis")

/** Starts a server that ends with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<RedisServer, TestServerError, Scope.Scope> {
  const binary = yield* requireProgram(redisProgram)
  const directory = yield* temporaryDirectory
  const certificate: Certificate | undefined = options.tls === true ? yield* makeCertificate : undefined
  const scope = yield* Effect.scope
  let port = options.port ?? (yield* freePort)
  const address = () => ({ port, password: options.password, ca: certificate?.ca })
  const command = (...args: ReadonlyArray<string>) => redisCommand(address(), ...args)

  const argsFor = Effect.fnUntraced(function* () {
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
        `sentinel down-after-milliseconds ${name} 500`
      ]
      lines.push(`sentinel failover-timeout ${name} 2000`)
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

  const launch = Effect.gen(function* () {
    const inner = yield* Scope.fork(scope)
    const server = yield* startProcess(binary, yield* argsFor()).pipe(Scope.provide(inner))
    const answers = Effect.suspend((): Effect.Effect<unknown, TestServerError> =>
      server.exited()
        ? Effect.fail(new TestServerError({ message: `redis-server on ${port} ended: ${server.output().trim()}` }))
        : Effect.catch(command("PING"), (error) => (server.exited() ? Effect.void : Effect.fail(error)))
    )
    yield* answers.pipe(Effect.retry({ schedule: poll, times: 500, while: () => !server.exited() }))
    if (!server.exited()) return server
    const output = server.output().trim()
    yield* Scope.close(inner, Exit.void)
    return yield* new TestServerError({ message: `redis-server on ${port} ended: ${output}` })
  })

  // somebody else may have taken the free port
  let current: ServerProcess = yield* launch.pipe(
    Effect.tapError(() =>
      options.port === undefined
        ? Effect.map(freePort, (next) => {
            port = next
          })
        : Effect.void
    ),
    Effect.retry({ times: options.port === undefined ? 4 : 0 })
  )
  const auth = options.password === undefined ? "" : `:${encodeURIComponent(options.password)}@`
  return {
    port,
    url: `${certificate === undefined ? "redis" : "rediss"}://${auth}127.0.0.1:${port}`,
    ca: certificate?.ca,
    pid: () => current.pid,
    output: () => current.output(),
    command,
    killClients: (type) =>
      Effect.forEach(type === undefined ? (["normal", "pubsub"] as const) : [type], (type) =>
        command("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes")
      ).pipe(Effect.asVoid),
    stop: (how) => Effect.suspend(() => current.stop(how)),
    restart: Effect.suspend(() => current.stop()).pipe(
      Effect.andThen(launch),
      Effect.map((server) => {
        current = server
      })
    ),
    pause: Effect.suspend(() => current.pause),
    resume: Effect.suspend(() => current.resume)
  }
})

/** Starts a cluster of masters that share the slots between them, and waits until each says it is whole. */
export const makeCluster = Effect.fnUntraced(function* (
  options: {
    /** How many masters. Default: 1. */
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
        () => new TestServerError({ message: "the cluster is not whole" })
      ),
      Effect.retry({ schedule: poll, times: 1000 })
    )
  )
  return nodes
})

/** The server that tests share: `REDIS_URL` where it is set, else one that is started and ends with the scope. */
export const redisUrl: Effect.Effect<string, TestServerError, Scope.Scope> = Effect.suspend(() => {
  const given = process.env["REDIS_URL"]
  return given === undefined || given === "" ? Effect.map(make(), (server) => server.url) : Effect.succeed(given)
})
