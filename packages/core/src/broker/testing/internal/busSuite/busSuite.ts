/** The cases of `MessageBusSuite`. */
import { type Duration, Effect, type Scope } from "effect"
import {
  busUnderTest,
  type Deadline,
  type SuiteCase,
  type SuiteOptions,
  type Test,
  testsOf
} from "../harness/suiteTests.ts"
import type { BusCase } from "./busCase.ts"
import { BusMessages } from "./busMessages.ts"
import { channelNames } from "./channelNames.ts"
import { listenerBehavior } from "./listenerBehavior.ts"
import { outages } from "./outages.ts"
import { publishing } from "./publishing.ts"
import { queueGroups } from "./queueGroups.ts"
import { subscribing } from "./subscribing.ts"

const toSuiteCase = ({ body, ...rest }: BusCase): SuiteCase => ({
  ...rest,
  body: (run) => {
    const messages = new BusMessages(run)
    const test = Effect.gen(function* () {
      yield* body(run, messages)
      yield* messages.verifyOutcomes
      yield* messages.verifyEnds
    })
    return Effect.andThen(run.scoped(test), messages.verifyEnds)
  }
})

export const defaultTimeout: Duration.Input = "30 seconds"

/** Makes the tests of a bus. `deadline` replaces the timeout. */
export const busTests = <R>(
  options: SuiteOptions<R> & { readonly outage?: Effect.Effect<void, unknown, R | Scope.Scope> | undefined },
  deadline?: Deadline
): ReadonlyArray<Test<Exclude<R, Scope.Scope>>> => {
  const bus = busUnderTest(options, { minPayload: 1024, defaultTimeout })
  const cases = [
    publishing,
    channelNames,
    queueGroups,
    subscribing,
    listenerBehavior,
    bus.outage === undefined ? [] : outages
  ]
  return testsOf(cases.flat().map(toSuiteCase), bus, deadline)
}
