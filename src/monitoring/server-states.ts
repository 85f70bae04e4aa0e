import type { ServerState } from '../balancer/messages.ts';
import type { HealthServer } from './servers.ts';

/**
 * What the balancer is told of each server: whether it may be used at all, and whether it takes anybody
 * new. Servers of a later priority take nobody while one of an earlier priority can (RFC 2782).
 * @param flags 1 = healthy, or not known to be ill
 */
export function serverStates(
  servers: readonly HealthServer[],
  flags: Uint8Array,
): readonly ServerState[] {
  const first = new Map<string, number>();
  for (const [index, { mode, priority = 0, upstream }] of servers.entries()) {
    if (flags[index] === 0 || mode !== undefined) continue;
    first.set(upstream, Math.min(priority, first.get(upstream) ?? priority));
  }
  return servers.map(({ mode, name, priority = 0, upstream }, index) => ({
    upstream,
    server: name,
    usable: flags[index] !== 0 && mode !== 'maintenance',
    draining: mode === 'drain' || priority > (first.get(upstream) ?? priority),
  }));
}
