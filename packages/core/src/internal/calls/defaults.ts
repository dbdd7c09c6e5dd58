/** Defaults of options that clients and servers share. Public in `Client` and `Server`. */
import { Duration } from "effect"

/**
 * Default size of each receive buffer: 100 messages, the same as Go's.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultBufferSize = 100

/**
 * Default keepalive interval of an idle stream: 10 seconds. An endpoint that receives nothing for three intervals of its
 * peer closes the stream with the reason `peer_lost`.
 *
 * Go's endpoints neither send nor check keepalives.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultKeepalive: Duration.Duration = Duration.seconds(10)
