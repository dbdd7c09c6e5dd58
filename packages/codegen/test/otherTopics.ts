/** The types of topics of one service alone. */
import { Schema } from "effect"

export const Region = Schema.Literals(["north", "south"])
