/**
 * Topics split a method: a call, or a registration, names the part of the servers that it is for.
 *
 * A method declares its topic's parameters by name, in the order they have on the wire: `["region"]` for plain strings,
 * or an object of Schemas whose encoded form is a string, `{ region: Schema.Literals(["eu", "us"]) }`.
 *
 * @since 0.1.0
 */
import type { Schema } from "effect"

/**
 * A Schema with a string on its encoded side, and no services.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParameterSchema extends Schema.Constraint {
  readonly Encoded: string
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/**
 * What a definition takes as `topic`.
 *
 * @category models
 * @since 0.1.0
 */
export type Any = ReadonlyArray<string> | { readonly [name: string]: ParameterSchema }

/**
 * The topic of a call or of a registration: a value for each parameter.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Topic<T> =
  T extends ReadonlyArray<string>
    ? { readonly [K in T[number]]: string }
    : { readonly [K in keyof T]: T[K] extends ParameterSchema ? T[K]["Type"] : never }

/**
 * Whether a method has a topic.
 *
 * @category utility types
 * @since 0.1.0
 */
export type IsEmpty<T> = T extends readonly [] ? true : false

/**
 * Refuses parameters whose names read as integers: an object would not keep their order.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Valid<T> =
  T extends ReadonlyArray<string>
    ? unknown
    : {
        readonly [
          K in keyof T as K extends number | `${bigint}` ? K : never
        ]: "a topic parameter's name must not read as an integer"
      }
