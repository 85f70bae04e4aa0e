/** Where a client is sent now. */
import { TYPE_A, TYPE_AAAA, TYPE_HTTPS } from '../dns/constants.ts';
import {
  type AnswerTable,
  type ClassAnswer,
  classAnswer,
  mapAnswers,
  type PartAnswer,
} from './answer.ts';
import type { Body } from './body.ts';
import type { Client } from './client.ts';
import { COUNT_ANSWERS, COUNT_CLIENT_SUBNET, COUNT_SORRY } from './counters.ts';
import { outcomeOf } from './dealing.ts';
import { drawOf, nameDrawOf, nextRandom, slotOf } from './draw.ts';
import { jitteredTtl } from './jitter.ts';
import type { OutcomeAnswer } from './outcome-answer.ts';
import { type Place, placeClient } from './place.ts';
import { isAlias, serviceMap } from './services.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';
import type { WorkerState } from './worker-state.ts';

/**
 * What this client gets now of the service that was found: addresses, how it is reached, or an alias, alone
 * (RFC 7871 7.2.1). What belongs to it is left in `worker.place`.
 */
export function steer(
  { place, query, result }: WorkerState,
  snapshot: Snapshot,
  answers: AnswerTable,
  client: Client,
  nowMs: number,
): Body {
  const { nameHash, service } = result;
  const mapIndex = serviceMap(snapshot.services, service);
  const mapped = mapAnswers(answers, mapIndex);
  const { map } = mapped;
  placeClient(place, map.classes.table, query, client);
  const answer = classAnswer(answers, mapIndex, place.classId, nowMs);
  const { parts, slots } = answer;
  const part = slots === undefined ? parts[0]! : parts[slots[slotOf(nameHash, place.bucket)]!]!;
  const { outcomes } = part;
  const chosen = outcomes[outcomes.length > 1 ? drawn(part, place, nameHash, nowMs, map) : 0]!;
  // What others in the network have may differ.
  if (answer.isBucketed && place.fromSubnet && place.scope < place.bucketBits) {
    place.scope = place.bucketBits;
  }
  place.endpoint = chosen.endpoint;
  place.tally = answer.tally;
  place.classTally = 0;
  if (mapped.shareBase > 0) {
    place.classTally = mapped.shareBase + place.classId;
    place.slotTally = mapped.shareBase + mapped.classCount + slotOf(nameHash, place.bucket);
  }
  place.ttlSeconds = ttlOf(answer, map, nameHash, place.bucket, nowMs);
  return isAlias(snapshot.services, service) ? chosen.alias : recordsFor(chosen, query.qtype);
}

/** Which outcome of a part it is. */
function drawn(
  { draw, thresholds }: PartAnswer,
  place: Place,
  nameHash: number,
  nowMs: number,
  { ttlMaxSeconds }: SteeringMap,
): number {
  if (draw === 'spread') {
    return outcomeOf(thresholds, drawOf(nameHash, place.bucket, nowMs, ttlMaxSeconds));
  }
  if (draw === 'name') return outcomeOf(thresholds, nameDrawOf(nameHash));
  place.luck = nextRandom(place.luck);
  return outcomeOf(thresholds, place.luck);
}

function ttlOf(
  answer: ClassAnswer,
  { ttlMinSeconds }: SteeringMap,
  nameHash: number,
  bucket: number,
  nowMs: number,
): number {
  const jittered = jitteredTtl(answer.ttlSeconds, ttlMinSeconds, nameHash, bucket);
  // A time window that opens or closes is a promise that something changes.
  if (answer.isLasting) return jittered;
  return Math.min(jittered, Math.ceil((answer.untilMs - nowMs) / 1000));
}

/** Counts what steer() chose. */
export function countSteered({ counters, place }: WorkerState): void {
  const slot = place.endpoint < 0 ? COUNT_SORRY : COUNT_ANSWERS + place.endpoint;
  counters[slot] = counters[slot]! + 1;
  if (place.tally > 0 && place.endpoint >= 0) {
    const tally = place.tally + place.endpoint;
    counters[tally] = counters[tally]! + 1;
  }
  if (place.classTally > 0) {
    counters[place.classTally] = counters[place.classTally]! + 1;
    counters[place.slotTally] = counters[place.slotTally]! + 1;
  }
  if (place.fromSubnet) counters[COUNT_CLIENT_SUBNET] = counters[COUNT_CLIENT_SUBNET]! + 1;
}

function recordsFor(chosen: OutcomeAnswer, qtype: number): Body {
  switch (qtype) {
    case TYPE_A:
      return chosen.body4;
    case TYPE_AAAA:
      return chosen.body6;
    default:
      return qtype === TYPE_HTTPS ? chosen.https : chosen.svcb;
  }
}
