/** Fields of a value that its expected type does not have. */

type IsAny<T> = 0 extends 1 & T ? true : false

/** Values that are compared as a whole, and not field by field. */
type Opaque = Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | Uint8Array | ((...args: never) => unknown)

/** The members of `T` that have fields; `never` if `T` is `any`. */
type Fielded<T> = IsAny<T> extends true ? never : T extends Opaque ? never : T extends object ? T : never

type KeyOf<T> = T extends unknown ? keyof T : never

type Field<T, K extends string> = T extends { readonly [P in K]?: infer V } ? V : never

/**
 * The path of each field of `Given` that no member of `Expected` has, such as `fields.nmae`; `never` if there is none.
 * TypeScript itself refuses unknown fields only in an object literal with a contextual type, which the result of
 * `Effect.succeed({ … })` is not. Looks up to four levels deep, so that recursive messages end. A type with an index
 * signature has every field.
 */
export type UnknownField<Given, Expected, Depth extends ReadonlyArray<unknown> = []> = Depth["length"] extends 4
  ? never
  : [Fielded<Given>, Fielded<Expected>] extends [infer G, infer E]
    ? [G] extends [never]
      ? never
      : [E] extends [never]
        ? never
        : [G, E] extends [ReadonlyArray<infer GivenItem>, ReadonlyArray<infer ExpectedItem>]
          ? UnknownField<GivenItem, ExpectedItem, [...Depth, unknown]>
          : string extends KeyOf<E>
            ? never
            :
                | Exclude<KeyOf<G> & string, KeyOf<E>>
                | {
                    [K in KeyOf<G> & KeyOf<E> & string]: UnknownField<
                      Field<G, K>,
                      Field<E, K>,
                      [...Depth, unknown]
                    > extends infer Inner extends string
                      ? `${K}.${Inner}`
                      : never
                  }[KeyOf<G> & KeyOf<E> & string]
    : never
