/** Where a client is sent now. */
import { TYPE_A, TYPE_AAAA, TYPE_HTTPS } from '../dns/constants.ts';
import { type AnswerTable, classAnswer, mapAnswers, outcomeOf } from './answer.ts';
import type { Body } from './body.ts';
import type { Client } from './client.ts';
import { COUNT_ANSWERS, COUNT_CLIENT_SUBNET, COUNT_SORRY } from './counters.ts';
import { drawOf, stickyDrawOf } from './draw.ts';
import { jitteredTtl } from './jitter.ts';
import type { OutcomeAnswer } from './outcome-answer.ts';
import { placeClient } from './place.ts';
import { isAlias, serviceMap } from './services.ts';
import type { Snapshot } from './snapshot.ts';
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
  const { service } = result;
  const mapIndex = serviceMap(snapshot.services, service);
  const { map } = mapAnswers(answers, mapIndex);
  placeClient(place, map.classes.table, query, client);
  const { stageBounds, stages, ttlSeconds } = classAnswer(answers, mapIndex, place.classId);
  const stageAt =
    stages.length > 1 ? outcomeOf(stageBounds, stickyDrawOf(result.nameHash, place.bucket)) : 0;
  const stage = stages[stageAt]!;
  let index = 0;
  if (stage.outcomes.length > 1) {
    const draw = drawOf(result.nameHash, place.bucket, nowMs, map.ttlMaxSeconds);
    index = outcomeOf(stage.thresholds, draw);
  }
  const chosen = stage.outcomes[index]!;
  place.endpoint = chosen.endpoint;
  place.ttlSeconds = jitteredTtl(ttlSeconds, map.ttlMinSeconds, result.nameHash, place.bucket);
  return isAlias(snapshot.services, service) ? chosen.alias : recordsFor(chosen, query.qtype);
}

/** Counts what steer() chose. */
export function countSteered({ counters, place }: WorkerState): void {
  const slot = place.endpoint < 0 ? COUNT_SORRY : COUNT_ANSWERS + place.endpoint;
  counters[slot] = counters[slot]! + 1;
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
