import type { PsrpcError } from "@effect-psrpc/core"
import { Redacted } from "effect"
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from "nats"
import { check } from "./checks.ts"

/** A text that may be wrapped, so that it is not printed by accident. */
export type Secret = string | Redacted.Redacted<string>

export const plain = (secret: Secret): string => (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret)

/** The options that identify a user. */
export interface Credentials {
  readonly user?: string | undefined
  readonly password?: Secret | undefined
  readonly token?: Secret | undefined
  readonly credentials?: Secret | undefined
  readonly nkey?: Secret | undefined
}

/** The same as options of nats.js, and the texts that must not appear in errors and log lines. */
export interface Authentication {
  readonly options: {
    readonly user?: string
    readonly pass?: string
    readonly token?: string
    readonly authenticator?: Array<Authenticator>
  }
  readonly secrets: ReadonlyArray<string>
}

/** Returns the seeds and tokens in the text of a .creds file: the long words. */
const secretsOf = (credentials: string): ReadonlyArray<string> => [
  credentials,
  ...credentials.split(/\s+/).filter((word) => word.length >= 20 && !/^-+$/.test(word))
]

/** Tries an authenticator now: later, while nats.js connects, its errors are hard to understand. */
const works = (authenticator: Authenticator): boolean => {
  try {
    authenticator("a nonce")
    return true
  } catch {
    return false
  }
}

/** Converts credentials to options of nats.js, and checks them. */
export const authenticationOf = (given: Credentials): Authentication | PsrpcError.InvalidArgument => {
  const { user } = given
  const [password, token, credentials, nkey] = (["password", "token", "credentials", "nkey"] as const).map((name) => {
    const secret = given[name]
    return secret === undefined ? undefined : plain(secret)
  })
  if (password !== undefined && user === undefined) return check.invalid("password: needs a user, in the option user")
  const authenticators: Array<Authenticator> = []
  const encoder = new TextEncoder()
  if (credentials !== undefined) {
    const authenticator = credsAuthenticator(encoder.encode(credentials))
    if (!works(authenticator)) {
      return check.invalid("credentials: expected the text of a .creds file, with a JWT and a seed")
    }
    authenticators.push(authenticator)
  }
  if (nkey !== undefined) {
    const authenticator = nkeyAuthenticator(encoder.encode(nkey.trim()))
    if (!works(authenticator)) return check.invalid("nkey: expected the seed of a user")
    authenticators.push(authenticator)
  }
  return {
    options: {
      ...(user !== undefined && { user }),
      ...(password !== undefined && { pass: password }),
      ...(token !== undefined && { token }),
      ...(authenticators.length > 0 && { authenticator: authenticators })
    },
    secrets: [
      ...(password === undefined ? [] : [password]),
      ...(token === undefined ? [] : [token]),
      ...(nkey === undefined ? [] : [nkey, nkey.trim()]),
      ...(credentials === undefined ? [] : secretsOf(credentials))
    ]
  }
}
