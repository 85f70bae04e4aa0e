import { z } from 'zod';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { EventRecord } from './control-plane.ts';

/**
 * The events of all nodes that share a store, in one bounded list there. What happens while the store is
 * away waits here, within a limit, and is added when it is back: the list then has a gap in its order,
 * and none in what it tells.
 */
export type EventLog = {
  append(event: EventRecord): void;
  /** The last events of all nodes, oldest first; undefined while the store does not answer. */
  read(count: number): Promise<readonly EventRecord[] | undefined>;
  /** Nothing waits. */
  isOk(): boolean;
};

export const EVENTS_LOG = 'events';
/** Events of all nodes that the store keeps. */
export const SHARED_EVENTS_MAX = 10_000;
/** Events that wait for the store; older ones are dropped and stay known to this node alone. */
export const UNSENT_MAX = 1000;

export function openEventLog(store: Store, log: Pick<Log, 'info' | 'warn'>): EventLog {
  const unsent: EventRecord[] = [];
  let isSending = false;
  let isFailing = false;

  const send = async (): Promise<void> => {
    for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
      await store.append(EVENTS_LOG, JSON.stringify(next), SHARED_EVENTS_MAX);
      // Unless it was dropped meanwhile.
      if (unsent[0] === next) unsent.shift();
    }
  };
  const flush = (): void => {
    if (isSending) return;
    isSending = true;
    void send()
      .then(
        () => {
          if (isFailing) log.info('store.recovered', 'Events reach the store again.');
          isFailing = false;
        },
        (error: unknown) => {
          if (!isFailing) {
            log.warn('store.unavailable', `Events do not reach the store: ${String(error)}.`);
          }
          isFailing = true;
        },
      )
      .finally(() => {
        isSending = false;
      });
  };
  store.onStatus(({ state }) => {
    if (state === 'ready' && unsent.length > 0) flush();
  });
  return {
    append(event) {
      unsent.push(event);
      if (unsent.length > UNSENT_MAX) unsent.shift();
      flush();
    },
    async read(count) {
      try {
        const entries = await store.read(EVENTS_LOG, '', SHARED_EVENTS_MAX);
        // What was sent twice, because the first answer did not come, is there twice.
        const events = new Map(
          entries.flatMap(({ value }) => {
            const event = parseEvent(value);
            return event === undefined ? [] : [[`${event.node} ${event.id}`, event] as const];
          }),
        );
        return [...events.values()].slice(-count);
      } catch {
        // Away, and others say so.
        return undefined;
      }
    },
    isOk: () => !isFailing,
  };
}

const eventSchema = z.object({
  id: z.string(),
  node: z.string(),
  atMs: z.number(),
  kind: z.string(),
  subject: z.string(),
  message: z.string(),
});

/** An event as it was stored; undefined for anything else, another version's for instance. */
export function parseEvent(text: string): EventRecord | undefined {
  try {
    return eventSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: not ours.
    return undefined;
  }
}
