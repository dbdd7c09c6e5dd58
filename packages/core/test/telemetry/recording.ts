/** A tracer that keeps every span made in a test, and counts how often each was ended. */
import { Context, Effect, Layer, Option, Tracer } from "effect"

/** A span as a test looks at it. */
export class RecordedSpan extends Tracer.NativeSpan {
  /** How often it was ended. */
  ends = 0

  override end(...args: Parameters<Tracer.NativeSpan["end"]>): void {
    this.ends++
    super.end(...args)
  }

  get code(): unknown {
    return this.attributes.get("rpc.psrpc.status_code")
  }

  get parentId(): string | undefined {
    return Option.getOrUndefined(this.parent)?.spanId
  }

  get hasFailed(): boolean {
    return this.status._tag === "Ended" && this.status.exit._tag === "Failure"
  }
}

/** Every span made in the test, in order. */
export class Recorded extends Context.Service<Recorded, Array<RecordedSpan>>()("test/Recorded") {}

/** Installs the tracer. */
export const recorded: Layer.Layer<Recorded> = Layer.effectContext(
  Effect.sync(() => {
    const spans: Array<RecordedSpan> = []
    const tracer = Tracer.make({
      span(options) {
        const span = new RecordedSpan(options)
        spans.push(span)
        return span
      }
    })
    return Context.make(Recorded, spans).pipe(Context.add(Tracer.Tracer, tracer)) as Context.Context<Recorded>
  })
)

/** The only span of a kind. */
export const only = (spans: ReadonlyArray<RecordedSpan>, kind: Tracer.SpanKind): RecordedSpan => {
  const found = spans.filter((span) => span.kind === kind)
  if (found.length !== 1) throw new Error(`expected one ${kind} span, there are ${found.length}`)
  return found[0]!
}

/** The names of a span's events, in order. */
export const eventsOf = (span: RecordedSpan): ReadonlyArray<string> => span.events.map(([name]) => name)

/** What a span has beside what every span of a method has. */
export const attributesOf = (span: RecordedSpan): Record<string, unknown> => Object.fromEntries(span.attributes)
