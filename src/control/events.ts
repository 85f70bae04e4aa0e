import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { EventRecord } from './control-plane.ts';

/**
 * The event log: what happened to health, configuration, overrides, drills and workers. Every event
 * is one log line, one entry of a bounded list in the store, and one call to each subscriber. The
 * last ones are also kept in memory, so that a store that is away hides nothing from this node.
 */
export type Events = {
  record(kind: string, subject: string, message: string, level?: 'info' | 'warn'): void;
  /** Events after `afterId`, oldest first; from the oldest when it is '' or not known any more. */
  read(afterId: string, count: number): Promise<readonly EventRecord[]>;
  subscribe(onEvent: (event: EventRecord) => void): () => void;
  /** The last write reached the store. */
  storeOk(): boolean;
};

/** Events kept in memory and in the store. */
export const EVENTS_MAX = 10_000;
const EVENTS_LOG = 'events';

export function createEvents(nowMs: () => number, store: Store, log: Log): Events {
  const recent: EventRecord[] = [];
  const subscribers = new Set<(event: EventRecord) => void>();
  let sequence = 0;
  let storeFailing = false;

  const keep = (event: EventRecord): void => {
    recent.push(event);
    if (recent.length > EVENTS_MAX) recent.splice(0, recent.length - EVENTS_MAX);
  };
  const append = (event: EventRecord): void => {
    store.append(EVENTS_LOG, JSON.stringify(event), EVENTS_MAX).then(
      () => {
        if (storeFailing) log.info('store.recovered', 'Events reach the store again.');
        storeFailing = false;
      },
      (error: unknown) => {
        if (!storeFailing) {
          log.warn('store.unavailable', `Events do not reach the store: ${String(error)}.`);
        }
        storeFailing = true;
      },
    );
  };

  return {
    storeOk: () => !storeFailing,
    record(kind, subject, message, level = 'info') {
      sequence += 1;
      const atMs = nowMs();
      const event = { id: `${atMs}-${sequence}`, atMs, kind, subject, message };
      log[level](kind, message, { subject });
      keep(event);
      append(event);
      for (const onEvent of subscribers) onEvent(event);
    },
    async read(afterId, count) {
      const from = recent.findIndex(({ id }) => id === afterId) + 1;
      return recent.slice(from, from + count);
    },
    subscribe(onEvent) {
      subscribers.add(onEvent);
      return () => subscribers.delete(onEvent);
    },
  };
}
