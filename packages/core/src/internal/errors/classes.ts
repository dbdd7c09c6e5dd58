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
 * The members that all error classes have besides their fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Common<C extends Code> extends Cause.YieldableError {
  readonly [TypeId]: TypeId
  /** psrpc's code. */
  readonly code: C
  /** Returns a readable form: details by type and length, the cause as text. */
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
 * Code `canceled`: the call was canceled, or one of its sides is closed.
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
 * Code `deadline_exceeded`: the deadline of the call passed.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends make<DeadlineExceeded>()("deadline_exceeded") {}

/**
 * Code `unavailable`: no server accepts the call now, because of load, affinity or the connection.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends make<Unavailable>()("unavailable") {}

/**
 * Code `unknown`: the server failed with an error that is not one of psrpc, or with a code that this library does not know.
 * `peerCode` then has the text of the code.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unknown extends make<Unknown>()("unknown", { peerCode: Schema.optionalKey(Schema.String) }) {}

/**
 * Code `invalid_argument`: the request is wrong, independent of the state of the server.
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
 * Code `not_acceptable`: the entity cannot be produced in the requested format.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotAcceptable extends make<NotAcceptable>()("not_acceptable") {}

/**
 * Code `already_exists`: the entity to create exists.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadyExists extends make<AlreadyExists>()("already_exists") {}

/**
 * Code `permission_denied`: the caller is authenticated and has no permission.
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
 * Code `aborted`: the operation was aborted, for instance by a conflict.
 *
 * @category errors
 * @since 0.1.0
 */
export class Aborted extends make<Aborted>()("aborted") {}

/**
 * Code `out_of_range`: the operation is past the valid range.
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
 * Code `internal`: a fault of the server, for instance a defect.
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
 * Code `unauthenticated`: the caller is not authenticated.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthenticated extends make<Unauthenticated>()("unauthenticated") {}

/**
 * Code `unprocessable_entity`: the entity of the request cannot be processed.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnprocessableEntity extends make<UnprocessableEntity>()("unprocessable_entity") {}

/**
 * Code `upstream_server_error`: a server that the server called failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class UpstreamServerError extends make<UpstreamServerError>()("upstream_server_error") {}

/**
 * Code `upstream_client_error`: a server that the server called refused its request.
 *
 * @category errors
 * @since 0.1.0
 */
export class UpstreamClientError extends make<UpstreamClientError>()("upstream_client_error") {}

/**
 * Schema of every error of psrpc, for use in other schemas. It keeps `mayHaveRun`, `reason` and, as far as JSON can, the
 * cause, which the wire does not.
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
 * The error with the code `C`; any error if `C` is not a literal.
 *
 * @category utility types
 * @since 0.1.0
 */
export type OfCode<C extends string> = C extends Code ? Extract<PsrpcError, { readonly code: C }> : PsrpcError

const classes = new Map<string, (typeof Union.members)[number]>(
  Union.members.map((member) => [member.prototype.code, member])
)

/**
 * Checks whether a value is an error of psrpc.
 *
 * @category guards
 * @since 0.1.0
 */
export const is = (u: unknown): u is PsrpcError => Predicate.hasProperty(u, TypeId)

/**
 * Checks whether a value is a code of psrpc.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCode: (u: unknown) => u is Code = errorCodes.isCode

// V8's property, which the standard's types do not have. With frozen intrinsics, an error pays for its stack.
const stacks: ErrorConstructor & { stackTraceLimit?: number | undefined } = Error
const canSetStackTraceLimit = (() => {
  const limit = Object.getOwnPropertyDescriptor(stacks, "stackTraceLimit")
  return limit === undefined ? Object.isExtensible(stacks) : limit.writable === true || limit.set !== undefined
})()

/**
 * Makes an error from valid fields, without stack trace and validation. These are nine tenths of the cost of `new`, and an
 * error from the wire needs neither.
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
    // The base constructor of Schema's error classes, without their parsing.
    return Reflect.construct(Data.Error<any>, [values], classes.get(code)!) as any
  } finally {
    if (canSetStackTraceLimit) stacks.stackTraceLimit = limit
  }
}

/**
 * Makes the error of a code. A text that is not a code of psrpc makes an `Unknown` with the text in `peerCode`; an empty text,
 * an `Unknown` without.
 *
 * The error has no stack trace, because this constructor is for codes from elsewhere. Use the class where a failure arises.
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
 * Converts any value to an error of psrpc. Returns an error of psrpc unchanged. Another value becomes the cause of an
 * `Unknown`, which has the message of the value if that is an error or a string, and no stack.
 *
 * `fallbackMessage` is the message for a value without one. Default: `"unknown"`.
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
