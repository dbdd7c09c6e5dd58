/**
 * What the descriptor of a service in a .proto says by psrpc's options: the kinds of its methods, their names on the
 * wire, and their topics. The generator and `Service.fromDescriptor` read it here, by the rules of Go's generator.
 *
 * The options are those of `psrpc.options`, extension 2198 of `google.protobuf.MethodOptions`. Whether a method may be
 * repeated is the standard option `idempotency_level`, which Go's generator does not read.
 *
 * @since 0.1.0
 */
import { create, type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf"
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt"
import { goName } from "./internal/definition/goName.ts"
import { type Options, options, OptionsSchema, Routing } from "./internal/gen/options_pb.ts"
import type * as Rpc from "./Rpc.ts"

/**
 * A parameter of a method's topic.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parameter {
  /** Its name in code, `nodeId` for `node_id`. */
  readonly name: string
  /** The name of its type, `NodeId`: as Go's, without `TopicType` behind it. */
  readonly typeName: string
}

/**
 * A method, by its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Method {
  readonly desc: DescMethod
  /** Its name in code. */
  readonly key: string
  /** Its name on the wire. */
  readonly name: string
  readonly kind: Rpc.Kind
  /** Who gets a request, or an update. Multi methods have `"multi"`. */
  readonly routing: Rpc.Routing | "multi"
  /** The topic's parameters, in wire order; none where the method has no topics. */
  readonly topic: ReadonlyArray<Parameter>
  /** Whether the parameters have types of the user's own. */
  readonly typed: boolean
  /** The topic group; subscriptions are in none. */
  readonly group: string | undefined
  /** Whether one server alone listens, so that nothing is claimed. Of unary methods and streams. */
  readonly singleServer: boolean
  /** Whether `idempotency_level` is `IDEMPOTENT` or `NO_SIDE_EFFECTS`. Of subscriptions it means nothing. */
  readonly idempotent: boolean
}

/**
 * A contradiction among options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  /** The method that has it. */
  readonly method: DescMethod
  readonly message: string
}

/**
 * A service, by the options of its methods.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  readonly desc: DescService
  /** Its name on the wire. */
  readonly name: string
  /** Whether one of its methods has psrpc's options. */
  readonly hasOptions: boolean
  /** Whether one of its methods has the keyword `stream`, as gRPC's streams do and psrpc's do not. */
  readonly hasStreamKeyword: boolean
  readonly methods: ReadonlyArray<Method>
  /** Contradictions; the methods that have them are among the methods all the same. */
  readonly problems: ReadonlyArray<Problem>
}

/** What JavaScript takes for something else where an object has it: promises, prototypes, what all objects inherit. */
const reserved = [
  "then",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "__proto__",
  "__defineGetter__",
  "__defineSetter__",
  "__lookupGetter__",
  "__lookupSetter__"
] as const

/**
 * The name in code of a method, given its name in protobuf-es (`localName`, which begins with a small letter): the same, with
 * a `$` behind names that mean something to JavaScript, `then$` for one. (protobuf-es itself does so for `constructor`,
 * `toString`, `toJSON` and `valueOf`.)
 *
 * @category utility types
 * @since 0.1.0
 */
export type Key<LocalName> = LocalName extends (typeof reserved)[number] ? `${LocalName}$` : LocalName

const reservedNames: ReadonlySet<string> = new Set(reserved)

const keyOf = ({ localName }: DescMethod): string => (reservedNames.has(localName) ? `${localName}$` : localName)

const lowerFirst = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

/** The type of a method; a member of the older oneof decides, whatever it is set to. */
const routingOf = ({ routing, type }: Options): Routing => {
  switch (routing.case) {
    case "multi":
      return Routing.MULTI
    case "affinityFunc":
      return Routing.AFFINITY
    case "queue":
      return Routing.QUEUE
    default:
      return type
  }
}

const routings: Readonly<Record<number, Method["routing"]>> = {
  [Routing.QUEUE]: "queue",
  [Routing.AFFINITY]: "affinity",
  [Routing.MULTI]: "multi"
}

