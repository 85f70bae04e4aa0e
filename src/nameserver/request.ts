/**
 * Requests that are no queries: what a primary says of its zone (NOTIFY, RFC 1996), and changes that somebody
 * with a key wants (UPDATE, RFC 2136). The main thread answers them; here is decided who may ask it to.
 */
import { OPCODE_NOTIFY, OPCODE_UPDATE, RCODE_REFUSED } from '../dns/constants.ts';
import { rejectQuery } from '../dns/edns.ts';
import type { Query } from '../dns/message.ts';
import { isListed } from './access.ts';
import { type Client, TRANSPORT_HTTPS } from './client.ts';
import { rcodeSlot } from './counters.ts';
import { DEFER_NOTIFY, DEFER_UPDATE } from './outcomes.ts';
import { openUpdate } from './signed-update.ts';
import type { Snapshot } from './snapshot.ts';
import type { WorkerState } from './worker-state.ts';

/** Whether somebody here may be asked for this at all; if not, the operation is not implemented. */
export function isServed(
  snapshot: Snapshot | undefined,
  { opcode }: Query,
  { transport }: Client,
): snapshot is Snapshot {
  if (snapshot === undefined) return false;
  if (opcode === OPCODE_NOTIFY) return snapshot.primaries.length > 0;
  return opcode === OPCODE_UPDATE && transport !== TRANSPORT_HTTPS && snapshot.takesUpdates;
}

/** For the main thread, or refused at once (the length of `reply`). */
export function answerRequest(
  worker: WorkerState,
  snapshot: Snapshot,
  client: Client,
  bytes: Uint8Array,
  nowMs: number,
  reply: Uint8Array,
): number {
  if (worker.query.opcode === OPCODE_UPDATE) {
    return answerUpdate(worker, snapshot, bytes, nowMs, reply);
  }
  const { query } = worker;
  if (query.hasTsig || isListed(snapshot.primaries, client)) return DEFER_NOTIFY;
  count(worker, RCODE_REFUSED);
  return rejectQuery(worker.reply, reply, query, bytes, RCODE_REFUSED, snapshot.udpSizeMax);
}

function answerUpdate(
  worker: WorkerState,
  { tsigKeys }: Snapshot,
  bytes: Uint8Array,
  nowMs: number,
  reply: Uint8Array,
): number {
  // What verifying changes must not be the packet.
  const opened = openUpdate(worker.query, new Uint8Array(bytes), tsigKeys, nowMs);
  if (opened.ok) return DEFER_UPDATE;
  count(worker, opened.reply[3]! & 0xf);
  reply.set(opened.reply);
  return opened.reply.length;
}

function count({ counters }: WorkerState, rcode: number): void {
  const slot = rcodeSlot(rcode);
  counters[slot] = counters[slot]! + 1;
}
