/** The cases of `ServiceSuite`. */
import { type Duration, Effect, type Scope } from "effect"
import {
  busUnderTest,
  type Deadline,
  type SuiteCase,
  type SuiteOptions,
  type Test,
  testsOf
} from "../harness/suiteTests.ts"
import { callFailures } from "./callFailures.ts"
import { mixedLoad } from "./mixedLoad.ts"
import { multiCalls } from "./multiCalls.ts"
import { payloads } from "./payloads.ts"
import { registration } from "./registration.ts"
import { serverDraining } from "./serverDraining.ts"
import type { ServiceCase } from "./serviceCase.ts"
import { streamClosing } from "./streamClosing.ts"
import { streamFlow } from "./streamFlow.ts"
import { streamRouting } from "./streamRouting.ts"
import { unaryRouting } from "./unaryRouting.ts"
import { updates } from "./updates.ts"

const cases = [
  unaryRouting,
  multiCalls,
  updates,
  streamRouting,
  callFailures,
  payloads,
  streamClosing,
  streamFlow,
  serverDraining,
  registration,
  mixedLoad
].flat()

const toSuiteCase = ({ body, ...rest }: ServiceCase): SuiteCase => ({
  ...rest,
  body: (run) => run.scoped(Effect.asVoid(body(run)))
})

export const defaultTimeout: Duration.Input = "60 seconds"

/** Makes the tests of the library on a bus. `deadline` replaces the timeout. */
export const serviceTests = <R>(
  options: SuiteOptions<R>,
  deadline?: Deadline
): ReadonlyArray<Test<Exclude<R, Scope.Scope>>> =>
  testsOf(cases.map(toSuiteCase), busUnderTest(options, { minPayload: 65_536, defaultTimeout }), deadline)
