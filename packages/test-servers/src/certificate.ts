import { Effect, type Scope } from "effect"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { TestServerError } from "./TestServerError.ts"

/** A directory that is deleted with the scope. */
export const temporaryDirectory: Effect.Effect<string, TestServerError, Scope.Scope> = Effect.acquireRelease(
  Effect.tryPromise({
    try: () => mkdtemp(join(tmpdir(), "effect-psrpc-")),
    catch: (cause) => new TestServerError({ message: "no temporary directory", cause })
  }),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A self-signed certificate for localhost and 127.0.0.1, and its key. */
export interface Certificate {
  readonly certPath: string
  readonly keyPath: string
  /** The certificate as PEM, for clients to trust. */
  readonly ca: string
}

/** Makes a certificate with openssl. Its files are deleted with the scope. */
export const makeCertificate: Effect.Effect<Certificate, TestServerError, Scope.Scope> = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const certPath = join(directory, "cert.pem")
  const keyPath = join(directory, "key.pem")
  yield* Effect.callback<void, TestServerError>((resume) => {
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    args.push("-keyout", keyPath, "-out", certPath, "-subj", "/CN=localhost")
    args.push("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    execFile("openssl", args, (cause) =>
      resume(
        cause === null
          ? Effect.void
          : Effect.fail(
              new TestServerError({ message: `openssl failed to make a certificate: ${cause.message}`, cause })
            )
      )
    )
  })
  const ca = yield* Effect.promise(() => readFile(certPath, "utf8"))
  return { certPath, keyPath, ca }
})
