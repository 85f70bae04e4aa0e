import type { ServerState } from '../balancer/messages.ts';
import { type HealthServer, SERVER_FLAG } from './servers.ts';

/**
 * What the balancer is told of each server: whether it may be used at all, whether it takes anybody
 * new, and whether it had better have less.
 */
export function serverStates(
  servers: readonly HealthServer[],
  flags: Uint8Array,
): readonly ServerState[] {
  return servers.map(({ mode, name, upstream }, index) => ({
    upstream,
    server: name,
    usable: flags[index] !== SERVER_FLAG.down && mode !== 'maintenance',
    draining: mode === 'drain' || flags[index] === SERVER_FLAG.unready,
    degraded: flags[index] === SERVER_FLAG.degraded,
  }));
}
