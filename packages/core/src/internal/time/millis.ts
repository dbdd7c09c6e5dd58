import { Duration } from "effect"

/** A time to wait, in milliseconds. Throws a `TypeError` that names the option for what is none. */
export const millisOf = (option: string, input: Duration.Input): number => {
  let millis = NaN
  if (typeof input === "number") millis = input
  else {
    const duration = Duration.fromInput(input)
    if (duration._tag === "Some") millis = Duration.toMillis(duration.value)
  }
  if (millis >= 0) return millis
  throw new TypeError(
    `${option}: ${String(input)} is not a time to wait: expected milliseconds, or a text as "3 seconds"`
  )
}
