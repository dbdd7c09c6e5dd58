/** The active faults of a test network. */
import { Effect, type Scope } from "effect"
import { countOf } from "../../../internal/support/count.ts"
import type { AnyEffect } from "../../../internal/calls/callContext.ts"
import { all, type Fault, type Message } from "../faultyBus/faults.ts"

/** The properties of a call of any method; see `PsrpcTest.CallInfo`. */
export type AnyCallInfo = Readonly<Record<string, unknown>>

/** Options of a fault of any method; see `PsrpcTest.FaultOptions`. */
export interface AnyFaultOptions {
  readonly times?: number | undefined
  readonly when?: ((call: never) => boolean) | undefined
  readonly serverId?: string | undefined
}

interface Rule {
  readonly key: string
  readonly serverId: string | undefined
  readonly when: ((call: AnyCallInfo) => boolean) | undefined
  remaining: number
}

/** A delay of a handler, or another handler. */
interface HandlerRule extends Rule {
  readonly delay?: number
  readonly handle?: (call: AnyCallInfo, ...args: ReadonlyArray<unknown>) => AnyEffect
}

/** A fault of messages of one kind. */
interface MessageRule extends Rule {
  readonly kind: string
  readonly fault: (call: AnyCallInfo) => Fault
}

export class FaultRules {
  readonly #handlers = new Set<HandlerRule>()
  readonly #messages = new Set<MessageRule>()

  /** Adds a fault of handlers until the scope closes. */
  addHandlerRule(
    key: string,
    options: AnyFaultOptions | undefined,
    rule: Pick<HandlerRule, "delay" | "handle">
  ): Effect.Effect<void, never, Scope.Scope> {
    return addScoped(this.#handlers, () => ({ ...ruleOf(key, options), ...rule }))
  }

  /** Adds a fault of messages until the scope closes. */
  addMessageRule(
    key: string,
    options: AnyFaultOptions | undefined,
    rule: Pick<MessageRule, "kind" | "fault">
  ): Effect.Effect<void, never, Scope.Scope> {
    return addScoped(this.#messages, () => ({ ...ruleOf(key, options), ...rule }))
  }

  /** Runs a handler with the faults of the call, or the handler that replaces it. */
  runHandler(
    key: string,
    serverId: string,
    call: AnyCallInfo,
    handle: (...args: ReadonlyArray<unknown>) => AnyEffect,
    args: ReadonlyArray<unknown>
  ): AnyEffect {
    let delay = 0
    let replacement: HandlerRule["handle"]
    // the latest rule first
    for (const rule of Array.from(this.#handlers).toReversed()) {
      if (rule.handle !== undefined && replacement !== undefined) continue
      if (!useRule(rule, key, serverId, call)) continue
      delay += rule.delay ?? 0
      replacement ??= rule.handle
    }
    const response = Effect.suspend(() => (replacement === undefined ? handle(...args) : replacement(call, ...args)))
    return delay > 0 ? Effect.delay(response, delay) : response
  }

  /** Returns the fault of a message. */
  messageFault(
    key: string,
    kind: string,
    sender: string | undefined,
    call: AnyCallInfo,
    message: Message
  ): Fault | undefined {
    const faults: Array<Fault> = []
    for (const rule of this.#messages) {
      if (rule.kind === kind && useRule(rule, key, sender, call)) faults.push(rule.fault(call))
    }
    return faults.length === 0 ? undefined : all(...faults)(message)
  }

  clear(): void {
    this.#handlers.clear()
    this.#messages.clear()
  }
}

const ruleOf = (key: string, options: AnyFaultOptions | undefined): Rule => ({
  key,
  serverId: options?.serverId,
  when: options?.when as Rule["when"],
  remaining: options?.times === undefined ? Infinity : countOf("times", options.times)
})

const addScoped = <A>(rules: Set<A>, make: () => A): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const rule = make()
      rules.add(rule)
      return rule
    }),
    (rule) => Effect.sync(() => rules.delete(rule))
  )

/** Returns whether a rule applies, and if so counts one use of it. */
const useRule = (rule: Rule, key: string, serverId: string | undefined, call: AnyCallInfo): boolean => {
  if (rule.key !== key || rule.remaining === 0) return false
  if (rule.serverId !== undefined && rule.serverId !== serverId) return false
  if (rule.when !== undefined && !rule.when(call)) return false
  rule.remaining--
  return true
}
