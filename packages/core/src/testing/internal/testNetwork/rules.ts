/** What is to go wrong, for as long as it is said. */
import { Effect, type Scope } from "effect"
import { countOf } from "../../../internal/support/count.ts"
import type { AnyEffect } from "../../../internal/calls/callContext.ts"
import { all, type Fault, type Message } from "../faultyBus/fault.ts"

/** What faults are decided by, whatever the method. */
export type AnyAsked = Readonly<Record<string, unknown>>

/** Options of a fault, whatever the method. */
export interface AnyFaultOptions {
  readonly times?: number | undefined
  readonly when?: ((asked: never) => boolean) | undefined
  readonly server?: string | undefined
}

interface Rule {
  readonly key: string
  readonly server: string | undefined
  readonly when: ((asked: AnyAsked) => boolean) | undefined
  left: number
}

/** What a handler meets: a delay, or another handler. */
interface HandlerRule extends Rule {
  readonly delay?: number
  readonly handle?: (asked: AnyAsked, ...args: ReadonlyArray<unknown>) => AnyEffect
}

/** What a message meets. */
interface MessageRule extends Rule {
  readonly part: string
  readonly fault: (asked: AnyAsked) => Fault
}

export class Rules {
  readonly #handlers = new Set<HandlerRule>()
  readonly #messages = new Set<MessageRule>()

  /** A fault of handlers, until the scope closes. */
  forHandlers(
    key: string,
    options: AnyFaultOptions | undefined,
    does: Pick<HandlerRule, "delay" | "handle">
  ): Effect.Effect<void, never, Scope.Scope> {
    return during(this.#handlers, () => ({ ...ruleOf(key, options), ...does }))
  }

  /** A fault of messages, until the scope closes. */
  forMessages(
    key: string,
    options: AnyFaultOptions | undefined,
    part: string,
    fault: MessageRule["fault"]
  ): Effect.Effect<void, never, Scope.Scope> {
    return during(this.#messages, () => ({ ...ruleOf(key, options), part, fault }))
  }

  /** Runs a handler, or what is to run in its place. */
  around(
    key: string,
    server: string,
    asked: AnyAsked,
    handle: (...args: ReadonlyArray<unknown>) => AnyEffect,
    args: ReadonlyArray<unknown>
  ): AnyEffect {
    let delay = 0
    let other: HandlerRule["handle"]
    // the latest first
    for (const rule of Array.from(this.#handlers).toReversed()) {
      if (rule.handle !== undefined && other !== undefined) continue
      if (!applies(rule, key, server, asked)) continue
      delay += rule.delay ?? 0
      other ??= rule.handle
    }
    const answer = Effect.suspend(() => (other === undefined ? handle(...args) : other(asked, ...args)))
    return delay > 0 ? Effect.delay(answer, delay) : answer
  }

  /** The fault of a message. */
  fault(key: string, part: string, server: string | undefined, asked: AnyAsked, message: Message): Fault | undefined {
    const faults: Array<Fault> = []
    for (const rule of this.#messages) {
      if (rule.part === part && applies(rule, key, server, asked)) faults.push(rule.fault(asked))
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
  server: options?.server,
  when: options?.when as Rule["when"],
  left: options?.times === undefined ? Infinity : countOf("times", options.times)
})

const during = <A>(rules: Set<A>, make: () => A): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const rule = make()
      rules.add(rule)
      return rule
    }),
    (rule) => Effect.sync(() => rules.delete(rule))
  )

/** Whether a rule is for it; one that is has been used once more. */
const applies = (rule: Rule, key: string, server: string | undefined, asked: AnyAsked): boolean => {
  if (rule.key !== key || rule.left === 0) return false
  if (rule.server !== undefined && rule.server !== server) return false
  if (rule.when !== undefined && !rule.when(asked)) return false
  rule.left--
  return true
}
