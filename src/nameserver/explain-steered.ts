/** The explanation of a steered name: its map, its decision, its draw. */
import { TYPE_CNAME } from '../dns/constants.ts';
import { formatRdata } from '../dns/rdata/registry.ts';
import { wordTtlSeconds } from '../health/health-word.ts';
import { wordOf } from '../health/health-words.ts';
import { formatPrefix, networkOf } from '../ip/prefix.ts';
import { classEntry } from '../steering/class-list.ts';
import { clientOf } from '../steering/client-facts.ts';
import { type Decision, decide } from '../steering/decide.ts';
import { classPreference } from '../steering/map.ts';
import { compilePolicy, preferenceOf } from '../steering/policy.ts';
import type { TraceLine } from '../steering/step.ts';
import type { LookupResult } from '../zone/lookup.ts';
import { candidateOf, decideState } from './answer.ts';
import { rdataOf } from './body.ts';
import type { ExplainContext, Explanation, ExplanationHead } from './explain.ts';
import { explainCandidates } from './explain-candidates.ts';
import { decidingNetwork, describeClient } from './explain-client.ts';
import { type DrawInputs, explainDraw } from './explain-draw.ts';
import type { Asked } from './explain-question.ts';
import { describeChain } from './explain-static.ts';
import { jitteredTtl } from './jitter.ts';
import { mapAt } from './map-table.ts';
import { createPlace, type Place, placeClient } from './place.ts';
import type { Service } from './services.ts';
import type { Snapshot, SteeringMap } from './snapshot.ts';

export function explainSteered(
  context: ExplainContext,
  asked: Asked,
  service: Service,
  result: LookupResult,
  head: ExplanationHead,
): Explanation {
  const { health, snapshot } = context;
  const map = mapAt(snapshot.maps, service.map);
  const place = createPlace();
  placeClient(place, map.classes.table, asked.query, asked.client);
  const { bucket, classId, fromSubnet } = place;
  const client = describeClient(context, asked, fromSubnet);
  const steps: TraceLine[] = [];
  const trace = (line: TraceLine): void => void steps.push(line);
  const policy = compilePolicy(map.chain);
  const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
  // Only for its trace: the tiers that count are those of the class, as on the query path.
  const network = decidingNetwork(asked, fromSubnet);
  preferenceOf(
    policy,
    candidates,
    clientOf(context.geo, policy, context.latency, network.address),
    trace,
  );
  const entry = classEntry(map.classes.classes, classId);
  const { near } = entry;
  const preference = classPreference(map.classes, entry, candidates);
  const state = decideState(map, entry, wordOf(health), health, head.atMs);
  const decision = decide(policy, preference, state, trace);
  const isBucketed = decision.stages.some(({ parts }) => parts.length > 1);
  const ttlLine = steps.at(-1)?.step === 'ttl' ? steps.pop() : undefined;
  const type = service.isAlias ? TYPE_CNAME : asked.query.qtype;
  const { chosen, draw } = explainDraw(decision, network, {
    nameHash: result.nameHash,
    bucket,
    atMs: head.atMs,
    slotSeconds: map.ttlMaxSeconds,
  });
  const ttl = explainTtl(map, decision, { nameHash: result.nameHash, bucket, atMs: head.atMs });
  const endpoints = chosen?.candidates.map(({ endpoint }) => endpoint) ?? [];
  const { location } = client;
  const tiers = preference.leaves.flat();
  const readsPlace = policy.reads.has('location');
  const inputs = { candidates, tiers, decision, near, location, readsPlace };
  return {
    ...head,
    client: { ...client, near: snapshot.regions[near] },
    outcome: `${describeChain(snapshot, result)}steered`,
    policy: service.policy,
    pool: service.pool,
    classId,
    candidates: explainCandidates(context, inputs),
    steps,
    rung: decision.rung,
    outcomes: describeOutcomes(snapshot, map, decision, type),
    draw,
    answer: recordTexts(snapshot, map, endpoints, type),
    region: chosen?.candidates[0]?.region,
    ttl: {
      seconds: ttl.seconds,
      why: `${ttlLine?.note ?? ''}${ttl.note}`,
      endpoints: earliestToChange(snapshot, map, decision, state.word),
    },
    scope: explainScope(asked, fromSubnet, place, isBucketed),
  };
}

