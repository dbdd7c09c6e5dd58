import { busMetrics } from "@effect-psrpc/bus-tests"
import { RedisMessageBus } from "../src/index.ts"
import { broker, onClients } from "./support.ts"

busMetrics(
  broker,
  {
    "connections that the bus opens": (url, options) =>
      RedisMessageBus.make({ url, reconnect: { minDelay: 10, maxDelay: 50 }, ...options }),
    "given clients": (url, options) => onClients(url, { retryStrategy: () => 20 }, options)
  },
  // one that publishes, one that subscribes
  2
)
