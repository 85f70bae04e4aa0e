import { type RedisOptions, redisOptions, targetOf } from './redis/options.ts';
import type { StoreKind } from './store.ts';

/** Shared by all nodes, over a network. Everything about it is in `redis/`. */
export const redis: StoreKind<RedisOptions> = {
  kind: 'redis',
  summary: 'in Redis or Valkey (one server, Sentinel or Cluster), shared by all nodes',
  options: redisOptions,
  async open(options, clock) {
    // The client is loaded only where it is used: reading a configuration does not need it.
    const { openRedisStore } = await import('./redis/redis-store.ts');
    return openRedisStore(targetOf(options), clock, Math.random);
  },
};
