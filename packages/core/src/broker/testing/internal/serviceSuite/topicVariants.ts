/** The variants of topics that the methods of the suite have, and their servers. */
import { Effect, Schema } from "effect"

type Definition = readonly ["region"]

export interface Topic {
  readonly region: string
}

/**
 * One variant. Every variant has the type of a topic with one text parameter, so that each case is written once for all
 * variants. At run time the library gets the actual definition.
 */
export interface TopicVariant {
  readonly name: string
  readonly definition: Definition
  /** The topics. No message of one may arrive at another. */
  readonly topics: ReadonlyArray<Topic>
}

const Region = Schema.Literals(["eu", "eu-west", "", "🚀"])

/** Texts with a common prefix, an empty text, texts with a meaning for brokers, and texts that look like escaped names. */
const regions = [
  "eu",
  "eu-west",
  "",
  "EU",
  "Ünïcödé 软件 🚀",
  "euu+002dwest",
  "eu|west",
  "eu.west",
  "*",
  ">",
  "Q",
  "REQ"
]

export const topicVariants: ReadonlyArray<TopicVariant> = [
  {
    name: "without topics",
    definition: [] as unknown as Definition,
    topics: [{} as Topic]
  },
  {
    name: "with plain topics",
    definition: ["region"],
    topics: regions.map((region) => ({ region }))
  },
  {
    name: "with typed topics",
    definition: { region: Region, shard: Schema.FiniteFromString } as unknown as Definition,
    topics: (
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

/** Returns whether a variant has more than one topic. */
export const hasTopics = ({ topics }: TopicVariant): boolean => topics.length > 1

/** Returns the topics of one of three servers, so that each topic has two servers; without topics, all three. */
export const sharedTopics = (variant: TopicVariant, server: number): ReadonlyArray<Topic> =>
  hasTopics(variant) ? variant.topics.filter((_, i) => (i + server) % 3 !== 0) : variant.topics

/** Returns the topics of one of three servers, so that each topic has one server. */
export const ownTopics = (variant: TopicVariant, server: number): ReadonlyArray<Topic> =>
  variant.topics.filter((_, i) => i % 3 === server)

/** Returns the servers of a topic that `sharedTopics` assigns. */
export const serversOf = (variant: TopicVariant, topic: Topic): ReadonlyArray<number> =>
  [0, 1, 2].filter((server) => sharedTopics(variant, server).includes(topic))

const affinities = [0.4, 0.9, 0.6]

/** Returns the affinity of one of three servers, in one of the three forms of an affinity. */
export const affinityOf = (server: number) => {
  const affinity = affinities[server]!
  return [affinity, Effect.andThen(Effect.yieldNow, Effect.succeed(affinity)), () => Effect.succeed(affinity)][server]!
}

/** Returns the server of a topic with the best affinity. */
export const bestServer = (
  variant: TopicVariant,
  topic: Topic
): { readonly server: number; readonly affinity: number } => {
  const server = serversOf(variant, topic).reduce((a, b) => (affinities[b]! > affinities[a]! ? b : a))
  return { server, affinity: affinities[server]! }
}

/** Formats a topic, for labels and comparisons. */
export const labelOf = (topic: object): string => JSON.stringify(topic)
