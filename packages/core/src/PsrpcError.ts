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
 *   Effect.catchTag("NotFound", (error) => Effect.succeed(`${PsrpcError.toHttpStatus(error)}: ${error.message}`))
 * )
 *
 * Effect.runSync(program) // => "404: no job 2"
 * ```
 *
 * @since 0.1.0
 */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary
} from "@bufbuild/protobuf"
import type { Cause } from "effect"
import { Data, Effect, Formatter, Predicate, Schema } from "effect"
import * as errorCodes from "./internal/errorCodes.ts"

/**
 * The type id of errors.
 *
 * @category type ids
 * @since 0.1.0
 */
export const TypeId: TypeId = "~effect-psrpc/PsrpcError"

/**
 * The type id of errors.
 *
 * @category type ids
 * @since 0.1.0
 */
export type TypeId = "~effect-psrpc/PsrpcError"

// -----------------------------------------------------------------------------
// models
// -----------------------------------------------------------------------------

/**
 * A code of psrpc, as it is on the wire: `"not_found"`.
 *
 * @category models
 * @since 0.1.0
 */
export type Code = errorCodes.Code

/**
 * The tag of an error class: `"NotFound"`.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag = errorCodes.Tag

/**
 * A code of Twirp, as it is on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export type TwirpCode = errorCodes.TwirpCode

/**
 * Every code.
 *
 * @category models
 * @since 0.1.0
 */
export const codes: ReadonlyArray<Code> = errorCodes.codes

/**
 * Schema of a {@link Detail}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Detail = Schema.Struct({ typeUrl: Schema.String, value: Schema.Uint8Array })

/**
 * A protobuf message of any type, as `google.protobuf.Any` has it: the type URL and the bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detail {
  readonly typeUrl: string
  readonly value: Uint8Array
}

/**
 * Schema of a {@link Reason}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Literals([
  "timeout",
  "connection",
  "no_response",
  "no_servers",
  "no_listeners",
  "client_closed",
  "server_closed",
  "stream_closed",
  "draining",
  "overflow",
  "too_large",
  "not_sent"
])

/**
 * Where this library found a failure itself, what it saw. Never sent, so an error that a peer answered with has none.
 *
 * - `timeout`: the deadline passed
 * - `connection`: the broker could not be reached
 * - `no_response`: no server claimed the call or answered it
 * - `no_servers`: servers claimed the call and none met the selection's terms
 * - `no_listeners`: the broker says that nobody listens
 * - `client_closed`, `server_closed`, `stream_closed`: this end of the call is closed
 * - `draining`: the server finishes what it has and takes no more
 * - `overflow`: a buffer was full
 * - `too_large`: the message is larger than the broker takes
 * - `not_sent`: the message was given up before it was handed over
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * What the constructors that take a code accept besides it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** For people. Default, also of an empty text: the code. */
  readonly message?: string | undefined
  /** Protobuf messages about the error. Default: none. */
  readonly details?: ReadonlyArray<Detail> | undefined
  /** Whether a handler may have run. Default: true. */
  readonly mayHaveRun?: boolean | undefined
  /** What led to the error, kept as given. */
  readonly cause?: unknown
  /** What this process saw. Default: none. */
  readonly reason?: Reason | undefined
}

// -----------------------------------------------------------------------------
// classes
// -----------------------------------------------------------------------------

const noDetails: ReadonlyArray<Detail> = Object.freeze([])

const fields = {
  message: Schema.String,
  details: Schema.Array(Detail).pipe(Schema.withConstructorDefault(Effect.succeed(noDetails))),
  mayHaveRun: Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(true))),
  cause: Schema.optionalKey(Schema.Defect()),
  reason: Schema.optionalKey(Reason)
}

/**
 * What the error classes have in common besides their fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Common<C extends Code> extends Cause.YieldableError {
  readonly [TypeId]: TypeId
  /** psrpc's code. */
  readonly code: C
  /** A readable form: details by type and length, the cause as text. */
  toJSON(): unknown
}

/**
 * The class of the error with the code `C`.
 *
 * @category models
 * @since 0.1.0
 */
export type ErrorClass<Self, C extends Code, Extra extends Schema.Struct.Fields = {}> = Schema.Class<
  Self,
  Schema.TaggedStruct<errorCodes.TagOf<C>, typeof fields & Extra>,
  Common<C>
>

interface AnyFields extends Options {
  readonly _tag: Tag
  readonly message: string
  readonly details: ReadonlyArray<Detail>
  readonly mayHaveRun: boolean
  readonly peerCode?: string | undefined
}

function toJSON(this: AnyFields & { readonly code: Code }) {
  const { cause } = this
  return {
    _tag: this._tag,
    code: this.code,
    message: this.message,
    ...(this.peerCode !== undefined && { peerCode: this.peerCode }),
    ...(this.reason !== undefined && { reason: this.reason }),
    mayHaveRun: this.mayHaveRun,
    ...(this.details.length > 0 && {
      details: this.details.map(({ typeUrl, value }) => ({ typeUrl, bytes: value.length }))
    }),
    ...(cause !== undefined && {
      cause:
        typeof cause === "string" || is(cause)
          ? cause
          : cause instanceof Error
            ? String(cause)
            : Formatter.format(cause)
    })
  }
}

const make =
  <Self>() =>
  <const C extends Code, const Extra extends Schema.Struct.Fields = {}>(
    code: C,
    extra?: Extra
  ): ErrorClass<Self, C, Extra> => {
    const { tag } = errorCodes.table[code]
    const identifier = `@effect-psrpc/core/PsrpcError/${tag}`
    class Base extends Schema.TaggedError<{ readonly message: string }>(identifier)(tag, { ...fields, ...extra }) {
      constructor(...args: [props: any, options?: any]) {
        super(...args)
        if (this.message === "") Object.assign(this, { message: code })
      }
    }
    // On the prototype, so that they cost nothing to construct and are not among the fields that are printed.
    Object.assign(Base.prototype, { [TypeId]: TypeId, code, toJSON, name: `PsrpcError.${tag}` })
    return Base as any
  }

/**
 * Code `canceled`: the call was given up, or one of its ends is closed.
 *
 * @category errors
 * @since 0.1.0
 */
export class Canceled extends make<Canceled>()("canceled") {}

/**
 * Code `malformed_request`: the request cannot be encoded or decoded.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedRequest extends make<MalformedRequest>()("malformed_request") {}

/**
 * Code `malformed_result`: the response cannot be encoded or decoded.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedResult extends make<MalformedResult>()("malformed_result") {}

/**
 * Code `deadline_exceeded`: the time for the call has passed.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends make<DeadlineExceeded>()("deadline_exceeded") {}

/**
 * Code `unavailable`: nobody can take the call now, because of load, affinity or the connection.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends make<Unavailable>()("unavailable") {}

/**
 * Code `unknown`: the server failed with something that is not an error of psrpc, or with a code that this library does
 * not know; its text is then in `peerCode`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unknown extends make<Unknown>()("unknown", { peerCode: Schema.optionalKey(Schema.String) }) {}

/**
 * Code `invalid_argument`: the request is wrong, whatever the state of the server.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidArgument extends make<InvalidArgument>()("invalid_argument") {}

/**
 * Code `not_found`: there is no such entity.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends make<NotFound>()("not_found") {}

/**
 * Code `not_acceptable`: the entity cannot be produced in the format that was asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAcceptable extends make<NotAcceptable>()("not_acceptable") {}

/**
 * Code `already_exists`: what was to be created exists.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadyExists extends make<AlreadyExists>()("already_exists") {}

/**
 * Code `permission_denied`: the caller is known and may not do this.
 *
 * @category errors
 * @since 0.1.0
 */
export class PermissionDenied extends make<PermissionDenied>()("permission_denied") {}

/**
 * Code `resource_exhausted`: a quota, memory or a buffer is used up.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResourceExhausted extends make<ResourceExhausted>()("resource_exhausted") {}

/**
 * Code `failed_precondition`: the state of the server does not allow the request.
 *
 * @category errors
 * @since 0.1.0
 */
export class FailedPrecondition extends make<FailedPrecondition>()("failed_precondition") {}

/**
 * Code `aborted`: the operation was broken off, by a conflict for instance.
 *
 * @category errors
 * @since 0.1.0
 */
export class Aborted extends make<Aborted>()("aborted") {}

/**
 * Code `out_of_range`: the operation goes past the valid range.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutOfRange extends make<OutOfRange>()("out_of_range") {}

/**
 * Code `unimplemented`: the server does not implement the method.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unimplemented extends make<Unimplemented>()("unimplemented") {}

/**
 * Code `internal`: a fault of the server's, a defect for instance.
 *
 * @category errors
 * @since 0.1.0
 */
export class Internal extends make<Internal>()("internal") {}

/**
 * Code `data_loss`: data is lost or corrupt beyond recovery.
 *
 * @category errors
 * @since 0.1.0
 */
export class DataLoss extends make<DataLoss>()("data_loss") {}

/**
 * Code `unauthenticated`: the caller is not known.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthenticated extends make<Unauthenticated>()("unauthenticated") {}

/**
 * Code `unprocessable_entity`: the entity cannot be consumed in the format that was given.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnprocessableEntity extends make<UnprocessableEntity>()("unprocessable_entity") {}

/**
 * Code `upstream_server_error`: a server behind the server failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class UpstreamServerError extends make<UpstreamServerError>()("upstream_server_error") {}

/**
 * Code `upstream_client_error`: a server behind the server says that the request is wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export class UpstreamClientError extends make<UpstreamClientError>()("upstream_client_error") {}

/**
 * Schema of every error of psrpc, to be put into other schemas. Unlike the wire it keeps `mayHaveRun`, `reason` and the
 * cause (as JSON can).
 *
 * @category schemas
 * @since 0.1.0
 */
export const Union = Schema.Union([
  Canceled,
  MalformedRequest,
  MalformedResult,
  DeadlineExceeded,
  Unavailable,
  Unknown,
  InvalidArgument,
  NotFound,
  NotAcceptable,
  AlreadyExists,
  PermissionDenied,
  ResourceExhausted,
  FailedPrecondition,
  Aborted,
  OutOfRange,
  Unimplemented,
  Internal,
  DataLoss,
  Unauthenticated,
  UnprocessableEntity,
  UpstreamServerError,
  UpstreamClientError
])

/**
 * Any error of psrpc.
 *
 * @category models
 * @since 0.1.0
 */
export type PsrpcError = typeof Union.Type

/**
 * The error with the code `C`; any error where `C` is no literal.
 *
 * @category utility types
 * @since 0.1.0
 */
export type OfCode<C extends string> = C extends Code ? Extract<PsrpcError, { readonly code: C }> : PsrpcError

const classes = new Map<string, (typeof Union.members)[number]>(
  Union.members.map((member) => [member.prototype.code, member])
)

// -----------------------------------------------------------------------------
// guards
// -----------------------------------------------------------------------------

/**
 * Tells whether a value is an error of psrpc.
 *
 * @category guards
 * @since 0.1.0
 */
export const is = (u: unknown): u is PsrpcError => Predicate.hasProperty(u, TypeId)

/**
 * Tells whether a value is a code of psrpc.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCode: (u: unknown) => u is Code = errorCodes.isCode

// -----------------------------------------------------------------------------
// constructors
// -----------------------------------------------------------------------------

// V8's, so not in the standard's types. Where the intrinsics are frozen the error just costs its stack.
const stacks: ErrorConstructor & { stackTraceLimit?: number | undefined } = Error
const canSetStackTraceLimit = (() => {
  const limit = Object.getOwnPropertyDescriptor(stacks, "stackTraceLimit")
  return limit === undefined ? Object.isExtensible(stacks) : limit.writable === true || limit.set !== undefined
})()

/**
 * Makes an error of what is known to be valid. Nine tenths of what `new` costs are the stack trace and the validation:
 * an error that comes from the wire needs neither.
 */
const construct = (code: Code, options: Options & { readonly peerCode?: string }): PsrpcError => {
  const { cause, details, mayHaveRun, message, peerCode, reason } = options
  const values: Record<string, unknown> = {
    _tag: errorCodes.table[code].tag,
    message: message === undefined || message === "" ? code : message,
    details: details ?? noDetails,
    mayHaveRun: mayHaveRun ?? true
  }
  if (cause !== undefined) values["cause"] = cause
  if (reason !== undefined) values["reason"] = reason
  if (peerCode !== undefined) values["peerCode"] = peerCode
  const limit = stacks.stackTraceLimit
  if (canSetStackTraceLimit) stacks.stackTraceLimit = 0
  try {
    // The constructor that Schema's error classes end in, without the parsing in between.
    return Reflect.construct(Data.Error<any>, [values], classes.get(code)!) as any
  } finally {
    if (canSetStackTraceLimit) stacks.stackTraceLimit = limit
  }
}

/**
 * Makes the error that a code stands for. A text that is no code of psrpc gives `Unknown` with the text in `peerCode`, an
 * empty one `Unknown`.
 *
 * Made for codes that come from elsewhere: the error has no stack trace. Use the class where the failure arises.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCode = <const C extends string>(code: C, options: Options = {}): OfCode<C> =>
  (isCode(code)
    ? construct(code, options)
    : construct(
        "unknown",
        code === "" ? options : { ...options, message: options.message || code, peerCode: code }
      )) as OfCode<C>

/**
 * Turns anything into an error of psrpc. One of psrpc stays what it is; anything else is the cause of an `Unknown`, with
 * its message where it is an error or a text, and without its stack.
 *
 * `fallbackMessage` is for what has no message. Default: `"unknown"`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUnknown = (u: unknown, fallbackMessage?: string): PsrpcError => {
  if (is(u)) return u
  const message = typeof u === "string" ? u : Predicate.hasProperty(u, "message") ? u.message : undefined
  return construct("unknown", {
    message: typeof message === "string" && message !== "" ? message : fallbackMessage,
    cause: u
  })
}

// -----------------------------------------------------------------------------
// details
// -----------------------------------------------------------------------------

const typeUrlPrefix = "type.googleapis.com/"

/**
 * Packs a protobuf message into a detail of an error.
 *
 * **Example** (An error that says when to come back)
 *
 * ```ts
 * import { DurationSchema } from "@bufbuild/protobuf/wkt"
 * import { PsrpcError } from "@effect-psrpc/core"
 *
 * const busy = new PsrpcError.ResourceExhausted({
 *   message: "too many jobs",
 *   details: [PsrpcError.detail(DurationSchema, { seconds: 30n })]
 * })
 *
 * PsrpcError.findDetails(busy, DurationSchema)[0]?.seconds // => 30n
 * ```
 *
 * @category details
 * @since 0.1.0
 */
export const detail = <Desc extends DescMessage>(desc: Desc, init: MessageInitShape<Desc>): Detail => ({
  typeUrl: typeUrlPrefix + desc.typeName,
  value: toBinary(desc, create(desc, init))
})

/**
 * The details of an error that are messages of one type, in their order. A detail of that type that does not decode is
 * left out.
 *
 * @category details
 * @since 0.1.0
 */
export const findDetails = <Desc extends DescMessage>(
  error: { readonly details: ReadonlyArray<Detail> },
  desc: Desc
): Array<MessageShape<Desc>> => {
  const found: Array<MessageShape<Desc>> = []
  for (const { typeUrl, value } of error.details) {
    // As with Any: what is in front of the last slash is a host that nobody asks.
    if (typeUrl.slice(typeUrl.lastIndexOf("/") + 1) !== desc.typeName) continue
    try {
      found.push(fromBinary(desc, value))
    } catch {
      // Of this type by its name only.
    }
  }
  return found
}

/**
 * The same error with more details behind those it has.
 *
 * @category details
 * @since 0.1.0
 */
export const withDetails = <E extends PsrpcError>(error: E, ...details: ReadonlyArray<Detail>): E => {
  // Message and cause are no enumerable properties of an Error.
  const { cause, message } = error
  const copy = construct(error.code, { ...error, cause, message, details: [...error.details, ...details] })
  return Object.defineProperty(copy, "stack", { value: error.stack, configurable: true, writable: true }) as E
}

// -----------------------------------------------------------------------------
// conversions
// -----------------------------------------------------------------------------

const codeOf = (error: PsrpcError | Code): Code => (typeof error === "string" ? error : error.code)

/**
 * The HTTP status for an error or a code.
 *
 * Several codes share a status: 400 (`malformed_request`, `invalid_argument`), 409 (`already_exists`, `aborted`), 500
 * (`malformed_result`, `unknown`, `internal`, `data_loss`) and 503 (`canceled`, `deadline_exceeded`, `unavailable`).
 *
 * @category conversions
 * @since 0.1.0
 */
export const toHttpStatus = (error: PsrpcError | Code): number => errorCodes.table[codeOf(error)].http

/**
 * The error for an HTTP status, `HTTP` and the status as its message unless one is given.
 *
 * Where {@link toHttpStatus} gives several codes one status, the plainest comes back: 400 is `invalid_argument`, 409
 * `already_exists`, 500 `internal`, 503 `unavailable`. 408 and 504 are `deadline_exceeded`, 410 is `not_found`, 499
 * `canceled`; any other 4xx is `invalid_argument`, any other 5xx `internal`, and what is no failure at all `unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromHttpStatus = (status: number, options?: Options): PsrpcError =>
  construct(errorCodes.codeOfHttp(status), { ...options, message: options?.message || `HTTP ${status}` })

