import type { MessageShape } from "@bufbuild/protobuf"
import { type Duration, DurationSchema, type StringValueSchema } from "@bufbuild/protobuf/wkt"
import { type Context, Effect, Schema } from "effect"
import * as DomainError from "../src/internal/errors/domainError.ts"
import * as ErrorConversions from "../src/ErrorConversions.ts"
import * as PsrpcError from "../src/PsrpcError.ts"

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(equal: Equal<A, B>): boolean => equal

// Each class has its literals, and a message is enough.
const notFound = new PsrpcError.NotFound({ message: "no such job" })
same<typeof notFound.code, "not_found">(true)
same<typeof notFound._tag, "NotFound">(true)
same<typeof notFound.message, string>(true)
same<typeof notFound.details, ReadonlyArray<PsrpcError.Detail>>(true)
same<typeof notFound.mayHaveRun, boolean>(true)
same<PsrpcError.PsrpcError["code"], PsrpcError.Code>(true)
same<PsrpcError.PsrpcError["_tag"], PsrpcError.Tag>(true)
new PsrpcError.Unknown({ message: "m", peerCode: "p", reason: "timeout", cause: 1, details: [], mayHaveRun: false })
// @ts-expect-error the message is missing
new PsrpcError.NotFound({})
// @ts-expect-error only Unknown has a peer's code
new PsrpcError.NotFound({ message: "m", peerCode: "p" })
// @ts-expect-error no such reason
new PsrpcError.NotFound({ message: "m", reason: "because" })
// @ts-expect-error fields are not for writing
notFound.mayHaveRun = false

// In the error channel.
const program = Effect.gen(function* () {
  if (notFound.mayHaveRun) return yield* new PsrpcError.Aborted({ message: "m" })
  return yield* notFound
})
same<Effect.Error<typeof program>, PsrpcError.NotFound | PsrpcError.Aborted>(true)
const caught = program.pipe(Effect.catchTag("NotFound", () => Effect.succeed(1)))
same<Effect.Error<typeof caught>, PsrpcError.Aborted>(true)
// A predicate takes no error out of the type.
const retried = program.pipe(Effect.catchIf(PsrpcError.isTimeout, () => Effect.succeed(1)))
same<Effect.Error<typeof retried>, PsrpcError.NotFound | PsrpcError.Aborted>(true)

// A literal code gives its class, any other text the union.
const text: string = "x"
const code: PsrpcError.Code = PsrpcError.codes[0]!
const made = [PsrpcError.fromCode("aborted"), PsrpcError.fromCode(text), PsrpcError.fromCode("nonsense")] as const
same<(typeof made)[0], PsrpcError.Aborted>(true)
same<(typeof made)[1], PsrpcError.PsrpcError>(true)
same<(typeof made)[2], PsrpcError.PsrpcError>(true)
PsrpcError.fromCode(code) satisfies PsrpcError.PsrpcError
PsrpcError.fromCode("aborted", { message: undefined, details: undefined, mayHaveRun: undefined, reason: undefined })
// @ts-expect-error a status is asked of an error or a code
ErrorConversions.toHttpStatus("nonsense")

// Details have the type of their descriptor.
const durations = PsrpcError.findDetails(notFound, DurationSchema)
same<typeof durations, Array<Duration>>(true)
PsrpcError.detail(DurationSchema, { seconds: 1n })
// @ts-expect-error no such field
PsrpcError.detail(DurationSchema, { minutes: 1n })

// The schema of all.
same<typeof PsrpcError.Union.Type, PsrpcError.PsrpcError>(true)
same<typeof PsrpcError.Union.DecodingServices, never>(true)
same<typeof PsrpcError.Union.EncodingServices, never>(true)