/** What of the decision's TTL is left for this client now, and why (steer.ts). */
function explainTtl(
  { ttlMinSeconds }: SteeringMap,
  decision: Decision,
  { atMs, bucket, nameHash }: Pick<DrawInputs, 'atMs' | 'bucket' | 'nameHash'>,
): { readonly seconds: number; readonly note: string } {
  const jittered = jitteredTtl(decision.ttlSeconds, ttlMinSeconds, nameHash, bucket);
  const less = decision.ttlSeconds - jittered;
  const jitterNote =
    less === 0 ? '' : `; ${less} s less for this client, so that caches do not come back together`;
  const left = Math.ceil((decision.untilMs - atMs) / 1000);
  if (left >= jittered) return { seconds: jittered, note: jitterNote };
  return { seconds: left, note: `; a time window opens or closes in ${left} s` };
}

/** Whose change is the earliest of those that the decision hangs on; none when it is beyond the longest TTL. */
function earliestToChange(
  snapshot: Snapshot,
  map: SteeringMap,
  { involved }: Decision,
  word: (endpoint: number) => number,
): readonly string[] {
  const seconds = involved.map((endpoint) => wordTtlSeconds(word(endpoint)));
  const earliest = Math.min(...seconds);
  if (earliest >= map.ttlMaxSeconds) return [];
  return involved
    .filter((_, index) => seconds[index] === earliest)
    .map((endpoint) => snapshot.endpoints[endpoint]!.name);
}

function recordTexts(
  snapshot: Snapshot,
  map: SteeringMap,
  endpoints: readonly number[],
  type: number,
): readonly string[] {
  return rdataOf(snapshot, map, endpoints, type).map((rdata) => formatRdata(type, rdata));
}

function describeOutcomes(
  snapshot: Snapshot,
  map: SteeringMap,
  decision: Decision,
  type: number,
): Explanation['outcomes'] {
  const addresses = (endpoints: readonly number[]): readonly string[] =>
    recordTexts(snapshot, map, endpoints, type);
  if (decision.outcomes.length === 0) {
    return [{ share: 1, endpoints: [], addresses: addresses([]) }];
  }
  return decision.outcomes.map(({ share, candidates }) => ({
    share,
    endpoints: candidates.map((candidate) => candidate.name),
    addresses: addresses(candidates.map((candidate) => candidate.endpoint)),
  }));
}

/** How the SCOPE of the answer came to be (RFC 7871 7.2.1; place.ts has the table). */
function explainScope(
  { subnet }: Asked,
  fromSubnet: boolean,
  { bucketBits, scope }: Place,
  isBucketed: boolean,
): Explanation['scope'] {
  const isLengthened = isBucketed && fromSubnet && scope < bucketBits;
  const prefixLength = isLengthened ? bucketBits : scope;
  if (subnet === undefined) {
    const why = 'no client subnet was asked with: the resolver’s own address decided';
    return { prefixLength, why, network: undefined };
  }
  const network = formatPrefix(networkOf(subnet.address, prefixLength));
  if (subnet.length === 0) {
    return { prefixLength, why: 'the client keeps its network to itself (source 0)', network };
  }
  if (!fromSubnet) {
    const why = `a private network: the resolver’s address decided, for all of its /${prefixLength}`;
    return { prefixLength, why, network };
  }
  if (isLengthened) {
    const why = 'the network whose clients belong to one part of the class';
    return { prefixLength, why, network };
  }
  const wider = prefixLength > subnet.length ? ', which is longer than the network given' : '';
  const why = `the widest network around the client whose clients are all of this class${wider}`;
  return { prefixLength, why, network };
}
