/**
 * Requests that are no queries: what a primary says of its zone (NOTIFY, RFC 1996), and changes that somebody
 * with a key wants (UPDATE, RFC 2136). The main thread answers them; here is decided who may ask it to.
 */
import {
  EDE_PROHIBITED,
  OPCODE_NOTIFY,
  OPCODE_UPDATE,
  RCODE_FORMERR,
  RCODE_NOTAUTH,
  RCODE_REFUSED,
} from '../dns/constants.ts';
import { rejectQuery } from '../dns/edns.ts';
import type { Query } from '../dns/message.ts';
import { refuseTsig, verifyTsig } from '../dns/tsig.ts';
import { isListed } from './access.ts';
import { type Client, TRANSPORT_HTTPS } from './client.ts';
import { rcodeSlot } from './counters.ts';
import { DEFER_NOTIFY, DEFER_UPDATE } from './outcomes.ts';
import { bare } from './signed-query.ts';
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
  if (query.hasTsig) return answerSignedNotify(worker, snapshot, bytes, nowMs, reply);
  if (isListed(snapshot.primaries, client)) return DEFER_NOTIFY;
  count(worker, RCODE_REFUSED);
  const { udpSizeMax } = snapshot;
  return rejectQuery(worker.reply, reply, query, bytes, RCODE_REFUSED, udpSizeMax, EDE_PROHIBITED);
}

/** Who only says that it has a key gets no further: the main thread's few places are for those who have. */
function answerSignedNotify(
  worker: WorkerState,
  { tsigKeys, udpSizeMax }: Snapshot,
  bytes: Uint8Array,
  nowMs: number,
  reply: Uint8Array,
): number {
  const { query } = worker;
  const copy = new Uint8Array(bytes);
  const nowSeconds = Math.floor(nowMs / 1000);
  const verdict = verifyTsig(copy, query.tsigOffset, tsigKeys, nowSeconds);
  if (verdict.ok) return DEFER_NOTIFY;
  const rcode = verdict.tsig === undefined ? RCODE_FORMERR : RCODE_NOTAUTH;
  count(worker, rcode);
  const refusal = refuseTsig(bare(query, copy, rcode, 0, udpSizeMax), verdict, nowSeconds);
  reply.set(refusal);
  return refusal.length;
}

function answerUpdate(
  worker: WorkerState,
  { tsigKeys, udpSizeMax }: Snapshot,
  bytes: Uint8Array,
  nowMs: number,
  reply: Uint8Array,
): number {
  // What verifying changes must not be the packet.
  const opened = openUpdate(worker.query, new Uint8Array(bytes), tsigKeys, nowMs, udpSizeMax);
  if (opened.ok) return DEFER_UPDATE;
  count(worker, opened.reply[3]! & 0xf);
  reply.set(opened.reply);
  return opened.reply.length;
}

function count({ counters }: WorkerState, rcode: number): void {
  const slot = rcodeSlot(rcode);
  counters[slot] = counters[slot]! + 1;
}
