/**
 * The rooms of `packages/core/src`, from the lowest to the highest, as docs/architecture.md draws them. A file imports
 * from its own room and from the rooms in the rows above it in this table; `npm run lint` refuses every other import.
 * Rooms in one row do not import each other.
 *
 * A name with a capital letter is a public module. A public module that is not listed belongs to the last row: no room
 * imports it.
 */
export const rooms: ReadonlyArray<ReadonlyArray<string>> = [
  ["gen", "support", "time"],
  ["errors", "PsrpcError"],
  ["metadata"],
  ["wire"],
  ["bus", "conversions"],
  // public modules that hold types alone, or values without a running part
  ["BidiStream", "MessageBus", "Payload", "Rpc", "Topic"],
  ["calls"],
  ["definition", "Descriptor"],
  ["telemetry"],
  ["stream"],
  ["interceptors"],
  ["client", "server"],
  ["publisher"],
  ["retry"]
]

/**
 * The rooms of core's entry points for tests, by their paths in `packages/core/src`, from the lowest to the highest. They
 * follow the same rule, and the two entry points do not import each other.
 */
export const testRooms: ReadonlyArray<ReadonlyArray<string>> = [
  ["testing/internal/faultyBus", "broker/testing/internal/harness"],
  ["testing/FaultyMessageBus"],
  ["testing/internal/testNetwork", "broker/testing/internal/busSuite", "broker/testing/internal/serviceSuite"],
  ["testing/PsrpcTest", "broker/testing/MessageBusSuite", "broker/testing/ServiceSuite"]
]

/** The rooms of `src/internal` in the packages of the buses, from the lowest to the highest, with the same rule. */
export const busRooms: Readonly<Record<"redis" | "nats", ReadonlyArray<ReadonlyArray<string>>>> = {
  redis: [["connection"], ["options", "commands"], ["publishing"], ["receiving"]],
  nats: [["connection"], ["options", "subjects"], ["publishing"], ["forwarding"], ["receiving"]]
}
