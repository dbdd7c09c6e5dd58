import type * as Payload from "../../Payload.ts"
import type * as Topic from "../../Topic.ts"

/** Options that may be left out, unless the method has a topic, which they name. */
export type OptionArguments<T, O> =
  Topic.IsEmpty<T> extends true ? [options?: O] : [options: O & { readonly topic: Topic.Topic<T> }]

/** What a method is called with: what it sends, where that is not nothing, and the options. */
export type Arguments<Message, T, O, Name extends "request" | "message" = "request"> = [Message] extends [undefined]
  ? OptionArguments<T, O>
  : Name extends "request"
    ? [request: Payload.Input<Message>, ...options: OptionArguments<T, O>]
    : [message: Payload.Input<Message>, ...options: OptionArguments<T, O>]
