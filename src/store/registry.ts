import { memory } from './memory.ts';
import { redis } from './redis.ts';
import { sqlite } from './sqlite.ts';
import type { StoreKind } from './store.ts';

/** Every kind of store, in the order of the manual. */
export const storeKinds: readonly StoreKind[] = [memory, sqlite, redis];
