/**
 * A process of real Go psrpc, controlled by JSON lines: a client, and any number of servers. `../peer/README.md` describes its
 * methods and requests.
 */
import { Effect, type Scope } from "effect"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import type {
  AffinityParams,
  Commands,
  Events,
  Handled,
  RequestParams,
  ServedMethod,
  ServeParams,
  TopicParts,
  UnaryMethod,
  WireDetail,
  WireError
} from "./commands.ts"
import { binary } from "./goBuild.ts"
import { GoError, type GoErrorDetail, GoPeerError } from "./GoPeerError.ts"

/** Options of a peer. */
export interface Options {
  readonly bus: "redis" | "nats"
  readonly url: string
  readonly service: string
  /** Default: a random one. */
  readonly clientId?: string | undefined
  /** Traces with otelpsrpc, and samples everything, nothing, or what its caller samples. Default: no tracing. */
  readonly trace?: "always" | "never" | "parent" | undefined
}

/** A server of the peer. */
export interface GoServer {
  readonly handle: number
  readonly serverId: string
  /** Registers a method for a topic, and returns when the broker has acknowledged it. */
  readonly register: (method: ServedMethod, topic?: TopicParts) => Effect.Effect<void, GoError | GoPeerError>
  readonly deregister: (method: ServedMethod, topic?: TopicParts) => Effect.Effect<void, GoError | GoPeerError>
  readonly setAffinity: (params: AffinityParams) => Effect.Effect<void, GoError | GoPeerError>
  /** Drains the server, and returns the duration in milliseconds. */
  readonly shutdown: Effect.Effect<number, GoError | GoPeerError>
  readonly kill: Effect.Effect<number, GoError | GoPeerError>
  readonly handled: Effect.Effect<Handled, GoError | GoPeerError>
  /** Returns the requests that a method received. */
  readonly texts: (method: ServedMethod) => Effect.Effect<ReadonlyArray<string>, GoError | GoPeerError>
}

/** A running peer. */
export interface GoPeer {
  readonly pid: number
  readonly clientId: string
  /** Kills the process, and returns when it has ended. */
  readonly crash: Effect.Effect<void>
  /** Runs a command. Interruption ends the context of a running call, which cancels it in Go. */
  readonly command: <K extends keyof Commands>(
    name: K,
    params: Commands[K]["params"]
  ) => Effect.Effect<Commands[K]["ok"], GoError | GoPeerError>
  /** Starts a server, and returns when it is ready. */
  readonly serve: (params?: ServeParams) => Effect.Effect<GoServer, GoError | GoPeerError>
  /** Calls a method with a text, and returns the text of the response. */
  readonly call: (
    method: UnaryMethod,
    request: string,
    params?: RequestParams
  ) => Effect.Effect<string, GoError | GoPeerError>
  /** Calls a method with a request of exactly these bytes, and returns the bytes of the response. */
  readonly callRaw: (
    method: UnaryMethod,
    request: Uint8Array,
    params?: RequestParams
  ) => Effect.Effect<Uint8Array, GoError | GoPeerError>
  /** Takes the first event that matches, a past one or a future one. */
  readonly event: <K extends keyof Events>(
    name: K,
    where?: (event: Events[K]) => boolean
  ) => Effect.Effect<Events[K], GoPeerError>
}

interface Waiter {
  readonly answer: (ok: unknown) => void
  readonly fail: (error: GoError | GoPeerError) => void
}

interface EventWaiter {
  readonly name: string
  readonly where: (event: any) => boolean
  readonly take: (event: any) => void
  readonly fail: (error: GoPeerError) => void
}

interface Line {
  readonly ready?: boolean
  readonly id?: number
  readonly ok?: unknown
  readonly error?: WireError
  readonly event?: string
}

const toDetail = ({ typeUrl, value }: WireDetail): GoErrorDetail => ({
  typeUrl,
  value: Uint8Array.from(Buffer.from(value, "base64"))
})

const cancellable: ReadonlySet<string> = new Set<keyof Commands>(["call", "callRaw", "multi", "open"])