/**
 * The number of the gRPC code for an error or a code.
 *
 * Not all are of one name: `malformed_request` and `upstream_client_error` become INVALID_ARGUMENT (3),
 * `malformed_result` and `upstream_server_error` INTERNAL (13), `not_acceptable` and `unprocessable_entity` UNKNOWN (2).
 *
 * @category conversions
 * @since 0.1.0
 */
export const toGrpcCode = (error: PsrpcError | Code): number => errorCodes.table[codeOf(error)].grpc

/**
 * The code of the same name as a gRPC code; `unknown` for a number that gRPC does not define, and for OK (0), which is no
 * error.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromGrpcCode = (code: number): Code => errorCodes.codeOfGrpc(code)

/**
 * The status of a gRPC call, `google.rpc.Status`.
 *
 * @category models
 * @since 0.1.0
 */
export interface GrpcStatus {
  readonly code: number
  readonly message: string
  readonly details: ReadonlyArray<Detail>
}

/**
 * The gRPC status for an error, with its message and details. Loses what {@link toGrpcCode} does.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toGrpcStatus = (error: PsrpcError): GrpcStatus => ({
  code: toGrpcCode(error),
  message: error.message,
  details: error.details
})

/**
 * The error for a gRPC status, by {@link fromGrpcCode}, with its message and details.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromGrpcStatus = (status: {
  readonly code: number
  readonly message?: string | undefined
  readonly details?: ReadonlyArray<Detail> | undefined
}): PsrpcError => construct(fromGrpcCode(status.code), { message: status.message, details: status.details })

/**
 * The Twirp code for an error or a code.
 *
 * Not all are of one name: `malformed_request` and `malformed_result` become `malformed`, `upstream_server_error`
 * `internal`, `upstream_client_error` `invalid_argument`, `not_acceptable` and `unprocessable_entity` `unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toTwirpCode = (error: PsrpcError | Code): TwirpCode => errorCodes.table[codeOf(error)].twirp

/**
 * The code of the same name as a Twirp code. `malformed` is `malformed_request`, `bad_route` is `unimplemented`, and a
 * text that Twirp does not define is `unknown`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromTwirpCode = (code: TwirpCode | (string & {})): Code => errorCodes.codeOfTwirp(code)

// -----------------------------------------------------------------------------
// predicates
// -----------------------------------------------------------------------------

const reasonOf = (u: unknown): Reason | undefined => (is(u) ? u.reason : undefined)

const closedReasons: ReadonlySet<Reason | undefined> = new Set<Reason>([
  "client_closed",
  "server_closed",
  "stream_closed",
  "draining"
])

const noServerReasons: ReadonlySet<Reason | undefined> = new Set<Reason>(["no_response", "no_servers", "no_listeners"])

/**
 * The time for the call has passed, here or at the server.
 *
 * This and the following predicates ask what happened, over the borders of the codes. They take anything, are false for
 * what is not an error of psrpc, and do not narrow: an error that is no timeout is still an error of psrpc.
 *
 * | predicate | true for | decides by |
 * | --- | --- | --- |
 * | `isTimeout` | the deadline passed, at either end | code `deadline_exceeded`, or reason `timeout` |
 * | `isCanceled` | the call was given up, at either end | code `canceled`, unless `isClosed` |
 * | `isClosed` | this end is closed or draining | reason `client_closed`, `server_closed`, `stream_closed`, `draining` |
 * | `isConnection` | the broker could not be reached | reason `connection` |
 * | `isNoServer` | nobody took the call | reason `no_response`, `no_servers`, `no_listeners` |
 * | `isOverflow` | a buffer on this side was full | reason `overflow` |
 * | `isNotSent` | no handler can have run | `mayHaveRun` is false |
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTimeout = (u: unknown): boolean => is(u) && (u.code === "deadline_exceeded" || u.reason === "timeout")

/**
 * The call was given up, here or at the server. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCanceled = (u: unknown): boolean => is(u) && u.code === "canceled" && !isClosed(u)

/**
 * This end of the call is closed, or about to. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isClosed = (u: unknown): boolean => closedReasons.has(reasonOf(u))

/**
 * The broker could not be reached in time. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isConnection = (u: unknown): boolean => reasonOf(u) === "connection"

/**
 * Nobody took the call: no server listens, claimed, answered, or met the selection's terms. See {@link isTimeout} for how
 * the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isNoServer = (u: unknown): boolean => noServerReasons.has(reasonOf(u))

/**
 * A buffer on this side was full. A quota that a handler reports is `ResourceExhausted` and not meant here. See
 * {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOverflow = (u: unknown): boolean => reasonOf(u) === "overflow"

/**
 * No handler can have run, so that trying again repeats nothing. See {@link isTimeout} for how the predicates decide.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isNotSent = (u: unknown): boolean => is(u) && !u.mayHaveRun

// -----------------------------------------------------------------------------
// domain errors
// -----------------------------------------------------------------------------

declare module "effect/Schema" {
  namespace Annotations {
    interface Annotations {
      /**
       * The code under which an error of a method travels over psrpc. Default: `"unknown"`.
       */
      readonly psrpcCode?: Code | undefined
    }
  }
}

