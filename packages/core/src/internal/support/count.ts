/** How many of something there may be. Throws a `TypeError` for what is no number of them. */
export const countOf = (option: string, count: number): number => {
  if (Number.isInteger(count) && count > 0) return count
  throw new TypeError(`${option} ${String(count)}: expected a whole number above 0`)
}
