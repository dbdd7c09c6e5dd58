import { busMetrics } from "@effect-psrpc/bus-tests"
import { Effect } from "effect"
import { NatsMessageBus } from "../src/index.ts"
import { broker, connect2, connect3 } from "./support.ts"

const quickly = { reconnectTimeWait: 20, reconnectJitter: 0 }

busMetrics(
  broker,
  {
    "a connection that the bus opens": (servers, options) =>
      NatsMessageBus.make({ servers, reconnect: { minDelay: 10, maxDelay: 50 }, ...options }),
    "a connection of nats 2": (url, options) =>
      Effect.flatMap(connect2(url, quickly), (connection) => NatsMessageBus.makeConnection({ connection, ...options })),
    "a connection of nats 3": (url, options) =>
      Effect.flatMap(connect3(url, quickly), (connection) => NatsMessageBus.makeConnection({ connection, ...options }))
  },
  1
)
