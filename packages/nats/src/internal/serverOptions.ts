import { PsrpcError } from "@effect-psrpc/core"
import { Effect } from "effect"
import type { Authenticator, ConnectionOptions, TlsOptions } from "nats"
import type * as Public from "../NatsMessageBus.ts"
import { authenticationOf, type Identity } from "./authentication.ts"
import { defaultServer, check, parseServer, plain, type Secret, type Server } from "./settings.ts"

export type Given = Identity & Pick<Public.Options, "servers" | "name" | "tls" | "nats">

export interface ServerOptions {
  readonly nats: ConnectionOptions
  /** Where the servers are, for people. */
  readonly address: string
  readonly secrets: ReadonlyArray<string>
}

const isList = (servers: Given["servers"]): servers is ReadonlyArray<Secret> => Array.isArray(servers)

/** Who the URLs say that the client is: a user without a password is a token. */
const identityOf = (servers: ReadonlyArray<Server>): Identity | PsrpcError.InvalidArgument => {
  const [first, ...others] = servers.filter(({ user, password }) => user !== undefined || password !== undefined)
  if (first === undefined) return {}
  if (others.some(({ password, user }) => user !== first.user || password !== first.password)) {
    return check.invalid("servers: the URLs name different users; the client is one user to all of them")
  }
  const { password, user } = first
  return password === undefined
    ? { token: user, user: undefined, password: undefined }
    : { user, password, token: undefined }
}

/** The client takes what is undefined for what is wanted. */
const onlyGiven = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** Options of the connection: those of the URLs, which win, and those given. */
export const serverOptions = (given: Given): Effect.Effect<ServerOptions, PsrpcError.PsrpcError> =>
  Effect.suspend(() => {
    const lists = isList(given.servers) ? given.servers : [given.servers ?? defaultServer]
    const urls = lists.flatMap((servers) => plain(servers).split(",")).map((url) => url.trim())
    if (urls.length === 0) return Effect.fail(check.invalid("servers: at least one is needed"))
    const servers: Array<Server> = []
    for (const url of urls) {
      const server = parseServer(url)
      if (PsrpcError.is(server)) return Effect.fail(server)
      servers.push(server)
    }
    const identity = identityOf(servers)
    if (PsrpcError.is(identity)) return Effect.fail(identity)
    const authentication = authenticationOf({ ...given, ...identity })
    if (PsrpcError.is(authentication)) return Effect.fail(authentication)
    const { authenticator: own, ...who } = authentication.options
    const { authenticator: others = [], ...more } = given.nats ?? {}
    const authenticators = [...(own ?? []), ...[others].flat()] as Array<Authenticator>
    const addresses = servers.map(({ address }) => address)
    const tls = given.tls ?? (servers.some(({ tls }) => tls) ? {} : undefined)
    return Effect.succeed({
      nats: {
        ...(onlyGiven(more) as ConnectionOptions),
        ...who,
        ...(authenticators.length > 0 && { authenticator: authenticators }),
        servers: addresses,
        ...(given.name !== undefined && { name: given.name }),
        ...(tls !== undefined && { tls: onlyGiven(tls) as TlsOptions })
      },
      address: `${addresses.slice(0, 3).join(", ")}${addresses.length > 3 ? ", …" : ""}`,
      secrets: authentication.secrets
    })
  })