const parameter = (name: string): Parameter => ({ name: lowerFirst(goName(name)), typeName: goName(name) })

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The parameters of a method that has topics. */
const parametersOf = (names: ReadonlyArray<string>, problem: (message: string) => void): ReadonlyArray<Parameter> => {
  if (names.length === 0) return [parameter("topic")]
  const found: Array<Parameter> = []
  for (const name of names) {
    if (name === "") problem("topic_params.names has an empty name")
    else if (!identifier.test(name)) problem(`the topic parameter "${name}" is not a name: letters, digits and _`)
    else {
      const one = parameter(name)
      if (found.some((other) => other.name === one.name)) problem(`two topic parameters have the name ${one.name}`)
      found.push(one)
    }
  }
  return found
}

const optionsOf = (desc: DescMethod, problem: (message: string) => void): Options => {
  try {
    return getOption(desc, options)
  } catch (cause) {
    problem(`has an option with the number ${options.number} that is not psrpc's: ${(cause as Error).message}`)
    return create(OptionsSchema)
  }
}

const readMethod = (desc: DescMethod, problem: (message: string) => void): Method => {
  const given = optionsOf(desc, problem)
  const params = given.topicParams
  const routing = routings[routingOf(given)]
  const { stream, subscription } = given
  if (routing === undefined) problem(`type has the value ${given.type}, which psrpc does not know`)
  if (stream && subscription) problem("stream and subscription exclude each other")
  else if (stream && routing === "multi") problem("a stream goes to one server: its type cannot be MULTI")
  else if (subscription && routing === "affinity") problem("a subscription is of type QUEUE or MULTI, not AFFINITY")
  else if (routing === "affinity" && params?.singleServer === true) {
    problem("type AFFINITY and topic_params.single_server exclude each other: a single server sends no claim")
  }
  if (!given.topics) {
    if (params !== undefined && params.names.length > 0) problem("topic_params.names without topics = true")
    if (params !== undefined && params.group !== "") problem("topic_params.group without topics = true")
  }
  const kind = subscription ? "subscription" : stream ? "stream" : routing === "multi" ? "multi" : "unary"
  return {
    desc,
    key: keyOf(desc),
    name: goName(desc.name),
    kind,
    routing: routing ?? "queue",
    topic: given.topics ? parametersOf(params?.names ?? [], problem) : [],
    typed: given.topics && params !== undefined && params.typed && params.names.length > 0,
    group: params === undefined || params.group === "" || kind === "subscription" ? undefined : params.group,
    singleServer: params !== undefined && params.singleServer && (kind === "unary" || kind === "stream"),
    idempotent: kind !== "subscription" && desc.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN
  }
}

const words = ({ topic, typed }: Method): string =>
  `${topic.map(({ name }) => name).join(", ")}${typed ? " (typed)" : ""}`

/**
 * Reads psrpc's options of a service.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = (desc: DescService): Service => {
  const hasOptions = desc.methods.some((method) => hasOption(method, options))
  const hasStreamKeyword = desc.methods.some(({ methodKind }) => methodKind !== "unary")
  const problems: Array<Problem> = []
  const names = new Map<string, string>()
  const groups = new Map<string, Method>()
  const methods = desc.methods.map((method) => {
    const problem = (message: string) => void problems.push({ method, message })
    if (method.methodKind !== "unary") {
      problem("has the keyword stream, which psrpc does not use: its streams have the option stream = true")
    }
    const one = readMethod(method, problem)
    const other = names.get(one.name)
    if (other === undefined) names.set(one.name, method.name)
    else problem(`has the same wire name ${one.name} as ${other}`)
    if (one.group !== undefined && one.topic.length > 0) {
      const first = groups.get(one.group)
      if (first === undefined) groups.set(one.group, one)
      else if (words(first) !== words(one)) {
        problem(
          `has the topic parameters ${words(one)}, and ${first.desc.name} of the same topic group, ${one.group}, has ${words(first)}`
        )
      }
    }
    return one
  })
  return { desc, name: goName(desc.name), hasOptions, hasStreamKeyword, methods, problems }
}
