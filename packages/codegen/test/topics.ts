/** The types of topics, which generated code imports by the names of parameters. */
import { Schema } from "effect"

export const Region = Schema.Literals(["eu", "us"])

export const NodeId = Schema.String.pipe(Schema.brand("NodeId"))
