import type { Cause } from "effect"
import { Data, Effect, Formatter, Predicate, Schema } from "effect"
import * as errorCodes from "./codes.ts"
import { type Code, Detail, type Options, Reason, type Tag, TypeId } from "./models.ts"

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
    const tag = errorCodes.tags[code]
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
export type PsrpcError =
  | Canceled
  | MalformedRequest
  | MalformedResult
  | DeadlineExceeded
  | Unavailable
  | Unknown
  | InvalidArgument
  | NotFound
  | NotAcceptable
  | AlreadyExists
  | PermissionDenied
  | ResourceExhausted
  | FailedPrecondition
  | Aborted
  | OutOfRange
  | Unimplemented
  | Internal
  | DataLoss
  | Unauthenticated
  | UnprocessableEntity
  | UpstreamServerError
  | UpstreamClientError

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
    _tag: errorCodes.tags[code],
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
