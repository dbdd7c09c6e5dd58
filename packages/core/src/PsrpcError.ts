/**
 * What can go wrong with a call: one tagged error class for each code of psrpc.
 *
 * The classes are directly in the error channel, so `Effect.catchTag("NotFound", …)` is all that a caller needs, and a
 * handler fails with `new PsrpcError.NotFound({ message })`. On the wire an error is its code, its message and its
 * details; what else it carries is knowledge of this process.
 *
 * | field | meaning |
 * | --- | --- |
 * | `code` | psrpc's code, the literal that belongs to the class |
 * | `message` | for people; an empty one becomes the code, because on the wire it would mean success |
 * | `details` | protobuf messages about the error, see {@link detail} and {@link findDetails} |
 * | `mayHaveRun` | false only where no server was chosen or nothing was sent, so that trying again is safe |
 * | `cause` | what led to the error, where that is known; stays in this process |
 * | `reason` | where this library found the failure itself; stays in this process |
 *
 * `ErrorConversions` turns errors into those of HTTP, gRPC and Twirp, and back.
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
