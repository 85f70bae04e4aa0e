import { type RedisOptions, redisOptions, targetOf } from './redis/options.ts';
import { openRedisStore } from './redis/redis-store.ts';
import type { StoreKind } from './store.ts';

/** Shared by all nodes, over a network. Everything about it is in `redis/`. */
export const redis: StoreKind<RedisOptions> = {
  kind: 'redis',
  summary: 'in Redis or Valkey (one server, Sentinel or Cluster), shared by all nodes',
  options: redisOptions,
  open: (options, clock) => openRedisStore(targetOf(options), clock, Math.random),
};
