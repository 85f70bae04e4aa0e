import type { Store } from '../store/store.ts';

/**
 * One node of those that could does something for all: the one that holds a key in the store, which it renews every
 * window. When it is gone another takes over. Without the store nobody does.
 */
export type LeaderParts = {
  readonly store: Pick<Store, 'get' | 'compareAndSet' | 'nowMs'>;
  readonly key: string;
  /** This node's name. */
  readonly node: string;
  readonly windowMs: number;
  /** By the node's own clock. */
  readonly nowMs: number;
};

/** Windows that a leader may miss before another takes over. */
const MISSED_WINDOWS = 3;

/** Whether this node leads: it holds the key, or takes it because nobody does. */
export async function leads({ key, node, nowMs, store, windowMs }: LeaderParts): Promise<boolean> {
  const entry = await store.get(key);
  const storeMs = store.nowMs() ?? nowMs;
  const holder = readHolder(entry?.value);
  if (holder !== undefined && holder.node !== node && holder.untilMs > storeMs) return false;
  const value = JSON.stringify({ node, untilMs: storeMs + MISSED_WINDOWS * windowMs });
  const { ok } = await store.compareAndSet(key, entry?.version ?? 0, value);
  return ok;
}

function readHolder(
  value: string | undefined,
): { readonly node: string; readonly untilMs: number } | undefined {
  try {
    const { node, untilMs } = JSON.parse(value ?? '');
    return typeof node === 'string' && typeof untilMs === 'number' ? { node, untilMs } : undefined;
  } catch {
    return undefined;
  }
}
