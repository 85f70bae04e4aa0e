import type { Client } from '../nameserver/client.ts';
import { countDeferred } from '../nameserver/defer.ts';
import { DEFER, respond } from '../nameserver/respond.ts';
import type { WorkerState } from '../nameserver/worker-state.ts';

/** Where the transports of a stream worker bring their queries. */
export type Desk = {
  readonly worker: WorkerState;
  nowMs(): number;
  /**
   * Hands a query to whoever has time for it; the reply comes later, or undefined when nobody had.
   * False when there is no room for it.
   */
  defer(
    message: Uint8Array,
    client: Client,
    nowMs: number,
    take: (reply: Uint8Array | undefined) => void,
  ): boolean;
};

/** A reply later than now. */
export const LATER = -1;
/** Nothing to say to this: the peer breaks the protocol. */
export const NOTHING = 0;

/**
 * Answers a query into `reply`, or later through `take`.
 * @returns the length of the reply, LATER or NOTHING
 */
export function askDesk(
  { defer, nowMs, worker }: Desk,
  client: Client,
  message: Uint8Array,
  reply: Uint8Array,
  take: (reply: Uint8Array | undefined) => void,
): number {
  const now = nowMs();
  const length = respond(worker, client, message, message.length, now, reply);
  if (length !== DEFER) return Math.max(length, NOTHING);
  const isTaken = defer(message, client, now, (late) => {
    countDeferred(worker.counters, late);
    take(late);
  });
  if (isTaken) return LATER;
  countDeferred(worker.counters, undefined);
  return NOTHING;
}
