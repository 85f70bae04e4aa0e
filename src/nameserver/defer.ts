/**
 * Queries that wait for the main thread. It has probes to judge and an API to answer, so what clients
 * can make it do is bounded twice: how many queries a worker hands over in a second, and how many of
 * them wait at once. What is beyond is dropped, as by a full socket.
 */
import type { CounterRow } from '../telemetry/counters.ts';
import { COUNT_DEFERRED, COUNT_DEFERRED_DROPPED, rcodeSlot } from './counters.ts';

/** Queries that one worker hands over in a second, and at once after a pause. */
export const DEFERRED_PER_SECOND_MAX = 20;
/** The same for all workers of a node together. */
export const DEFERRED_NODE_PER_SECOND_MAX = 60;
/** Of one worker: handed over and not yet answered. */
export const DEFERRED_WAITING_MAX = 16;
/** What is not answered by then is forgotten: the client has asked again or gone. */
export const DEFERRED_TIMEOUT_MS = 2000;

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
export function createDeferrals<Waiting>(firstId: number): Deferrals<Waiting> {
  const waiting = new Map<number, { readonly who: Waiting; readonly sinceMs: number }>();
  const gate = createGate(DEFERRED_PER_SECOND_MAX);
  let nextId = firstId;
  return {
    admit(who, nowMs) {
      for (const [id, { sinceMs }] of waiting) {
        if (Math.abs(nowMs - sinceMs) < DEFERRED_TIMEOUT_MS) break;
        waiting.delete(id);
      }
      if (waiting.size >= DEFERRED_WAITING_MAX || !gate(nowMs)) return undefined;
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
export function countDeferred(counters: CounterRow, reply: Uint8Array | undefined): void {
  const slot = reply === undefined ? COUNT_DEFERRED_DROPPED : COUNT_DEFERRED;
  counters[slot] = counters[slot]! + 1;
  if (reply === undefined) return;
  const rcode = rcodeSlot(reply[3]! & 0x0f);
  counters[rcode] = counters[rcode]! + 1;
}

/** Where a worker that begins now starts to count: beyond all that one before it can have reached. */
export const firstDeferralId = (nowMs: number): number => nowMs * 1000;
