import { BoundedCache } from "../support/boundedCache.ts"
import type { Method } from "./method.ts"

/** How many topics a method keeps ready for publishing. */
const topicsKept = 1000

/** Keeps something for each of a method's topics; throws a `TypeError` for a topic that is not one of the method. */
export const byTopic = <A>(
  method: Method,
  make: (topic: ReadonlyArray<string>) => A
): ((topic: Readonly<Record<string, unknown>> | undefined) => A) => {
  if (method.topic.names.length === 0) {
    const only = make([])
    return () => only
  }
  const made = new BoundedCache<string, A>(topicsKept, (key) => make(JSON.parse(key)))
  return (topic) => made.get(JSON.stringify(method.topic.encode(topic)))
}
