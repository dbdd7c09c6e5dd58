import { Effect } from "effect"
import * as Channels from "../../../../internal/wire/channel.ts"
import type { Channel } from "../../../../MessageBus.ts"
import { equal } from "./failure.ts"
import type { Bus, Case, Run } from "./run.ts"

/** What brokers give a meaning to, what looks like something else, and what UTF-8 and UTF-16 disagree about. */
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
  // the same for the eye, and other code points
  "Zu\u0308rich",
  "软件",
  "مرحبا",
  "🚀",
  "👩‍👩‍👧",
  "\u{10FFFF}",
  "\uFEFF",
  // half of a pair: it is U+FFFD in every name
  "lone \uD83D",
  "\uDE80 lone",
  "__proto__",
  "constructor",
  "x".repeat(200)
]

/** Each channel gets a message of its own, and hears no other. */
const apart = Effect.fnUntraced(function* (run: Run, channels: ReadonlyArray<readonly [label: string, Channel]>) {
  const [a, b] = (yield* run.connections(2)) as [Bus, Bus]
  const recorders = yield* Effect.forEach(channels, ([, channel]) => run.listen(b, channel), {
    concurrency: "unbounded"
  })
  for (let round = 0; round < 2; round++) {
    for (const [label, channel] of channels) run.post(a, channel, `${label} ${round}`)
  }
  for (const [i, [label]] of channels.entries()) {
    const recorder = recorders[i]!
    yield* run.heard(recorder, `${label} 1`)
    yield* equal(`what arrived for ${label}`, recorder.texts, [`${label} 0`, `${label} 1`])
  }
})

const shown = (text: string): string => JSON.stringify(text)

export const names: ReadonlyArray<Case> = [
  {
    name: "topics may be any text, and each is a channel of its own",
    body: (run) =>
      apart(run, [
        ["none", run.fan("News")],
        ...texts.map((text) => [shown(text), run.fan("News", [text])] as const),
        [`${shown("a")}, ${shown("b")}`, run.fan("News", ["a", "b"])],
        [`${shown("🚀")}, ${shown("*")}, ${shown(">")}`, run.fan("News", ["🚀", "*", ">"])]
      ])
  },
  {
    name: "methods may have any name, and each is a channel of its own",
    body: (run) =>
      apart(
        run,
        texts.map((text) => [shown(text), run.fan(text)] as const)
      )
  },
  {
    name: "client ids may have any letters, and each is a channel of its own",
    body: (run) =>
      apart(
        run,
        ["CLI_a", "CLI_A", "a.b", "a.c", "Zoë", "客户", "🚀", "lone\uD83D", "__proto__", "CLI_REQ", "|"].map(
          (id) => [shown(id), Channels.response(run.service, id)] as const
        )
      )
  },
  {
    name: "what methods and clients have channels for is kept apart",
    body: (run) =>
      apart(run, [
        ...["Hello", "Other"].flatMap((method) => [
          [`requests of ${method}`, Channels.request(run.service, method, [], false)] as const,
          [`requests of ${method} in eu`, Channels.request(run.service, method, ["eu"], false)] as const,
          [`chosen servers of ${method}`, Channels.claimResponse(run.service, method, [])] as const,
          [`streams of ${method}`, Channels.stream(run.service, method, [])] as const
        ]),
        ["requests of a queue", run.queue("Queue")],
        ["requests of another queue", run.queue("OtherQueue")],
        ...["CLI_1", "CLI_2"].flatMap((id) => [
          [`claims for ${id}`, Channels.claimRequest(run.service, id)] as const,
          [`responses for ${id}`, Channels.response(run.service, id)] as const,
          [`streams of ${id}`, Channels.clientStream(run.service, id)] as const
        ])
      ])
  }
]
