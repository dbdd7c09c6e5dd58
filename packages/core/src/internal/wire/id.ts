/**
 * Ids: a prefix and 12 random alphanumerics, 71 bits.
 *
 * They need to be unique, not secret: whoever may publish on the bus sees them all. So requests and streams, which a
 * client makes by the ten thousand, take Math.random, which every process seeds for itself. Clients and servers, named
 * once and for as long as they live, take the system's randomness: replies go where the client id says, and processes
 * started from one snapshot, or with one `--random-seed`, share what Math.random says next.
 */

const alphabet = Array.from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", (character) =>
  character.charCodeAt(0)
)
const size = alphabet.length
const square = size ** 2
const cube = size ** 3

/** Four draws of three characters each, as a flat string: one put together with + is flattened at its first use. */
const make = (x: number, y: number, z: number, a: number, b: number, c: number, d: number): string =>
  String.fromCharCode(
    x,
    y,
    z,
    95,
    alphabet[a % size]!,
    alphabet[((a / size) | 0) % size]!,
    alphabet[(a / square) | 0]!,
    alphabet[b % size]!,
    alphabet[((b / size) | 0) % size]!,
    alphabet[(b / square) | 0]!,
    alphabet[c % size]!,
    alphabet[((c / size) | 0) % size]!,
    alphabet[(c / square) | 0]!,
    alphabet[d % size]!,
    alphabet[((d / size) | 0) % size]!,
    alphabet[(d / square) | 0]!
  )

/** Two numbers of Math.random, 52 bits each, give four draws. */
const quick = (x: number, y: number, z: number): string => {
  const first = Math.random() * cube * cube
  const second = Math.random() * cube * cube
  const a = (first / cube) | 0
  const c = (second / cube) | 0
  return make(x, y, z, a, (first - a * cube) | 0, c, (second - c * cube) | 0)
}

const words = new Uint32Array(4)

/** 32 bits modulo 62³: the bias is below 6 in 100,000. */
const strong = (x: number, y: number, z: number): string => {
  crypto.getRandomValues(words)
  return make(x, y, z, words[0]! % cube, words[1]! % cube, words[2]! % cube, words[3]! % cube)
}

/** `CLI_…` */
export const newClientId = (): string => strong(67, 76, 73)

/** `SRV_…` */
export const newServerId = (): string => strong(83, 82, 86)

/** `REQ_…` */
export const newRequestId = (): string => quick(82, 69, 81)

/** `KEY_…` and 24 random alphanumerics, of the system's randomness: who guesses one is given another's answer. */
export const newIdempotencyKey = (): string => strong(75, 69, 89) + strong(75, 69, 89).slice(4)

/** `STR_…` */
export const newStreamId = (): string => quick(83, 84, 82)
