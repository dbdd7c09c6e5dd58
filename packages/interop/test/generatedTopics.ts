/** The types of the generated service's topics. */
import { Schema } from "effect"

export const RoomName = Schema.String.pipe(Schema.brand("RoomName"))

export const TrackId = Schema.String.pipe(Schema.brand("TrackId"))
