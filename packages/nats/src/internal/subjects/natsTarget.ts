import type { MessageBus, PsrpcError } from "@effect-psrpc/core"
import { Msg } from "@effect-psrpc/core/broker"
import { checkSubject } from "./subjectNames.ts"

const noBytes = new Uint8Array(0)

/** A channel prepared for publishing. */
export class NatsTarget implements MessageBus.Target {
  readonly name: string
  readonly tail: Uint8Array
  readonly unique = false
  readonly refusal: PsrpcError.InvalidArgument | undefined
  /** Whether a message without listeners is sent again in the grace period. */
  readonly retriesNoListeners: boolean

  constructor(subject: string, route: string, retriesNoListeners = true) {
    this.name = subject
    // a Msg with nothing but its channel is the bytes of that field
    this.tail =
      route === "" ? noBytes : Msg.encode({ typeUrl: "", value: noBytes, channel: route.toWellFormed() }).slice()
    this.refusal = checkSubject(subject)
    this.retriesNoListeners = retriesNoListeners
  }

  /** Returns a target of this bus, also for a target of another bus. */
  static from(target: MessageBus.Target): NatsTarget {
    return target instanceof NatsTarget ? target : new NatsTarget(target.name, "")
  }
}
