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
