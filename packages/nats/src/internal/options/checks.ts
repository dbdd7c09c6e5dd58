import { Limits } from "@effect-psrpc/core/broker"

/** Checks the options of this bus. */
export const check: Limits.Checks = Limits.checks("NatsMessageBus")
