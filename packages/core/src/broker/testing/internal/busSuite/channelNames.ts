/** Names of channels: any text, and no collisions. */
import { Effect } from "effect"
import * as Channels from "../../../../internal/wire/channel.ts"
import type { Channel } from "../../../../MessageBus.ts"
import { equal } from "../harness/assertions.ts"
import type { Run } from "../harness/run.ts"
import type { BusCase } from "./busCase.ts"
import type { BusMessages } from "./busMessages.ts"

/** Texts with a meaning for brokers, texts that look like escapes, and texts that differ in UTF-8 and UTF-16. */
const texts = [
  "plain",
  "Plain",
  "with space",
  "with_space",
  "*",
  ">",
  "a.b",
  "a.*",
  "a|b",
  "|",
  ".",
  "..",
  "?",
  "[a-z]",
  "\\",
  "'\"`",
  "line\r\nbreak",
  "tab\t",
  "nul\0",
  "%00",
  "u+002a",
  "Zürich",
  // looks like the one before, with other code points
  "Zu\u0308rich",
  "软件",
  "مرحبا",
  "🚀",
  "👩‍👩‍👧",
  "\u{10FFFF}",
  "\uFEFF",
  // a lone surrogate: U+FFFD in every name
  "lone \uD83D",
  "\uDE80 lone",
  "__proto__",
  "constructor",
  "x".repeat(200)
]

/** Verifies that the listener of each channel receives the messages of that channel alone. */
const areSeparate = Effect.fnUntraced(function* (
  run: Run,
  messages: BusMessages,
  channels: ReadonlyArray<readonly [label: string, Channel]>
) {
  const [a, b] = yield* run.connections(2)
  const logs = yield* Effect.forEach(channels, ([, channel]) => messages.listen(b, channel), {
    concurrency: "unbounded"
  })
  for (let round = 0; round < 2; round++) {
    for (const [label, channel] of channels) messages.publish(a, channel, `${label} ${round}`)
  }
  for (const [i, [label]] of channels.entries()) {
    const log = logs[i]!
    yield* messages.waitForText(log, `${label} 1`)
    yield* equal(`messages for ${label}`, log.texts, [`${label} 0`, `${label} 1`])
  }
})

const quoted = (text: string): string => JSON.stringify(text)

export const channelNames: ReadonlyArray<BusCase> = [
  {
    name: "topics can be any text, and each has its own channel",
    body: (run, messages) =>
      areSeparate(run, messages, [
        ["none", messages.plainChannel("News")],
        ...texts.map((text) => [quoted(text), messages.plainChannel("News", [text])] as const),
        [`${quoted("a")}, ${quoted("b")}`, messages.plainChannel("News", ["a", "b"])],
        [`${quoted("🚀")}, ${quoted("*")}, ${quoted(">")}`, messages.plainChannel("News", ["🚀", "*", ">"])]
      ])
  },
  {
    name: "methods can have any name, and each has its own channel",
    body: (run, messages) =>
      areSeparate(
        run,
        messages,
        texts.map((text) => [quoted(text), messages.plainChannel(text)] as const)
      )
  },
  {
    name: "client ids can be any text, and each has its own channel",
    body: (run, messages) =>
      areSeparate(
        run,
        messages,
        ["CLI_a", "CLI_A", "a.b", "a.c", "Zoë", "客户", "🚀", "lone\uD83D", "__proto__", "CLI_REQ", "|"].map(
          (id) => [quoted(id), Channels.response(run.service, id)] as const
        )
      )
  },
  {
    name: "the channels of methods and clients are separate",
    body: (run, messages) =>
      areSeparate(run, messages, [
        ...["Hello", "Other"].flatMap((method) => [
          [`requests of ${method}`, Channels.request(run.service, method, [], false)] as const,
          [`requests of ${method} in eu`, Channels.request(run.service, method, ["eu"], false)] as const,
          [`claim responses of ${method}`, Channels.claimResponse(run.service, method, [])] as const,
          [`streams of ${method}`, Channels.stream(run.service, method, [])] as const
        ]),
        ["requests of a queue", messages.queueChannel("Queue")],
        ["requests of another queue", messages.queueChannel("OtherQueue")],
        ...["CLI_1", "CLI_2"].flatMap((id) => [
          [`claims for ${id}`, Channels.claimRequest(run.service, id)] as const,
          [`responses for ${id}`, Channels.response(run.service, id)] as const,
          [`streams of ${id}`, Channels.clientStream(run.service, id)] as const
        ])
      ])
  }
]
