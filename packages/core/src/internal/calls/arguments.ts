import type * as Payload from "../../Payload.ts"
import type * as Topic from "../../Topic.ts"

/** Options of a call. They are optional unless the method has a topic. */
export type OptionArguments<T, O> =
  Topic.IsEmpty<T> extends true ? [options?: O] : [options: O & { readonly topic: Topic.Topic<T> }]

/** Arguments of a call: the payload, if there is one, and the options. */
export type Arguments<Message, T, O, Name extends "request" | "message" = "request"> = [Message] extends [undefined]
  ? OptionArguments<T, O>
  : Name extends "request"
    ? [request: Payload.Input<Message>, ...options: OptionArguments<T, O>]
    : [message: Payload.Input<Message>, ...options: OptionArguments<T, O>]
