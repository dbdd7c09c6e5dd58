/** Returns the message of a thrown value, in one line. */
export const messageOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).replaceAll(/\s*\n\s*/g, " ")
