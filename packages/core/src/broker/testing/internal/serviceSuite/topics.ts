/** The ways in which methods are split by topics, and who serves which. */
import { Effect, Schema } from "effect"

type Definition = readonly ["region"]
type Topic = { readonly region: string }

/**
 * One way. To the types all of them are a topic of one plain parameter, so that a test is written once for all; what they
 * are is for the library to find out, as it is for what programs without types give it.
 */
export interface Topics {
  readonly name: string
  readonly definition: Definition
  /** No two of which may hear each other. */
  readonly all: ReadonlyArray<Topic>
}

const Region = Schema.Literals(["eu", "eu-west", "", "🚀"])

/** Values that begin alike, that are empty, that brokers give a meaning, that read as another's name on the wire. */
const plain = ["eu", "eu-west", "", "EU", "Ünïcödé 软件 🚀", "euu+002dwest", "eu|west", "eu.west", "*", ">", "Q", "REQ"]

export const ways: ReadonlyArray<Topics> = [
  {
    name: "without topics",
    definition: [] as unknown as Definition,
    all: [{} as Topic]
  },
  {
    name: "with plain topics",
    definition: ["region"],
    all: plain.map((region) => ({ region }))
  },
  {
    name: "with typed topics",
    definition: { region: Region, shard: Schema.FiniteFromString } as unknown as Definition,
    all: (
      [
        ["eu", 1],
        ["eu", 11],
        ["eu-west", 1],
        ["eu", -1],
        ["", 1],
        ["🚀", 0.5]
      ] as const
    ).map(([region, shard]) => ({ region, shard }))
  }
]

const isSplit = ({ all }: Topics): boolean => all.length > 1

/** The topics that the servers of three have of which each is served by two; without topics, all three serve. */
export const sharedBy = (topics: Topics, server: number): ReadonlyArray<Topic> =>
  isSplit(topics) ? topics.all.filter((_, i) => (i + server) % 3 !== 0) : topics.all

/** The topics of one of three servers, each of which is served by one. */
export const ownedBy = (topics: Topics, server: number): ReadonlyArray<Topic> =>
  topics.all.filter((_, i) => i % 3 === server)

const affinities = [0.4, 0.9, 0.6]

/** How well each of three servers fits, said in each of the ways there are. */
export const affinityOf = (server: number) => {
  const well = affinities[server]!
  return [well, Effect.andThen(Effect.yieldNow, Effect.succeed(well)), () => Effect.succeed(well)][server]!
}

/** The best of the servers that share a topic. */
export const bestOf = (topics: Topics, topic: Topic): { readonly server: number; readonly affinity: number } => {
  const server = [0, 1, 2]
    .filter((i) => sharedBy(topics, i).includes(topic))
    .reduce((a, b) => (affinities[b]! > affinities[a]! ? b : a))
  return { server, affinity: affinities[server]! }
}

/** How a server is told to serve its only method, `call`, for topics. */
export const serving = (
  topics: Topics,
  list: ReadonlyArray<Topic>
): { readonly topics?: { readonly call: ReadonlyArray<Topic> } } => (isSplit(topics) ? { topics: { call: list } } : {})

/** A topic, for people and for comparing. */
export const labelOf = (topic: object): string => JSON.stringify(topic)
