/** The registrations of a server, and their end: one by one, all in a drain, or all at once. */
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as PsrpcError from "../../PsrpcError.ts"
import * as Channels from "../wire/channel.ts"
import type { Idle } from "./idle.ts"
import type { CalledMethod } from "../definition/method.ts"
import type { ClaimGate, InFlightRequest } from "./claimGate.ts"
import type { ServerState } from "./serverState.ts"

/** The requests of one method and topic, and their handlers. */
export interface Dispatch {
  readonly gate: Pick<ClaimGate<InFlightRequest>, "size" | "interruptAll" | "onClaimResponse">
  /** The listener of requests. */
  readonly onRequest: (message: Uint8Array) => void
  /** Called when the server accepts no more requests. */
  beginDrain?(): void
}

/** A method to be registered for a topic. */
export interface Entry {
  readonly method: CalledMethod
  /** The topic on the wire. */
  readonly topic: ReadonlyArray<string>
  readonly dispatch: Dispatch
}

interface Registration {
  readonly key: string
  readonly dispatch: Dispatch
  /** The subscription to requests, closed first. */
  readonly requests: Scope.Closeable
  /** The subscription to claim responses, closed last: an in-flight request needs its claim response. */
  readonly claims: Scope.Closeable
}

/** Time after which a warning is logged if interrupted handlers have not stopped. */
const stopWarning = "1 second"

/** Servers of one scope drain together, under one deadline: the first finalizer starts the drain of each. */
const serversOf = new WeakMap<Scope.Scope, Set<() => void>>()

export class Registrations {
  readonly #server: ServerState
  readonly #service: string
  readonly #idle: Idle
  readonly #drainTimeout: number
  readonly #byKey = new Map<string, Registration>()
  /** Registrations that have ended, with in-flight requests. */
  readonly #draining = new Set<Registration>()
  readonly #closed = Deferred.makeUnsafe<void>()
  #isClosing = false

  constructor(server: ServerState, service: string, idle: Idle, drainTimeout: number) {
    this.#server = server
    this.#service = service
    this.#idle = idle
    this.#drainTimeout = drainTimeout
  }

  /** Registers a method until the server is closed. Adds the registration to `added` before it subscribes. */
  add(
    { dispatch, method, topic }: Entry,
    added?: Array<Registration>
  ): Effect.Effect<Registration, PsrpcError.PsrpcError> {
    return Effect.suspend(() => {
      if (this.#isClosing) return Effect.fail(serverClosed(this.#service))
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

  /** Registers all methods, or none if one fails, until the scope closes. */
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

  /** Ends registrations, if they exist. Does not wait for in-flight requests, which finish and get their responses. */
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

  /** Drains the server when the scope closes, together with the other servers of the scope. */
  closeWith(scope: Scope.Scope): Effect.Effect<void> {
    let servers = serversOf.get(scope)
    if (servers === undefined) serversOf.set(scope, (servers = new Set()))
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
    this.#server.isKilled = true
    for (const { dispatch } of this.#all()) dispatch.gate.interruptAll()
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
    // claim responses first: one may arrive as soon as a request has arrived
    return Effect.andThen(
      Scope.provide(bus.subscribe(Channels.claimResponse(service, name, topic), dispatch.gate.onClaimResponse), claims),
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
      registration.dispatch.beginDrain?.()
      this.#draining.add(registration)
      const claims = Effect.andThen(
        this.#idle.when(() => registration.dispatch.gate.size),
        Effect.andThen(
          Scope.close(registration.claims, Exit.void),
          Effect.sync(() => {
            this.#draining.delete(registration)
            this.#idle.check()
          })
        )
      )
      return Effect.andThen(Scope.close(registration.requests, Exit.void), Effect.forkDetach(claims))
    }).pipe(Effect.asVoid, Effect.uninterruptible)
  }

  #all(): Array<Registration> {
    return [...this.#byKey.values(), ...this.#draining]
  }

  readonly #inFlight = (): number => this.#all().reduce((sum, { dispatch }) => sum + dispatch.gate.size, 0)

  /** Starts to close, in a fiber of its own, since the servers of a scope close at the same time. */
  #start(timeout: number): void {
    if (this.#isClosing) return
    this.#isClosing = true
    Effect.runForkWith(this.#server.context)(
      this.#close(timeout).pipe(Effect.onExit((exit) => Deferred.done(this.#closed, exit)))
    )
  }

  #close = Effect.fnUntraced(function* (this: Registrations, timeout: number) {
    const all = this.#all()
    for (const { dispatch } of all) dispatch.beginDrain?.()
    const unsubscribe = closeAll(all.map(({ requests }) => requests))
    const unsubscribed = yield* Effect.forkDetach(unsubscribe, { startImmediately: true })
    const finished = Effect.andThen(Fiber.await(unsubscribed), this.#idle.when(this.#inFlight))
    yield* Effect.timeoutOption(finished, timeout)
    this.#server.isKilled = true
    for (const { dispatch } of all) dispatch.gate.interruptAll()
    const stopped = yield* Effect.timeoutOption(this.#idle.when(this.#inFlight), stopWarning)
    if (stopped._tag === "None") {
      yield* Effect.logWarning(
        `psrpc: the server of ${this.#service} has interrupted its handlers and waits for ${this.#inFlight()} of them to stop`
      )
      yield* this.#idle.when(this.#inFlight)
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
