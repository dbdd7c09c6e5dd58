/**
 * What a server has registered, and how it ends: a registration alone, all of them in a drain, or at once.
 */
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import * as Channels from "../wire/channel.ts"
import type { Idle } from "./idle.ts"
import type { CalledMethod } from "../definition/method.ts"
import type { Dispatch, Job } from "./dispatch.ts"
import type { ServerState } from "./serverState.ts"

/** A method to be registered for a topic. */
export interface Entry {
  readonly method: CalledMethod
  /** The topic as the wire has it. */
  readonly topic: ReadonlyArray<string>
  readonly dispatch: Dispatch<CalledMethod, Job>
}

interface Registration {
  readonly key: string
  readonly dispatch: Entry["dispatch"]
  /** Closed first: no request comes in any more. */
  readonly requests: Scope.Closeable
  /** Closed last: a request in hand still needs its claim. */
  readonly claims: Scope.Closeable
}

/** How long handlers that are interrupted may take to stop before the log says so. */
const patience = "1 second"

/** Servers made in one scope are closed together, under one deadline, whichever of their finalizers comes first. */
const together = new WeakMap<Scope.Scope, Set<() => void>>()

export class Registrations {
  readonly #server: ServerState
  readonly #service: string
  readonly #idle: Idle
  readonly #drainTimeout: number
  readonly #byKey = new Map<string, Registration>()
  /** Deregistered, with requests still in hand. */
  readonly #leaving = new Set<Registration>()
  readonly #closed = Deferred.makeUnsafe<void>()
  #closing = false

  constructor(server: ServerState, service: string, idle: Idle, drainTimeout: number) {
    this.#server = server
    this.#service = service
    this.#idle = idle
    this.#drainTimeout = drainTimeout
  }

