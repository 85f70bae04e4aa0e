import type { Upstream, UpstreamServer } from '../balancer/upstream.ts';
import type { PickState } from '../balancing/algorithm.ts';

/** The server for the next flow, none of those tried before; undefined when no other is usable. */
export function pickUntried(
  upstream: Upstream,
  tried: readonly UpstreamServer[],
  key: number,
  draw: number,
  nowMs: number,
): UpstreamServer | undefined {
  const { usable } = upstream;
  const skipped = tried.filter(
    (server) => server.upstream === upstream && usable[server.index] === 1,
  );
  for (const { index } of skipped) usable[index] = 0;
  const picked = upstream.picker.pick(loadOf(upstream), key, draw, nowMs);
  for (const { index } of skipped) usable[index] = 1;
  return upstream.servers[picked];
}

/**
 * A flow is no request: it counts among the connections. Algorithms that weigh servers by requests in
 * flight are shown connections in their place, but for those that keep account of each request themselves.
 */
function loadOf(upstream: Upstream): PickState {
  if (upstream.picker.begin !== undefined) return upstream;
  const { connections, scratch, usable, weights } = upstream;
  return { active: connections, connections, scratch, usable, weights };
}
