import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { EventRecord } from './control-plane.ts';
import { openEventLog, SHARED_EVENTS_MAX } from './event-log.ts';

/**
 * What happened to health, configuration, overrides, drills and workers of this node. Every event is one
 * log line, one entry of the list that the nodes share, and one call to each subscriber. The last ones
 * are kept in memory, so that a store that is away hides nothing; after a restart they are read again.
 */
export type Events = {
  record(kind: string, subject: string, message: string, level?: 'info' | 'warn'): void;
  /** Events after `afterId`, oldest first; from the oldest when it is '' or not known any more. */
  read(afterId: string, count: number): Promise<readonly EventRecord[]>;
  /** The last events of all nodes that share the store, oldest first; undefined while it is away. */
  readAll(count: number): Promise<readonly EventRecord[] | undefined>;
  subscribe(onEvent: (event: EventRecord) => void): () => void;
  /** The last write reached the store. */
  storeOk(): boolean;
};

export type EventsOptions = {
  /** This node's name. */
  readonly node: string;
  nowMs(): number;
  readonly store: Store;
  readonly log: Log;
};

/** Events kept in memory. */
export const EVENTS_MAX = 10_000;

export function createEvents({ log, node, nowMs, store }: EventsOptions): Events {
  const recent: EventRecord[] = [];
  const all = openEventLog(store, log, () => recent.filter((event) => event.node === node));
  const subscribers = new Set<(event: EventRecord) => void>();
  let sequence = 0;

  const keep = (event: EventRecord): void => {
    recent.push(event);
    if (recent.length > EVENTS_MAX) recent.splice(0, recent.length - EVENTS_MAX);
  };
  /** Those of earlier lives, before those of this one. */
  void all.read(SHARED_EVENTS_MAX).then((known) => {
    const ids = new Set(recent.map(({ id }) => id));
    const earlier = (known ?? []).filter((event) => event.node === node && !ids.has(event.id));
    recent.splice(0, 0, ...earlier);
    if (recent.length > EVENTS_MAX) recent.splice(0, recent.length - EVENTS_MAX);
  });

  return {
    storeOk: all.isOk,
    record(kind, subject, message, level = 'info') {
      sequence += 1;
      const atMs = nowMs();
      const event = { id: `${atMs}-${sequence}`, node, atMs, kind, subject, message };
      log[level](kind, message, { subject });
      keep(event);
      all.append(event);
      for (const onEvent of subscribers) onEvent(event);
    },
    async read(afterId, count) {
      const from = recent.findIndex(({ id }) => id === afterId) + 1;
      return recent.slice(from, from + count);
    },
    readAll: all.read,
    subscribe(onEvent) {
      subscribers.add(onEvent);
      return () => subscribers.delete(onEvent);
    },
  };
}
