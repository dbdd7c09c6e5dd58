import type { Effect, Scope } from "effect"
import type { Run } from "../harness/run.ts"
import type { SuiteCase } from "../harness/suiteTests.ts"

/** A case of the service suite. */
export interface ServiceCase extends Omit<SuiteCase, "body"> {
  readonly body: (run: Run) => Effect.Effect<unknown, unknown, Scope.Scope>
}
