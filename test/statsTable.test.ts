import type { Telemetry } from "@effect-psrpc/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { statsTable } from "../scratchpad/statsTable.ts"

const none: Telemetry.Counts = {
  calls: 0,
  inFlight: 0,
  errors: 0,
  codes: {},
  averageCallTime: Duration.zero,
  sent: { messages: 0, bytes: 0 },
  received: { messages: 0, bytes: 0 },
  dropped: {},
  retries: 0,
  openStreams: 0,
  subscriptions: 0
}

const traffic = (messages: number, bytes: number): Telemetry.Traffic => ({ messages, bytes })

const method = (
  side: Telemetry.MethodStats["side"],
  method: string | undefined,
  kind: Telemetry.MethodStats["kind"],
  counts: Partial<Telemetry.Counts>
): Telemetry.MethodStats => ({ ...none, side, service: "Work", method, kind, attributes: {}, ...counts })

const stats: Telemetry.Stats = {
  methods: [
    method("server", "Wait", "unary", {
      calls: 3,
      inFlight: 1,
      averageCallTime: Duration.millis(40),
      sent: traffic(2, 12),
      received: traffic(3, 14)
    }),
    method("server", "Fail", "unary", { calls: 1, errors: 1, sent: traffic(1, 0), received: traffic(1, 3) }),
    method("server", "Talk", "stream", { calls: 1, inFlight: 1, received: traffic(1, 5), openStreams: 1 }),
    method("client", "Wait", "unary", {
      calls: 3,
      inFlight: 1,
      averageCallTime: Duration.millis(40),
      sent: traffic(3, 14),
      received: traffic(2, 12)
    }),
    method("client", "Fail", "unary", { calls: 1, errors: 1, sent: traffic(1, 3), received: traffic(1, 0) }),
    method("client", "Talk", "stream", { calls: 1, inFlight: 1, sent: traffic(1, 5), openStreams: 1 }),
    method("client", "Told", "subscription", { received: traffic(1, 5), dropped: { overflow: 1 }, subscriptions: 1 }),
    method("client", undefined, undefined, { dropped: { malformed: 1 } }),
    method("publisher", "Told", "subscription", { calls: 2, sent: traffic(2, 10) }),
    method("client", "Unused", "unary", {})
  ],
  totals: {
    client: {
      ...none,
      calls: 5,
      inFlight: 2,
      errors: 1,
      averageCallTime: Duration.millis(26.666667),
      sent: traffic(5, 22),
      received: traffic(4, 17),
      dropped: { overflow: 1, malformed: 1 },
      openStreams: 1,
      subscriptions: 1
    },
    server: {
      ...none,
      calls: 5,
      inFlight: 2,
      errors: 1,
      averageCallTime: Duration.millis(26.666667),
      sent: traffic(3, 12),
      received: traffic(5, 22),
      openStreams: 1
    },
    publisher: { ...none, calls: 2, sent: traffic(2, 10) }
  }
}

describe("the table of stats", () => {
  it("has a line for each method that was used, aligned, and one for each side", () => {
    assert.strictEqual(
      statsTable(stats),
      `
side       method            kind          calls  in flight  errors  retries  avg ms  msgs out  bytes out  msgs in  bytes in  dropped  streams  subscr.
---------  ----------------  ------------  -----  ---------  ------  -------  ------  --------  ---------  -------  --------  -------  -------  -------
client     Work.Wait         unary             3          1       0        0   40.00         3         14        2        12        0        0        0
client     Work.Fail         unary             1          0       1        0    0.00         1          3        1         0        0        0        0
client     Work.Talk         stream            1          1       0        0       -         1          5        0         0        0        1        0
client     Work.Told         subscription      0          0       0        0       -         0          0        1         5        1        0        1
client     Work (no method)                    0          0       0        0       -         0          0        0         0        1        0        0
server     Work.Wait         unary             3          1       0        0   40.00         2         12        3        14        0        0        0
server     Work.Fail         unary             1          0       1        0    0.00         1          0        1         3        0        0        0
server     Work.Talk         stream            1          1       0        0       -         0          0        1         5        0        1        0
publisher  Work.Told         subscription      2          0       0        0       -         2         10        0         0        0        0        0
---------  ----------------  ------------  -----  ---------  ------  -------  ------  --------  ---------  -------  --------  -------  -------  -------
client     all                                 5          2       1        0   26.67         5         22        4        17        2        1        1
server     all                                 5          2       1        0   26.67         3         12        5        22        0        1        0
publisher  all                                 2          0       0        0       -         2         10        0         0        0        0        0
`.slice(1, -1)
    )
  })

  it("has two lines without any count", () => {
    const empty = { methods: [], totals: { client: none, server: none, publisher: none } }
    assert.strictEqual(statsTable(empty).split("\n").length, 2)
  })
})
