/**
 * Queries that wait for the main thread. It has probes to judge and an API to answer, so what clients
 * can make it do is bounded twice: how many queries a worker hands over in a second, and how many of
 * them wait at once. What is beyond is dropped, as by a full socket.
 */
import type { CounterRow } from '../telemetry/counters.ts';
import {
  COUNT_DEFERRED,
  COUNT_DEFERRED_DROPPED,
  COUNT_NOTIFIES,
  COUNT_NOTIFIES_DROPPED,
  COUNT_UPDATES,
  COUNT_UPDATES_DROPPED,
  rcodeSlot,
} from './counters.ts';

import { DEFER_NOTIFY, DEFER_UPDATE } from './outcomes.ts';

export type DeferLimits = {
  /** Queries that one worker hands over in a second, and at once after a pause. */
  readonly perSecond: number;
  /** The same for all workers of a node together. */
  readonly nodePerSecond: number;
  /** Of one worker: handed over and not yet answered. */
  readonly waitingMax: number;
  /** What is not answered by then is forgotten: the client has asked again or gone. */
  readonly timeoutMs: number;
};

/** Each kind with limits of its own, so that one cannot starve another. */
export const DEFER_LIMITS = {
  explain: { perSecond: 20, nodePerSecond: 60, waitingMax: 16, timeoutMs: 2000 },
  /** Updates, of whoever has a key: they wait for the store and for what is compiled anew. */
  /** Of primaries, or signed: one begins a look at the primary. */
  notify: { perSecond: 20, nodePerSecond: 60, waitingMax: 16, timeoutMs: 2000 },
  update: { perSecond: 50, nodePerSecond: 50, waitingMax: 64, timeoutMs: 20_000 },
} as const satisfies Readonly<Record<string, DeferLimits>>;

/** Why a query waits for the main thread. */
export type DeferKind = keyof typeof DEFER_LIMITS;

/** Whether one more may pass now: so many a second, and as many at once after a pause. */
export type Gate = (nowMs: number) => boolean;

export function createGate(perSecond: number): Gate {
  let tokens = perSecond;
  let lastMs = Number.NEGATIVE_INFINITY;
  return (nowMs) => {
    // A clock that was set back gives nothing and takes nothing.
    const passedMs = Math.max(0, nowMs - lastMs);
    tokens = Math.min(perSecond, tokens + (passedMs * perSecond) / 1000);
    lastMs = nowMs;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

/** The queries that a worker has handed over, with what it needs to send their replies. */
export type Deferrals<Waiting> = {
  /** Its number, to hand over with the query; undefined = drop the query. */
  admit(waiting: Waiting, nowMs: number): number | undefined;
  /** Who waits for the reply of this number; nobody when it is too late. */
  take(id: number): Waiting | undefined;
};

/** @param firstId greater than any that an earlier incarnation of the worker gave out */
export function createDeferrals<Waiting>(
  firstId: number,
  { perSecond, timeoutMs, waitingMax }: DeferLimits = DEFER_LIMITS.explain,
): Deferrals<Waiting> {
  const waiting = new Map<number, { readonly who: Waiting; readonly sinceMs: number }>();
  const gate = createGate(perSecond);
  let nextId = firstId;
  return {
    admit(who, nowMs) {
      for (const [id, { sinceMs }] of waiting) {
        if (Math.abs(nowMs - sinceMs) < timeoutMs) break;
        waiting.delete(id);
      }
      if (waiting.size >= waitingMax || !gate(nowMs)) return undefined;
      const id = nextId++;
      waiting.set(id, { who, sinceMs: nowMs });
      return id;
    },
    take(id) {
      const found = waiting.get(id);
      waiting.delete(id);
      return found?.who;
    },
  };
}

/** Counts the end of a query that was deferred; `reply` is what it was answered with, if anything. */
export function countDeferred(
  counters: CounterRow,
  kind: DeferKind,
  reply: Uint8Array | undefined,
): void {
  const { dropped, taken } = SLOTS[kind];
  const slot = reply === undefined ? dropped : taken;
  counters[slot] = counters[slot]! + 1;
  if (reply === undefined) return;
  const rcode = rcodeSlot(reply[3]! & 0x0f);
  counters[rcode] = counters[rcode]! + 1;
}

const SLOTS = {
  explain: { taken: COUNT_DEFERRED, dropped: COUNT_DEFERRED_DROPPED },
  notify: { taken: COUNT_NOTIFIES, dropped: COUNT_NOTIFIES_DROPPED },
  update: { taken: COUNT_UPDATES, dropped: COUNT_UPDATES_DROPPED },
} as const;

/** What `respond` has said when it left a query to the main thread. */
export function deferKind(outcome: number): DeferKind {
  switch (outcome) {
    case DEFER_NOTIFY:
      return 'notify';
    case DEFER_UPDATE:
      return 'update';
    default:
      return 'explain';
  }
}

/** Those of one worker, each kind by itself. */
export function createAllDeferrals<Waiting>(
  firstId: number,
): Readonly<Record<DeferKind, Deferrals<Waiting>>> {
  return {
    explain: createDeferrals<Waiting>(firstId, DEFER_LIMITS.explain),
    notify: createDeferrals<Waiting>(firstId, DEFER_LIMITS.notify),
    update: createDeferrals<Waiting>(firstId, DEFER_LIMITS.update),
  };
}

/** Where a worker that begins now starts to count: beyond all that one before it can have reached. */
export const firstDeferralId = (nowMs: number): number => nowMs * 1000;
