import { pickServer, type Show, type Upstream, type UpstreamServer } from '../balancer/upstream.ts';

/** The server for the next flow, none of those tried before; undefined when no other is usable. */
export const pickUntried = (
  upstream: Upstream,
  tried: readonly UpstreamServer[],
  key: number,
  draw: number,
  nowMs: number,
): UpstreamServer | undefined => pickServer(upstream, tried, key, draw, nowMs, showFlows);

/**
 * A flow is no request: it counts among the connections, which algorithms that weigh servers by requests
 * in flight are shown in their place.
 */
const showFlows: Show = (_, level) => ({ ...level, active: level.connections });
