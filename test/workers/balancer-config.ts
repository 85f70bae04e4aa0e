import type { BalancerListenerConfig, Config } from '../../src/config/config.ts';
import { DEFAULT_RESILIENCE } from '../../src/resilience/settings.ts';
import { createConfig } from '../nameserver/fixture.ts';

/** Configurations of a balancer with one upstream, for its threads. */

export const PORT = 8080;

export function listenerAt(
  region: string,
  address: string,
  name = address,
): BalancerListenerConfig {
  const routes = [{ hosts: [], pathPrefix: '/', filters: [], upstream: 'web' }];
  return { name, region, address, port: PORT, routes };
}

export function configOf(
  listeners: readonly BalancerListenerConfig[],
  originPort: number,
  threads = 1,
): Config {
  const base = createConfig();
  const server = { name: 'origin', address: '127.0.0.1', port: originPort, weight: 1 };
  return {
    ...base,
    node: { ...base.node, workers: { dns: 1, balancer: threads } },
    balancer: {
      engine: 'auto',
      listeners,
      upstreams: {
        web: {
          algorithm: { kind: 'round-robin', options: {} },
          servers: [server],
          keepalive: { idleMax: 1, idleTimeoutMs: 1000 },
          connectTimeoutMs: 1000,
          responseTimeoutMs: 1000,
          bodyIdleTimeoutMs: 60_000,
          ...DEFAULT_RESILIENCE,
        },
      },
    },
  };
}
