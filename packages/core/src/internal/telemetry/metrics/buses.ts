/** The metrics of a bus. */
import type { Context } from "effect"
import { type Definition, stateOf } from "./definitions.ts"
import { PerRegistry, register, withOwnNames } from "./registry.ts"

/** The counts of all buses of one kind that share a registry and attributes. */
export class BusSeries {
  subscriptions = 0
  published = 0
  publishedBytes = 0
  received = 0
  receivedBytes = 0
  lost = 0
  reconnects = 0
}

interface OfBus extends Definition {
  /**
   * Whether only buses with a broker have the metric. Within a process a message is so cheap that a second count would be
   * measurable, and its method already counts it.
   */
  readonly ofBrokers: boolean
  readonly read: (series: BusSeries) => number
}

const bus = ["side", "bus"]

export const ofBuses: ReadonlyArray<OfBus> = [
  {
    name: "psrpc_bus_subscriptions",
    type: "gauge",
    attributes: bus,
    description: "Channel subscriptions that the broker has acknowledged",
    ofBrokers: false,
    read: ({ subscriptions }) => subscriptions
  },
  {
    name: "psrpc_bus_messages_published",
    type: "counter",
    attributes: bus,
    description: "Messages of every kind passed to the bus",
    ofBrokers: true,
    read: ({ published }) => published
  },
  {
    name: "psrpc_bus_messages_received",
    type: "counter",
    attributes: bus,
    description: "Messages of every kind received from the bus",
    ofBrokers: true,
    read: ({ received }) => received
  },
  {
    name: "psrpc_bus_published_bytes",
    type: "counter",
    unit: "By",
    attributes: bus,
    description: "Bytes of the messages passed to the bus, envelopes included",
    ofBrokers: true,
    read: ({ publishedBytes }) => publishedBytes
  },
  {
    name: "psrpc_bus_received_bytes",
    type: "counter",
    unit: "By",
    attributes: bus,
    description: "Bytes of the messages received from the bus, envelopes included",
    ofBrokers: true,
    read: ({ receivedBytes }) => receivedBytes
  },
  {
    name: "psrpc_bus_connections_lost",
    type: "counter",
    attributes: bus,
    description: "Connections to the broker that were lost",
    ofBrokers: true,
    read: ({ lost }) => lost
  },
  {
    name: "psrpc_bus_reconnects",
    type: "counter",
    attributes: bus,
    description: "Lost connections to the broker that were restored",
    ofBrokers: true,
    read: ({ reconnects }) => reconnects
  }
]

const kept = new PerRegistry<BusSeries>()

/** Returns the counts of a kind of bus: one object per metric registry and set of attributes. */
export const busSeriesOf = (given: Context.Context<never>, kind: string, hasBroker: boolean): BusSeries => {
  const context = withOwnNames(given, ofBuses)
  return kept.get(context, [kind], () => {
    const series = new BusSeries()
    for (const definition of ofBuses) {
      if (definition.ofBrokers && !hasBroker) continue
      register(context, definition, { side: "bus", bus: kind }, () => stateOf(definition, definition.read(series)))
    }
    return series
  })
}
