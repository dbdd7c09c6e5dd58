/** Returns a number of things. Throws a `TypeError` that names the option if it is not a whole number of `least` or more. */
export const countOf = (option: string, count: number, least = 1): number => {
  if (Number.isInteger(count) && count >= least) return count
  throw new TypeError(`${option} is ${String(count)}: expected a whole number of ${least} or more`)
}
