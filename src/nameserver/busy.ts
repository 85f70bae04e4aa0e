import { EDE_NOT_READY, RCODE_NOERROR, RCODE_SERVFAIL, UDP_SIZE_MIN } from '../dns/constants.ts';
import { EDE_NONE, writeOpt } from '../dns/edns.ts';
import { beginReply, finishReply, truncate } from '../dns/encode.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import { COUNT_COLD_BUSY } from './counters.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * The answer to a query (`worker.query`) for whose signature nobody has time: over UDP an empty one with TC,
 * so that only a client that is there comes back, over a stream SERVFAIL.
 *
 * @returns its length in `reply`, which must not be `bytes`
 */
export function answerBusy(
  worker: WorkerState,
  client: Client,
  bytes: Uint8Array,
  reply: Uint8Array,
): number {
  const { counters, query, snapshot } = worker;
  const isUdp = client.transport === TRANSPORT_UDP;
  const rcode = isUdp ? RCODE_NOERROR : RCODE_SERVFAIL;
  counters[COUNT_COLD_BUSY] = counters[COUNT_COLD_BUSY]! + 1;
  beginReply(worker.reply, reply, query, bytes, UDP_SIZE_MIN);
  if (isUdp) truncate(worker.reply);
  writeOpt(worker.reply, snapshot?.udpSizeMax ?? UDP_SIZE_MIN, 0, isUdp ? EDE_NONE : EDE_NOT_READY);
  return finishReply(worker.reply, rcode, 0);
}
