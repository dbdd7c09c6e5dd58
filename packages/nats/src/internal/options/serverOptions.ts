import { PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import type { Authenticator, ConnectionOptions, TlsOptions } from "nats"
import { authenticationOf, type Credentials, plain, type Secret } from "./authentication.ts"
import { check } from "./checks.ts"
import type { Options } from "./optionTypes.ts"
import { defaultServer, parseServer, type Server } from "./serverUrl.ts"

export interface ServerOptions {
  readonly nats: ConnectionOptions
  /** The addresses of the servers, for errors and log lines. */
  readonly address: string
  readonly secrets: ReadonlyArray<string>
}

const isList = (servers: Options["servers"]): servers is ReadonlyArray<Secret> => Array.isArray(servers)

/** Returns the user that the URLs name. A user without a password is a token. */
const credentialsOf = (servers: ReadonlyArray<Server>): Credentials | PsrpcError.InvalidArgument => {
  const [first, ...others] = servers.filter(({ user, password }) => user !== undefined || password !== undefined)
  if (first === undefined) return {}
  if (others.some(({ password, user }) => user !== first.user || password !== first.password)) {
    return check.invalid("servers: the URLs name different users: expected the same user in all of them")
  }
  const { password, user } = first
  return password === undefined
    ? { token: user, user: undefined, password: undefined }
    : { user, password, token: undefined }
}

/** Removes undefined options: nats.js would use them in place of its defaults. */
const withoutUndefined = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** Merges the options of the URLs, which take precedence, and the given options, into options of nats.js. */
export const serverOptions = (given: Options): Effect.Effect<ServerOptions, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    const lists = isList(given.servers) ? given.servers : [given.servers ?? defaultServer]
    const urls = lists.flatMap((servers) => plain(servers).split(",")).map((url) => url.trim())
    if (urls.length === 0) return Effect.fail(check.invalid("servers: expected at least one"))
    const servers: Array<Server> = []
    for (const url of urls) {
      const server = parseServer(url)
      if (PsrpcError.is(server)) return Effect.fail(server)
      servers.push(server)
    }
    const credentials = credentialsOf(servers)
    if (PsrpcError.is(credentials)) return Effect.fail(credentials)
    const authentication = authenticationOf({ ...given, ...credentials })
    if (PsrpcError.is(authentication)) return Effect.fail(authentication)
    const { authenticator: own, ...user } = authentication.options
    const { authenticator: others = [], ...more } = given.nats ?? {}
    const authenticators = [...(own ?? []), ...[others].flat()] as Array<Authenticator>
    const addresses = servers.map(({ address }) => address)
    const tls = given.tls ?? (servers.some(({ tls }) => tls) ? {} : undefined)
    return Effect.succeed({
      nats: {
        ...(withoutUndefined(more) as ConnectionOptions),
        ...user,
        ...(authenticators.length > 0 && { authenticator: authenticators }),
        servers: addresses,
        ...(given.name !== undefined && { name: given.name }),
        ...(tls !== undefined && { tls: withoutUndefined(tls) as TlsOptions })
      },
      address: `${addresses.slice(0, 3).join(", ")}${addresses.length > 3 ? ", …" : ""}`,
      secrets: authentication.secrets
    })
  })
