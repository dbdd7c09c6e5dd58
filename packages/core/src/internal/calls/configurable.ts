/** Options that are read from the configuration. */
import { Config, Record } from "effect"

/** Options, each of which may be a `Config` of its value. */
export type Configurable<O> = { readonly [K in keyof O]: O[K] | Config.Config<O[K]> }

/** Reads the options that are a `Config`; the others stay as they are. */
export const configured = <O extends object>(options: Configurable<O>): Config.Config<O> =>
  Config.all(
    Record.map(options as Record<string, unknown>, (option) =>
      Config.isConfig(option) ? option : Config.succeed(option)
    )
  ) as Config.Config<O>
