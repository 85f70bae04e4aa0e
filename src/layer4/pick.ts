import { firstLevel } from '../balancer/standing.ts';
import { pickOfLevel, type Upstream, type UpstreamServer } from '../balancer/upstream.ts';
import type { PickState } from '../balancing/algorithm.ts';

/** The server for the next flow, none of those tried before; undefined when no other is usable. */
export function pickUntried(
  upstream: Upstream,
  tried: readonly UpstreamServer[],
  key: number,
  draw: number,
  nowMs: number,
): UpstreamServer | undefined {
  const { levels } = upstream.standing;
  const first = firstLevel(upstream.standing, key);
  for (let step = 0; step < levels.length; step++) {
    const level = loadOf(upstream, levels[(first + step) % levels.length]!);
    const picked = pickOfLevel(upstream, level, tried, key, draw, nowMs);
    if (picked >= 0) return upstream.servers[picked];
  }
  return undefined;
}

/**
 * A flow is no request: it counts among the connections. Algorithms that weigh servers by requests in
 * flight are shown connections in their place, but for those that keep account of each request themselves.
 */
function loadOf({ picker }: Upstream, level: PickState): PickState {
  if (picker.begin !== undefined) return level;
  return { ...level, active: level.connections };
}