const ProtobufErrorTypeId = "~effect-psrpc/PsrpcError/ProtobufError"

/**
 * A protobuf message as the error of a method, made with {@link protobuf}.
 *
 * @category domain errors
 * @since 0.1.0
 */
export interface ProtobufError<out Desc extends DescMessage> {
  readonly [ProtobufErrorTypeId]: typeof ProtobufErrorTypeId
  readonly desc: Desc
  readonly code: Code
  readonly message: (message: never) => string
}

/**
 * Makes a protobuf message the error of a method: code and message for every peer, the protobuf message as its detail.
 *
 * A descriptor alone does too, where the defaults are right.
 *
 * @category domain errors
 * @since 0.1.0
 */
export const protobuf = <Desc extends DescMessage>(
  desc: Desc,
  options?: {
    /** Default: `"unknown"`. */
    readonly code?: Code | undefined
    /** For people. Default: the name of the protobuf type. */
    readonly message?: string | ((message: MessageShape<Desc>) => string) | undefined
  }
): ProtobufError<Desc> => {
  const message = options?.message ?? desc.typeName
  return {
    [ProtobufErrorTypeId]: ProtobufErrorTypeId,
    desc,
    code: options?.code ?? "unknown",
    message: typeof message === "string" ? () => message : message
  }
}