// Errors to other worlds.
const response = ErrorConversions.toHttpResponse(notFound)
same<typeof response.body, string>(true)
same<typeof response.headers, Readonly<Record<string, string>>>(true)
new Response(response.body, response) satisfies Response
same<ReturnType<typeof ErrorConversions.fromHttpResponse>, PsrpcError.PsrpcError>(true)
ErrorConversions.fromHttpResponse({ status: 404 })
ErrorConversions.fromHttpResponse({ status: 404, body: { code: "not_found" } })
// @ts-expect-error the status is missing
ErrorConversions.fromHttpResponse({ body: "" })
// @ts-expect-error a code alone has no message
ErrorConversions.toHttpResponse("not_found")
same<ReturnType<typeof ErrorConversions.encodeGrpcStatus>, Uint8Array>(true)
same<ReturnType<typeof ErrorConversions.decodeGrpcStatus>, PsrpcError.PsrpcError>(true)
// @ts-expect-error bytes, not base64
ErrorConversions.decodeGrpcStatus("CAU")
const twirp: ErrorConversions.TwirpError = ErrorConversions.toTwirpError(notFound)
same<typeof twirp.code, ErrorConversions.TwirpCode>(true)
same<typeof twirp.meta, Readonly<Record<string, string>> | undefined>(true)
same<
  Extract<ErrorConversions.TwirpCode, "bad_route" | "dataloss" | "data_loss">,
  "bad_route" | "dataloss" | "data_loss"
>(true)
ErrorConversions.fromTwirpError(JSON.parse("{}")) satisfies PsrpcError.PsrpcError
ErrorConversions.toTwirpStatus("not_found") satisfies number
// @ts-expect-error no such code
ErrorConversions.toTwirpStatus("nonsense")

// Errors of a method.
class NameTaken extends Schema.TaggedError<NameTaken>()(
  "NameTaken",
  { name: Schema.String },
  { psrpcCode: "already_exists" }
) {}
class TooLong extends Schema.TaggedError<TooLong>()("TooLong", { limit: Schema.Int }) {}
class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}
class Untagged extends Schema.Error<Untagged>("Untagged")({ name: Schema.String }) {}
// @ts-expect-error no such code
class Misspelt extends Schema.TaggedError<Misspelt>()("Misspelt", {}, { psrpcCode: "already_exist" }) {}
void Misspelt

const method = <E extends PsrpcError.DomainErrorInput | undefined = undefined>(options: {
  readonly error?: E & PsrpcError.ValidDomainError<E>
}): PsrpcError.DomainErrorOf<E> => options as never

const none = method({})
same<typeof none, never>(true)
const one = method({ error: NameTaken })
same<typeof one, NameTaken>(true)
const two = method({ error: Schema.Union([NameTaken, TooLong]) })
same<typeof two, NameTaken | TooLong>(true)
const message = method({ error: DurationSchema })
same<typeof message, Duration>(true)
const told = method({ error: PsrpcError.protobuf(DurationSchema, { code: "aborted", message: (m) => `${m.seconds}` }) })
same<typeof told, Duration>(true)

// @ts-expect-error the tag is one of the codes'
method({ error: NotFound })
// @ts-expect-error one of the tags is
method({ error: Schema.Union([NameTaken, NotFound]) })
// @ts-expect-error these are in the error channel anyway
method({ error: PsrpcError.Union })
// @ts-expect-error no tag
method({ error: Untagged })
// @ts-expect-error no tag
method({ error: Schema.String })
// @ts-expect-error no such code
method({ error: PsrpcError.protobuf(DurationSchema, { code: "nonsense" }) })
// @ts-expect-error an error is encoded and decoded without services
method({ error: null! as Schema.Codec<NameTaken, string, Context.Reference<number>> })

// What the compiler says.
same<
  PsrpcError.ValidDomainError<typeof NotFound>,
  `The tag "NotFound" belongs to a PsrpcError: give the error of the method another one`
>(true)
same<PsrpcError.ValidDomainError<typeof Untagged>, "The error of a method needs a _tag: use Schema.TaggedError">(true)
same<PsrpcError.ValidDomainError<typeof NameTaken>, unknown>(true)
same<PsrpcError.ValidDomainError<undefined>, unknown>(true)

// The codec has the type of what it was made from.
const union = DomainError.make(Schema.Union([NameTaken, TooLong]))
same<typeof union, DomainError.DomainError<NameTaken | TooLong>>(true)
const protobuf = DomainError.make(DurationSchema)
same<typeof protobuf, DomainError.DomainError<Duration>>(true)
const schema = DomainError.fromSchema(NameTaken)
same<typeof schema, DomainError.DomainError<NameTaken>>(true)
same<PsrpcError.DomainErrorOf<typeof StringValueSchema>, MessageShape<typeof StringValueSchema>>(true)
