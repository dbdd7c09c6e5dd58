/**
 * Ids: a prefix and 12 random alphanumerics, 71 bits.
 *
 * An id must be unique, not secret: every subscriber of the bus can read it. Requests and streams, of which a client makes
 * tens of thousands a second, use Math.random, which each process seeds by itself. Clients and servers, which have one id
 * for their lifetime, use the system's random numbers: responses are routed by client id, and processes that start from
 * one snapshot, or with one `--random-seed`, share the sequence of Math.random.
 */

const alphabet = Array.from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", (character) =>
  character.charCodeAt(0)
)
const size = alphabet.length
const square = size ** 2
const cube = size ** 3

/** Makes a flat string of four draws, three characters each. A string made with + is flattened at its first use. */
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

/** Makes an id of Math.random: two numbers of 52 bits make four draws. */
const quick = (x: number, y: number, z: number): string => {
  const first = Math.random() * cube * cube
  const second = Math.random() * cube * cube
  const a = (first / cube) | 0
  const c = (second / cube) | 0
  return make(x, y, z, a, (first - a * cube) | 0, c, (second - c * cube) | 0)
}

const words = new Uint32Array(4)

/** Makes an id of the system's random numbers: 32 bits modulo 62³, whose bias is below 6 in 100,000. */
const strong = (x: number, y: number, z: number): string => {
  crypto.getRandomValues(words)
  return make(x, y, z, words[0]! % cube, words[1]! % cube, words[2]! % cube, words[3]! % cube)
}

/** Makes a client id: `CLI_…` */
export const newClientId = (): string => strong(67, 76, 73)

/** Makes a server id: `SRV_…` */
export const newServerId = (): string => strong(83, 82, 86)

/** Makes a request id: `REQ_…` */
export const newRequestId = (): string => quick(82, 69, 81)

/**
 * Makes an idempotency key: `KEY_…` and 24 alphanumerics of the system's random numbers, since a caller who guesses the key
 * of another receives the other's response.
 */
export const newIdempotencyKey = (): string => strong(75, 69, 89) + strong(75, 69, 89).slice(4)

/** Makes a stream id: `STR_…` */
export const newStreamId = (): string => quick(83, 84, 82)
