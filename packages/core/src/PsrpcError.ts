/**
 * The errors of psrpc: one tagged error class for each code.
 *
 * Calls fail with these classes directly: a caller handles one with `Effect.catchTag("NotFound", …)`, and a handler fails
 * with `new PsrpcError.NotFound({ message })`. The wire carries the code, the message and the details of an error. Its other
 * fields stay in this process.
 *
 * | field | meaning | sent |
 * | --- | --- | --- |
 * | `code` | psrpc's code, the literal of the class | yes |
 * | `message` | text for people; an empty one becomes the code, because an empty message means success on the wire | yes |
 * | `details` | protobuf messages about the error, see {@link detail} and {@link findDetails} | yes |
 * | `mayHaveRun` | `false` only if no server was selected or nothing was sent, so that a retry repeats nothing | no |
 * | `cause` | the error that led to this one, if known | no |
 * | `reason` | what this process detected, if the library made the error, see {@link Reason} | no |
 *
 * `ErrorConversions` converts errors to HTTP, gRPC and Twirp, and back.
 *
 * **Example** (Failing with an error and recovering from it)
 *
 * ```ts
 * import { PsrpcError } from "@effect-psrpc/core"
 * import { Effect } from "effect"
 *
 * const jobs = new Map([["1", "render"]])
 *
 * const find = Effect.fnUntraced(function*(id: string) {
 *   const job = jobs.get(id)
 *   return job ?? (yield* new PsrpcError.NotFound({ message: `no job ${id}` }))
 * })
 *
 * const program = find("2").pipe(
 *   Effect.catchTag("NotFound", (error) => Effect.succeed(`${error.code}: ${error.message}`))
 * )
 *
 * Effect.runSync(program) // => "not_found: no job 2"
 * ```
 *
 * @since 0.1.0
 */
export * from "./internal/errors/classes.ts"
export * from "./internal/errors/details.ts"
export * from "./internal/errors/domainTypes.ts"
export * from "./internal/errors/models.ts"
export * from "./internal/errors/predicates.ts"
