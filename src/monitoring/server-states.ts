import type { ServerState } from '../balancer/messages.ts';
import type { HealthServer } from './servers.ts';

/**
 * What the balancer is told of each server: whether it may be used at all, and whether it takes anybody
 * new.
 * @param flags 1 = healthy, or not known to be ill
 */
export function serverStates(
  servers: readonly HealthServer[],
  flags: Uint8Array,
): readonly ServerState[] {
  return servers.map(({ mode, name, upstream }, index) => ({
    upstream,
    server: name,
    usable: flags[index] !== 0 && mode !== 'maintenance',
    draining: mode === 'drain',
  }));
}
