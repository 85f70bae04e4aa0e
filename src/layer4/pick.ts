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
 * A flow is no request: it counts among the connections. Algorithms that weigh servers by requests in
 * flight are shown connections in their place, but for those that keep account of each request themselves.
 */
const showFlows: Show = ({ picker }, level) =>
  picker.begin === undefined ? { ...level, active: level.connections } : level;
