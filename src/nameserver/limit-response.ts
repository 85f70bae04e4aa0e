import { FLAG_AA, RCODE_NOERROR } from '../dns/constants.ts';
import { EDE_NONE, withdrawOffers, writeOpt } from '../dns/edns.ts';
import { finishReply, truncate } from '../dns/encode.ts';
import { isListed } from './access.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import { COUNT_LIMITED_SLIPPED, COUNT_LIMITED_WITHHELD } from './counters.ts';
import { isProved } from './edns-offers.ts';
import {
  ADMIT,
  admitResponse,
  KIND_ALL,
  KIND_ANSWER,
  KIND_ERROR,
  KIND_NEGATIVE,
  networkOf,
  SLIP,
} from './rate-limit.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * The last word on a response over UDP: it goes as it is, or as an empty one with TC, or not at all (0).
 * Whoever has a cookie of ours has shown that its address is its own.
 * @param length of the response that stands in `worker.reply`
 */
export function limitResponse(
  worker: WorkerState,
  client: Client,
  length: number,
  nowMs: number,
): number {
  const { counters, kind, rateLimiter, reply, snapshot } = worker;
  if (snapshot === undefined || client.transport !== TRANSPORT_UDP || isProved(worker)) {
    return length;
  }
  const { rateLimits, udpSizeMax } = snapshot;
  const subject = subjectOf(worker);
  const network = networkOf(rateLimiter, rateLimits, client);
  let word = admitResponse(rateLimiter, rateLimits, network, kind, subject, nowMs);
  if (word === ADMIT) word = admitResponse(rateLimiter, rateLimits, network, KIND_ALL, 0, nowMs);
  if (word === ADMIT || isListed(rateLimits.exempt, client)) return length;
  // An error has no longer form that could be fetched over TCP.
  const slips = word === SLIP && kind !== KIND_ERROR;
  const slot = slips ? COUNT_LIMITED_SLIPPED : COUNT_LIMITED_WITHHELD;
  counters[slot] = counters[slot]! + 1;
  if (!slips) return 0;
  truncate(reply);
  // Nothing is gained by who asks in another's name.
  withdrawOffers(reply);
  writeOpt(reply, udpSizeMax, 0, EDE_NONE);
  return finishReply(reply, RCODE_NOERROR, FLAG_AA);
}

/**
 * What the response is about. All names that one wildcard or DNAME answers for are one subject: whoever floods
 * somebody else would draw a new name for every query.
 */
function subjectOf({ kind, result }: WorkerState): number {
  switch (kind) {
    case KIND_ANSWER:
      return result.chainLength > 0 ? ~result.chain[0]! : result.node;
    case KIND_NEGATIVE:
      return result.zone;
    case KIND_ERROR:
      return 0;
    default:
      return result.node;
  }
}