  /** Registers until the server is closed; what is registered, at least in part, is in `added`. */
  add(
    { dispatch, method, topic }: Entry,
    added?: Array<Registration>
  ): Effect.Effect<Registration, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      if (this.#closing) return Effect.fail(serverClosed(this.#service))
      const key = keyOf(method, topic)
      if (this.#byKey.has(key)) {
        const at = topic.length > 0 ? ` for the topic ${topic.join(", ")}` : ""
        const message = `${method.label} is registered already${at}`
        return Effect.fail(PsrpcError.fromCode("already_exists", { message, mayHaveRun: false }))
      }
      const registration = { key, dispatch, requests: Scope.makeUnsafe(), claims: Scope.makeUnsafe() }
      this.#byKey.set(key, registration)
      added?.push(registration)
      return this.#subscribe(method, topic, registration).pipe(
        Effect.onError(() => this.#end(registration)),
        Effect.as(registration)
      )
    })
  }

  /** Registers all or none, until the scope closes. */
  addScoped(entries: ReadonlyArray<Entry>): Effect.Effect<void, PsrpcError.PsrpcError, Scope.Scope> {
    return Effect.suspend(() => {
      const added: Array<Registration> = []
      const end = Effect.suspend(() => this.#endAll(added))
      const all = Effect.forEach(entries, (entry) => this.add(entry, added), {
        concurrency: "unbounded",
        discard: true
      })
      return Effect.acquireRelease(
        Effect.onError(all, () => end),
        () => end,
        { interruptible: true }
      )
    })
  }

  /** Ends registrations, where there are such. Requests in hand are finished and answered, without being waited for. */
  remove(places: ReadonlyArray<Pick<Entry, "method" | "topic">>): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#endAll(
        places.flatMap(({ method, topic }) => {
          const registration = this.#byKey.get(keyOf(method, topic))
          return registration === undefined ? [] : [registration]
        })
      )
    )
  }

  /** Has the server drained when the scope closes, together with the others of the scope. */
  closeWith(scope: Scope.Scope): Effect.Effect<void> {
    let servers = together.get(scope)
    if (servers === undefined) together.set(scope, (servers = new Set()))
    const start = (): void => this.#start(this.#drainTimeout)
    servers.add(start)
    return Scope.addFinalizer(
      scope,
      Effect.suspend(() => {
        for (const each of servers) each()
        servers.delete(start)
        return Deferred.await(this.#closed)
      })
    )
  }

  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.#start(this.#drainTimeout)
    return Deferred.await(this.#closed)
  })

  readonly kill: Effect.Effect<void> = Effect.suspend(() => {
    this.#start(0)
    this.#server.killed = true
    for (const { dispatch } of this.#all()) dispatch.interruptAll()
    return Deferred.await(this.#closed)
  })

  #subscribe(
    method: CalledMethod,
    topic: ReadonlyArray<string>,
    { claims, dispatch, requests }: Registration
  ): Effect.Effect<void, PsrpcError.PsrpcError> {
    const { bus } = this.#server
    const { kind, name, queue, service } = method
    const channel =
      kind === "stream" ? Channels.stream(service, name, topic) : Channels.request(service, name, topic, queue)
    // claims first: the answer to a request's claim must not come before somebody listens
    return Effect.andThen(
      Scope.provide(bus.subscribe(Channels.claimResponse(service, name, topic), dispatch.onClaim), claims),
      Scope.provide(bus.subscribe(channel, dispatch.onRequest, { queue }), requests)
    )
  }

  #endAll(registrations: ReadonlyArray<Registration>): Effect.Effect<void> {
    return Effect.forEach(registrations, (registration) => this.#end(registration), {
      concurrency: "unbounded",
      discard: true
    })
  }

  #end(registration: Registration): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#byKey.get(registration.key) !== registration) return Effect.void
      this.#byKey.delete(registration.key)
      registration.dispatch.leave()
      this.#leaving.add(registration)
      const claims = Effect.andThen(
        this.#idle.when(() => registration.dispatch.size),
        Effect.andThen(
          Scope.close(registration.claims, Exit.void),
          Effect.sync(() => {
            this.#leaving.delete(registration)
            this.#idle.check()
          })
        )
      )
      return Effect.andThen(Scope.close(registration.requests, Exit.void), Effect.forkDetach(claims))
    }).pipe(Effect.asVoid, Effect.uninterruptible)
  }

  #all(): Array<Registration> {
    return [...this.#byKey.values(), ...this.#leaving]
  }

  #busy = (): number => this.#all().reduce((sum, { dispatch }) => sum + dispatch.size, 0)

  /** Starts to close, in a fiber of its own, since several servers do so at the same time. */
  #start(timeout: number): void {
    if (this.#closing) return
    this.#closing = true
    Effect.runForkWith(this.#server.context)(
      this.#close(timeout).pipe(Effect.onExit((exit) => Deferred.done(this.#closed, exit)))
    )
  }

  #close = Effect.fnUntraced(function* (this: Registrations, timeout: number) {
    const all = this.#all()
    for (const { dispatch } of all) dispatch.leave()
    const unsubscribe = closeAll(all.map(({ requests }) => requests))
    const unsubscribed = yield* Effect.forkDetach(unsubscribe, { startImmediately: true })
    yield* Effect.andThen(Fiber.await(unsubscribed), this.#idle.when(this.#busy)).pipe(Effect.timeoutOption(timeout))
    this.#server.killed = true
    for (const { dispatch } of all) dispatch.interruptAll()
    const stopped = yield* Effect.timeoutOption(this.#idle.when(this.#busy), patience)
    if (stopped._tag === "None") {
      yield* Effect.logWarning(
        `psrpc: the server of ${this.#service} is interrupted and waits for ${this.#busy()} handlers to stop`
      )
      yield* this.#idle.when(this.#busy)
    }
    yield* Fiber.await(unsubscribed)
    yield* closeAll(all.map(({ claims }) => claims))
    this.#byKey.clear()
  })
}

const closeAll = (scopes: ReadonlyArray<Scope.Closeable>): Effect.Effect<void> =>
  Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void), { concurrency: "unbounded", discard: true })

const keyOf = (method: CalledMethod, topic: ReadonlyArray<string>): string => JSON.stringify([method.name, ...topic])

const serverClosed = (service: string): PsrpcError.PsrpcError =>
  PsrpcError.fromCode("canceled", {
    message: `server is closed (${service})`,
    reason: "server_closed",
    mayHaveRun: false
  })