/** The process and the lines to and from it. */
class Wire {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiters = new Map<number, Waiter>()
  readonly #events: Array<readonly [name: string, event: unknown]> = []
  readonly #eventWaiters = new Set<EventWaiter>()
  #lastId = 0
  #unread = ""
  #stderr = ""
  #end: GoPeerError | undefined
  /** Called once: when the process is ready, or with the reason if it fails to start. */
  onReady: (error: GoPeerError | undefined) => void = () => {}

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => this.#read(chunk))
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#stderr = (this.#stderr + chunk).slice(-16_384)
    })
    // the end of the process is reported by its exit code, not as a broken pipe
    child.stdin.on("error", () => {})
    child.once("error", (cause) => this.#ended(`the Go peer cannot be started: ${cause.message}`))
    child.once("close", (code, signal) => this.#ended(`the Go peer ended (${signal ?? `exit code ${code}`})`))
  }

  send(name: string, params: object): Effect.Effect<unknown, GoError | GoPeerError> {
    return Effect.callback((resume) => {
      if (this.#end !== undefined) return resume(Effect.fail(this.#end))
      const id = ++this.#lastId
      this.#waiters.set(id, {
        answer: (ok) => resume(Effect.succeed(ok)),
        fail: (error) => resume(Effect.fail(error))
      })
      this.#write({ id, cmd: name, ...params })
      return Effect.sync(() => {
        if (this.#waiters.delete(id) && cancellable.has(name))
          this.#write({ id: ++this.#lastId, cmd: "cancel", call: id })
      })
    })
  }

  event(name: string, where: (event: any) => boolean): Effect.Effect<unknown, GoPeerError> {
    return Effect.callback((resume) => {
      const found = this.#events.findIndex(([other, event]) => other === name && where(event))
      if (found >= 0) return resume(Effect.succeed(this.#events.splice(found, 1)[0]![1]))
      if (this.#end !== undefined) return resume(Effect.fail(this.#end))
      const waiter: EventWaiter = {
        name,
        where,
        take: (event) => resume(Effect.succeed(event)),
        fail: (error) => resume(Effect.fail(error))
      }
      this.#eventWaiters.add(waiter)
      return Effect.sync(() => this.#eventWaiters.delete(waiter))
    })
  }

  #write(line: object): void {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`)
  }

  #read(chunk: string): void {
    const lines = (this.#unread + chunk).split("\n")
    this.#unread = lines.pop()!
    for (const line of lines) {
      try {
        this.#take(JSON.parse(line))
      } catch (error) {
        this.#stderr += `${error}, in ${line.slice(0, 1000)}\n`
      }
    }
  }

  #take({ error, event, id, ok, ready, ...fields }: Line): void {
    if (ready === true) this.onReady(undefined)
    else if (event !== undefined) this.#takeEvent(event, error === undefined ? fields : { ...fields, error })
    else if (id !== undefined) {
      const waiter = this.#waiters.get(id)
      this.#waiters.delete(id)
      if (error === undefined) waiter?.answer(ok)
      else if (error.code === "bad_command") waiter?.fail(new GoPeerError({ message: error.message }))
      else waiter?.fail(new GoError({ ...error, details: error.details.map(toDetail) }))
    }
  }

  #takeEvent(name: string, event: object): void {
    for (const waiter of this.#eventWaiters) {
      if (waiter.name !== name || !waiter.where(event)) continue
      this.#eventWaiters.delete(waiter)
      return waiter.take(event)
    }
    this.#events.push([name, event])
  }

  #ended(what: string): void {
    if (this.#end !== undefined) return
    const stderr = this.#stderr.trim()
    const end = new GoPeerError({ message: stderr === "" ? what : `${what}: ${stderr}` })
    this.#end = end
    this.onReady(end)
    for (const waiter of this.#waiters.values()) waiter.fail(end)
    for (const waiter of this.#eventWaiters) waiter.fail(end)
    this.#waiters.clear()
    this.#eventWaiters.clear()
  }
}

const children = new Set<ChildProcessWithoutNullStreams>()
// no peer outlives the test process, however that ends
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

/** Ends the process of a peer, and waits for its end. */
const crash = (child: ChildProcessWithoutNullStreams): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

const start = (path: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"] })
      children.add(child)
      return { child, wire: new Wire(child) }
    }),
    ({ child }) => Effect.tap(crash(child), () => Effect.sync(() => children.delete(child)))
  ).pipe(
    Effect.tap(({ wire }) =>
      Effect.callback<void, GoPeerError>((resume) => {
        wire.onReady = (error) => resume(error === undefined ? Effect.void : Effect.fail(error))
      })
    )
  )

/** Starts a peer that ends with the scope. Builds its binary first if these sources have not been built. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<GoPeer, GoPeerError, Scope.Scope> {
  const args = ["-bus", options.bus, "-url", options.url, "-service", options.service]
  if (options.clientId !== undefined) args.push("-client-id", options.clientId)
  if (options.trace !== undefined) args.push("-trace", options.trace)
  const { child, wire } = yield* start(yield* binary, args)
  const command = wire.send.bind(wire) as GoPeer["command"]

  const server = ({ server, serverId }: Commands["serve"]["ok"]): GoServer => {
    const place = (method: ServedMethod, topic: TopicParts | undefined) => ({
      server,
      method,
      ...(topic !== undefined && { topic })
    })
    return {
      handle: server,
      serverId,
      register: (method, topic) => Effect.asVoid(command("register", place(method, topic))),
      deregister: (method, topic) => Effect.asVoid(command("deregister", place(method, topic))),
      setAffinity: (params) => Effect.asVoid(command("setAffinity", { server, ...params })),
      shutdown: Effect.map(command("shutdown", { server }), ({ ms }) => ms),
      kill: Effect.map(command("kill", { server }), ({ ms }) => ms),
      handled: command("handled", { server }),
      texts: (method) => Effect.map(command("handled", { server, texts: true }), ({ texts }) => texts?.[method] ?? [])
    }
  }

  const { clientId } = yield* Effect.catchTag(command("info", {}), "GoError", (cause) =>
    Effect.fail(new GoPeerError({ message: cause.message, cause }))
  )
  return {
    pid: child.pid!,
    clientId,
    crash: crash(child),
    command,
    serve: (params = {}) => Effect.map(command("serve", params), server),
    call: (method, request, params) => Effect.map(command("call", { ...params, method, request }), ({ text }) => text),
    callRaw: (method, request, params) =>
      Effect.map(
        command("callRaw", { ...params, method, base64: Buffer.from(request).toString("base64") }),
        ({ base64 }) => Uint8Array.from(Buffer.from(base64, "base64"))
      ),
    event: (name, where = () => true) => wire.event(name, where) as Effect.Effect<any, GoPeerError>
  }
})
