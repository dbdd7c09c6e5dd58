import { nkeys } from "nats"

type KeyPair = ReturnType<typeof nkeys.createUser>

const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url")

/** A token of NATS, signed with the issuer's key. */
const jwt = (issuer: KeyPair, subject: KeyPair, name: string, nats: object): string => {
  const claims = {
    jti: name,
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name,
    sub: subject.getPublicKey(),
    nats
  }
  const text = `${base64url('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64url(JSON.stringify(claims))}`
  return `${text}.${base64url(issuer.sign(new TextEncoder().encode(text)))}`
}

const seedOf = (pair: KeyPair): string => new TextDecoder().decode(pair.getSeed())

/** An operator and an account, as lines of a server's configuration, and a user of the account. */
export const makeAccount = () => {
  const operator = nkeys.createOperator()
  const account = nkeys.createAccount()
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
  const accountJwt = jwt(operator, account, "account", {
    limits: unlimited,
    default_permissions: { pub: {}, sub: {} },
    type: "account",
    version: 2
  })
  return {
    config: [
      `operator: ${jwt(operator, operator, "operator", { type: "operator", version: 2 })}`,
      "resolver: MEMORY",
      `resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`
    ].join("\n"),
    /** The text of a `.creds` file. */
    credentials: (): { readonly text: string; readonly seed: string; readonly jwt: string } => {
      const user = nkeys.createUser()
      const seed = seedOf(user)
      const token = jwt(account, user, "user", {
        pub: {},
        sub: {},
        subs: -1,
        data: -1,
        payload: -1,
        type: "user",
        version: 2
      })
      const text = [
        "-----BEGIN NATS USER JWT-----",
        token,
        "------END NATS USER JWT------",
        "",
        "-----BEGIN USER NKEY SEED-----",
        seed,
        "------END USER NKEY SEED------",
        ""
      ].join("\n")
      return { text, seed, jwt: token }
    }
  }
}

/** A user that a server identifies by an nkey. */
export const makeNkey = (): { readonly publicKey: string; readonly seed: string } => {
  const user = nkeys.createUser()
  return { publicKey: user.getPublicKey(), seed: seedOf(user) }
}