/**
 * Tells whether a value was made with {@link protobuf}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isProtobufError = (u: unknown): u is ProtobufError<DescMessage> =>
  Predicate.hasProperty(u, ProtobufErrorTypeId)

/**
 * What a method takes as its `error`: a tagged error class or another schema of tagged values, a union of them, a
 * protobuf message, or {@link protobuf}.
 *
 * @category domain errors
 * @since 0.1.0
 */
export type DomainErrorInput = Schema.ConstraintCodec<unknown, unknown> | DescMessage | ProtobufError<DescMessage>

/**
 * The error that a method fails with, given its `error`; `never` without one.
 *
 * @category domain errors
 * @since 0.1.0
 */
export type DomainErrorOf<Input> =
  Input extends ProtobufError<infer Desc>
    ? MessageShape<Desc>
    : Input extends DescMessage
      ? MessageShape<Input>
      : Input extends { readonly Type: infer A }
        ? A
        : never

/**
 * `unknown` where `Input` will do as the `error` of a method, else a sentence that says why not: write
 * `error: Input & ValidDomainError<Input>`.
 *
 * @category domain errors
 * @since 0.1.0
 */
export type ValidDomainError<Input> = Input extends ProtobufError<DescMessage> | DescMessage | undefined
  ? unknown
  : CheckTags<DomainErrorOf<Input>>

type CheckTags<E> = [E] extends [{ readonly _tag: string }]
  ? [Extract<E["_tag"], Tag>] extends [never]
    ? unknown
    : `The tag "${Extract<E["_tag"], Tag>}" belongs to a PsrpcError: give the error of the method another one`
  : "The error of a method needs a _tag: use Schema.TaggedError"
