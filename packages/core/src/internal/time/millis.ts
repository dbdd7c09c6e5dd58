import { Duration } from "effect"

const read = (input: Duration.Input): number => {
  if (typeof input === "number") return input
  const duration = Duration.fromInput(input)
  return duration._tag === "Some" ? Duration.toMillis(duration.value) : NaN
}

const refuse = (option: string, input: Duration.Input, bound: string): never => {
  const given = typeof input === "string" ? JSON.stringify(input) : String(input)
  throw new TypeError(
    `${option} is ${given}: expected a duration ${bound}, as a number of milliseconds or as text like "3 seconds"`
  )
}

/** Returns a duration in milliseconds. Throws a `TypeError` that names the option if the input is not a duration. */
export const millisOf = (option: string, input: Duration.Input): number => {
  const millis = read(input)
  return millis >= 0 ? millis : refuse(option, input, "of 0 or more")
}

/** Like `millisOf`, and refuses 0 as well. */
export const positiveMillisOf = (option: string, input: Duration.Input): number => {
  const millis = read(input)
  return millis > 0 ? millis : refuse(option, input, "above 0")
}
