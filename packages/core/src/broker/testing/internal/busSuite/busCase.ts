import type { Effect, Scope } from "effect"
import type { Run } from "../harness/run.ts"
import type { SuiteCase } from "../harness/suiteTests.ts"
import type { BusMessages } from "./busMessages.ts"

/** A case of the bus suite. The outcomes of its messages are verified after the body. */
export interface BusCase extends Omit<SuiteCase, "body"> {
  readonly body: (run: Run, messages: BusMessages) => Effect.Effect<void, unknown, Scope.Scope>
}
