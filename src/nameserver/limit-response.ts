import { FLAG_AA, RCODE_NOERROR } from '../dns/constants.ts';
import { EDE_NONE, withdrawOffers, writeOpt } from '../dns/edns.ts';
import { finishReply, truncate } from '../dns/encode.ts';
import { isListed } from './access.ts';
import { type Client, TRANSPORT_UDP } from './client.ts';
import { COUNT_LIMITED_SLIPPED, COUNT_LIMITED_WITHHELD } from './counters.ts';
import { isProved } from './edns-offers.ts';
import {
  ADMIT,
  type Admission,
  admitResponse,
  KIND_ANSWER,
  KIND_ERROR,
  KIND_NEGATIVE,
  type ResponseKind,
  SLIP,
  WITHHOLD,
} from './rate-limit.ts';
import type { RateLimits } from './snapshot.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * The last word on a response over UDP: it goes as it is, or as an empty one with TC, or not at all (0).
 * @param length of the response that stands in `worker.reply`
 */
export function limitResponse(
  worker: WorkerState,
  client: Client,
  length: number,
  nowMs: number,
): number {
  const { reply, snapshot } = worker;
  if (snapshot === undefined || client.transport !== TRANSPORT_UDP) return length;
  const { rateLimits, udpSizeMax } = snapshot;
  const word = wordFor(worker, client, rateLimits, worker.kind, subjectOf(worker), nowMs);
  if (word === ADMIT) return length;
  if (word === WITHHOLD) return 0;
  truncate(reply);
  // Nothing is gained by who asks in another's name.
  withdrawOffers(reply);
  writeOpt(reply, udpSizeMax, 0, EDE_NONE);
  return finishReply(reply, RCODE_NOERROR, FLAG_AA);
}

/**
 * Whether a response of this kind and subject may go to the client. Whoever has a cookie of ours has shown that its
 * address is its own.
 */
export function wordFor(
  worker: WorkerState,
  client: Client,
  limits: RateLimits,
  kind: ResponseKind,
  subject: number,
  nowMs: number,
): Admission {
  if (isProved(worker)) return ADMIT;
  const { counters, rateLimiter } = worker;
  let word = admitResponse(rateLimiter, limits, client, kind, subject, nowMs);
  if (word === ADMIT || isListed(limits.exempt, client)) return ADMIT;
  // An error has no longer form that could be fetched over TCP.
  if (kind === KIND_ERROR) word = WITHHOLD;
  const slot = word === SLIP ? COUNT_LIMITED_SLIPPED : COUNT_LIMITED_WITHHELD;
  counters[slot] = counters[slot]! + 1;
  return word;
}

/**
 * What the response is about. All names that one wildcard or DNAME answers for are one subject: whoever floods
 * somebody else would draw a new name for every query.
 */
export function subjectOf({ kind, result }: WorkerState): number {
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
