import { z } from 'zod';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { EventRecord } from './control-plane.ts';

/**
 * The events of all nodes that share a store, in one bounded list there. What happens while the store is
 * away waits here and is added when it is back; a store that comes back empty, or as it was earlier, is
 * given again what this node still holds. The list is then out of order, and has no gap; readers sort.
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
/** Nothing is ever written under it: a watcher of it is told when the store has lost something. */
const WATCHED = 'events-lost/';

/** @param held the last events of this node, oldest first, as many as it remembers */
export function openEventLog(
  store: Store,
  log: Pick<Log, 'info' | 'warn'>,
  held: () => readonly EventRecord[],
): EventLog {
  let unsent: EventRecord[] = [];
  let isLossPossible = false;
  let isSending = false;
  let isFailing = false;

  const send = async (): Promise<void> => {
    for (;;) {
      if (isLossPossible) await giveBack();
      const [next] = unsent;
      if (next === undefined) return;
      await store.append(EVENTS_LOG, JSON.stringify(next), SHARED_EVENTS_MAX);
      // Unless it was dropped meanwhile.
      if (unsent[0] === next) unsent.shift();
    }
  };
  /** What was in the list must be there still, unless it is full and goes on without the oldest. */
  const giveBack = async (): Promise<void> => {
    // A loss that is noticed while this reads is looked into once more.
    isLossPossible = false;
    const entries = await store.read(EVENTS_LOG, '', SHARED_EVENTS_MAX).catch((error: unknown) => {
      isLossPossible = true;
      throw error;
    });
    if (entries.length >= SHARED_EVENTS_MAX) return;
    const there = new Set(entries.map(({ value }) => idOf(parseEvent(value))));
    const waiting = new Set(unsent);
    const lost = held().filter((event) => !there.has(idOf(event)) && !waiting.has(event));
    unsent = [...lost, ...unsent];
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
        if (!isFailing) flushIfNeeded();
      });
  };
  const flushIfNeeded = (): void => {
    if (unsent.length > 0 || isLossPossible) flush();
  };
  store.onStatus(({ state }) => {
    if (state === 'ready') flushIfNeeded();
  });
  store.watch(
    WATCHED,
    () => {},
    () => {
      isLossPossible = true;
      flush();
    },
  );
  return {
    append(event) {
      unsent.push(event);
      if (unsent.length > SHARED_EVENTS_MAX) unsent.shift();
      flush();
    },
    async read(count) {
      try {
        const entries = await store.read(EVENTS_LOG, '', SHARED_EVENTS_MAX);
        // What was sent twice, because the first answer did not come, is there twice.
        const events = new Map(
          entries.flatMap(({ value }) => {
            const event = parseEvent(value);
            return event === undefined ? [] : [[idOf(event), event] as const];
          }),
        );
        return [...events.values()].toSorted((a, b) => a.atMs - b.atMs).slice(-count);
      } catch {
        // Away, and others say so.
        return undefined;
      }
    },
    isOk: () => !isFailing,
  };
}

const idOf = (event: EventRecord | undefined): string | undefined =>
  event && `${event.node} ${event.id}`;

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
