import type { Fiber } from "effect"
import type { AnyCall } from "../calls/callContext.ts"
import type { Timed } from "../time/deadlines.ts"
import type { Interruption } from "./serverState.ts"

/** A request from its arrival until it is discarded or its handler has finished. */
export class InFlightRequest implements Timed {
  slot = -1
  due = 0
  seq = 0

  readonly id: string
  readonly call: AnyCall
  /** `claimed`: the server has sent its claim. `running`: the client has selected the server, or needs no claim. */
  phase: "computingAffinity" | "claimed" | "running" = "computingAffinity"
  /** The fiber of the affinity function, or of the handler. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** The start of the handler, in milliseconds on the monotonic clock. */
  startedAt = 0
  readonly #gate: { interrupt(request: InFlightRequest, interruption: Interruption): void }

  constructor(
    gate: { interrupt(request: InFlightRequest, interruption: Interruption): void },
    id: string,
    call: AnyCall
  ) {
    this.#gate = gate
    this.id = id
    this.call = call
  }

  expired(): void {
    this.#gate.interrupt(this, "deadline")
  }
}
