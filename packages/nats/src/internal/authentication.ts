import type { PsrpcError } from "@effect-psrpc/core"
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from "nats"
import { check, plain, type Secret } from "./settings.ts"

/** Who a client says it is. */
export interface Identity {
  readonly user?: string | undefined
  readonly password?: Secret | undefined
  readonly token?: Secret | undefined
  readonly credentials?: Secret | undefined
  readonly nkey?: Secret | undefined
}

/** The same as the client takes it, and what of it must not be shown. */
export interface Authentication {
  readonly options: {
    readonly user?: string
    readonly pass?: string
    readonly token?: string
    readonly authenticator?: Array<Authenticator>
  }
  readonly secrets: ReadonlyArray<string>
}

/** Seeds and tokens in the text of a .creds file: lines that are long and in one piece. */
const secretsOf = (credentials: string): ReadonlyArray<string> => [
  credentials,
  ...credentials.split(/\s+/).filter((word) => word.length >= 20 && !/^-+$/.test(word))
]

/** Tries an authenticator, whose errors come late and are hard to understand otherwise. */
const works = (authenticator: Authenticator): boolean => {
  try {
    authenticator("a nonce")
    return true
  } catch {
    return false
  }
}

export const authenticationOf = (identity: Identity): Authentication | PsrpcError.InvalidArgument => {
  const { user } = identity
  const [password, token, credentials, nkey] = (["password", "token", "credentials", "nkey"] as const).map((name) => {
    const secret = identity[name]
    return secret === undefined ? undefined : plain(secret)
  })
  if (password !== undefined && user === undefined) return check.invalid("a password is given, and no user")
  const authenticators: Array<Authenticator> = []
  const encoder = new TextEncoder()
  if (credentials !== undefined) {
    const authenticator = credsAuthenticator(encoder.encode(credentials))
    if (!works(authenticator)) return check.invalid("credentials: not the text of a .creds file, a JWT and a seed")
    authenticators.push(authenticator)
  }
  if (nkey !== undefined) {
    const authenticator = nkeyAuthenticator(encoder.encode(nkey.trim()))
    if (!works(authenticator)) return check.invalid("nkey: not the seed of a user")
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
