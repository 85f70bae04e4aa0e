/**
 * Why a client gets the answer that it gets, in words: the functions that answer queries (lookup,
 * place, map, decide, draw), called with a trace. Nothing is computed a second way here, so
 * what `explain` says is what a query gets; a test holds the two together.
 */
import { TYPE_AAAA } from '../dns/constants.ts';
import { ECS_FAMILY_IPV4, ECS_FAMILY_IPV6 } from '../dns/ecs.ts';
import { createQuery, type Query } from '../dns/message.ts';
import { formatName, lowerName, parseName } from '../dns/name.ts';
import { formatRdata, typeName, typeNumber } from '../dns/rdata/registry.ts';
import { countryName } from '../geo/centroids.ts';
import type { Location } from '../geo/location.ts';
import { type GeoDatabase, locate } from '../geo/mmdb.ts';
import { type HealthWords, wordOf } from '../health/health-words.ts';
import { type Address, formatAddress, parseAddress } from '../ip/address.ts';
import { formatPrefix, networkOf, type Prefix } from '../ip/prefix.ts';
import type { PrefixTable } from '../ip/prefix-table.ts';
import { type Decision, decide } from '../steering/decide.ts';
import { classTiers } from '../steering/map.ts';
import { compilePolicy, mapTiers } from '../steering/policy.ts';
import type { Outcome, TraceLine } from '../steering/step.ts';
import { ZONE_NEGATIVE, ZONE_WORDS } from '../zone/compiled-zones.ts';
import {
  createLookupResult,
  DELEGATION,
  FOLLOW,
  HIT,
  type LookupResult,
  labelsOf,
  lookup,
  NODATA,
  NXDOMAIN,
  REFUSED,
  STEERED,
} from '../zone/lookup.ts';
import { nodeName, rrsetData } from '../zone/rrset-data.ts';
import { addressesOf, candidateOf, decideState, outcomeOf, thresholdsOf } from './answer.ts';
import { type Client, createClient, TRANSPORT_UDP } from './client.ts';
import { drawOf, stickyDrawOf } from './draw.ts';
import { createPlace, placeClient } from './place.ts';
import type { Service, Snapshot, SteeringMap } from './snapshot.ts';

/** What an explanation is computed from; the health may be made up, as a drill's prediction does. */
export type ExplainContext = {
  readonly snapshot: Snapshot;
  readonly health: HealthWords;
  readonly geo: GeoDatabase;
  /** buildGeoTable(geo), made once. */
  readonly geoTable: PrefixTable;
};

/** `client` is an address or network (as a client subnet), `resolver` an address. */
export type ExplainQuestion = {
  readonly name: string;
  readonly type?: string;
  readonly client?: string;
  readonly resolver?: string;
};

export type ExplainProblem = {
  readonly problem: 'invalid';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
};

export type Explanation = {
  readonly name: string;
  readonly type: string;
  readonly atMs: number;
  readonly client: {
    readonly network: string;
    readonly from: 'client-subnet' | 'resolver';
    readonly location: Location | undefined;
    readonly place: string;
    /** The region whose vantage points' view counts for it; undefined = the world's does. */
    readonly near: string | undefined;
  };
  readonly outcome: string;
  readonly policy: string | undefined;
  readonly pool: string | undefined;
  readonly classId: number | undefined;
  readonly steps: readonly TraceLine[];
  readonly rung: string | undefined;
  readonly outcomes: readonly {
    readonly share: number;
    readonly endpoints: readonly string[];
    readonly addresses: readonly string[];
  }[];
  readonly answer: readonly string[];
  readonly region: string | undefined;
  readonly ttl: { readonly seconds: number; readonly why: string };
  readonly scope: { readonly prefixLength: number; readonly why: string };
};

/** The resolver when the question names nobody: this host. */
const RESOLVER_DEFAULT = '127.0.0.1';

/** Explains what a query gets at `nowMs`. A question that makes no sense is a problem. */
export function explain(
  context: ExplainContext,
  question: ExplainQuestion,
  nowMs: number,
): Explanation | ExplainProblem {
  const asked = readQuestion(question);
  if ('problem' in asked) return asked;
  const { snapshot } = context;
  const result = createLookupResult();
  const outcome = lookup(snapshot.zones, asked.query, result);
  const service = outcome === STEERED ? snapshot.services[result.service] : undefined;
  const exists = asked.query.qtype === TYPE_AAAA ? service?.has6 : service?.has4;
  const name = formatName(asked.name);
  const type = typeName(asked.query.qtype);
  if (service !== undefined && exists === true) {
    return explainSteered(context, asked, service, result, { name, type, atMs: nowMs });
  }
  return explainStatic(context, asked, result, { name, type, atMs: nowMs });
}

type Asked = {
  readonly name: Uint8Array;
  readonly query: Query;
  readonly client: Client;
  readonly subnet: Prefix | undefined;
  readonly resolver: Address;
};
type Head = { readonly name: string; readonly type: string; readonly atMs: number };

function readQuestion(question: ExplainQuestion): Asked | ExplainProblem {
  const text = question.name.endsWith('.') ? question.name : `${question.name}.`;
  const name = parseName(text);
  if (name === undefined) {
    return invalid('name', `"${question.name}" is not a domain name`);
  }
  const qtype = typeNumber(question.type ?? 'A');
  if (qtype === undefined) {
    return invalid('type', `"${question.type}" is not a record type`, 'for instance A or AAAA');
  }
  const resolver = parseAddress(question.resolver ?? RESOLVER_DEFAULT);
  if (resolver === undefined) {
    return invalid('resolver', `"${question.resolver}" is not an IP address`);
  }
  const subnet = question.client === undefined ? undefined : readSubnet(question.client);
  if (question.client !== undefined && subnet === undefined) {
    const hint = 'for instance 203.0.113.7 or 2001:db8::/48';
    return invalid('client', `"${question.client}" is neither an IP address nor a network`, hint);
  }
  const query = createQuery();
  query.qname.set(lowerName(name));
  query.qnameLength = name.length;
  query.qnameLabels = labelsOf(query.qname, name.length, query.labelOffsets);
  query.qtype = qtype;
  if (subnet !== undefined) {
    query.hasEcs = true;
    query.ecsFamily = subnet.address.family === 4 ? ECS_FAMILY_IPV4 : ECS_FAMILY_IPV6;
    query.ecsSource = subnet.length;
    query.ecsAddress.set(subnet.address.bytes);
  }
  const client = createClient(TRANSPORT_UDP);
  client.family = resolver.family;
  client.address.set(resolver.bytes);
  return { name, query, client, subnet, resolver };
}

/** An address is the network of one host; host bits are dropped, as `dig +subnet` does. */
function readSubnet(text: string): Prefix | undefined {
  const [head, length, ...rest] = text.split('/');
  const address = parseAddress(head ?? '');
  if (address === undefined || rest.length > 0) return undefined;
  const bits = address.bytes.length * 8;
  if (length === undefined) return { address, length: bits };
  if (!/^[0-9]{1,3}$/.test(length) || Number(length) > bits) return undefined;
  return networkOf(address, Number(length));
}

function invalid(field: string, message: string, hint?: string): ExplainProblem {
  const code = `explain.${field}`;
  return { problem: 'invalid', code, message, ...(hint !== undefined && { hint }) };
}

function explainSteered(
  context: ExplainContext,
  asked: Asked,
  service: Service,
  result: LookupResult,
  head: Head,
): Explanation {
  const { health, snapshot } = context;
  const map = snapshot.maps[service.map]!;
  const place = createPlace();
  placeClient(place, map.classes.table, asked.query, asked.client);
  const client = describeClient(context, asked, place.fromSubnet);
  const steps: TraceLine[] = [];
  const trace = (line: TraceLine): void => void steps.push(line);
  const policy = compilePolicy(map.chain);
  const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
  // Only for its trace: the tiers that count are those of the class, as on the query path.
  mapTiers(policy, candidates, { location: client.location }, trace);
  const entry = map.classes.classes[place.classId]!;
  const tiers = classTiers(entry, candidates);
  const word = wordOf(health);
  const decision = decide(policy, tiers, decideState(map, word, entry.near), trace);
  const ttlLine = steps.at(-1)?.step === 'ttl' ? steps.pop() : undefined;
  const family = asked.query.qtype === TYPE_AAAA ? 6 : 4;
  const outcomes = describeOutcomes(snapshot, map, decision, family);
  const chosen = draw(decision, result.nameHash, place.bucket, head.atMs, map.ttlMaxSeconds);
  const endpoints = chosen?.candidates.map(({ endpoint }) => endpoint) ?? [];
  return {
    ...head,
    client: { ...client, near: snapshot.regions[entry.near] },
    outcome: `${describeChain(snapshot, result)}steered`,
    policy: service.policy,
    pool: service.pool,
    classId: place.classId,
    steps,
    rung: decision.rung,
    outcomes,
    answer: addressTexts(snapshot, map, endpoints, family),
    region: chosen?.candidates[0]?.region,
    ttl: { seconds: decision.ttlSeconds, why: ttlLine?.note ?? '' },
    scope: { prefixLength: place.scope, why: whyScope(asked, place.fromSubnet, place.scope) },
  };
}

/** The outcome that the client gets, drawn as `respond` draws; undefined = the sorry addresses. */
function draw(
  { stages }: Decision,
  nameHash: number,
  bucket: number,
  atMs: number,
  slotSeconds: number,
): Outcome | undefined {
  const bounds = thresholdsOf(stages.map(({ share }) => share));
  const outcomes = stages[outcomeOf(bounds, stickyDrawOf(nameHash, bucket))]?.outcomes ?? [];
  const thresholds = thresholdsOf(outcomes.map(({ share }) => share));
  return outcomes[outcomeOf(thresholds, drawOf(nameHash, bucket, atMs, slotSeconds))];
}

function addressTexts(
  snapshot: Snapshot,
  map: SteeringMap,
  endpoints: readonly number[],
  family: 4 | 6,
): readonly string[] {
  return addressesOf(snapshot, map, endpoints, family).map((bytes) =>
    formatAddress({ family, bytes }),
  );
}

function describeOutcomes(
  snapshot: Snapshot,
  map: SteeringMap,
  decision: Decision,
  family: 4 | 6,
): Explanation['outcomes'] {
  const addresses = (endpoints: readonly number[]): readonly string[] =>
    addressTexts(snapshot, map, endpoints, family);
  if (decision.outcomes.length === 0) {
    return [{ share: 1, endpoints: [], addresses: addresses([]) }];
  }
  return decision.outcomes.map(({ share, candidates }) => ({
    share,
    endpoints: candidates.map((candidate) => candidate.name),
    addresses: addresses(candidates.map((candidate) => candidate.endpoint)),
  }));
}

function whyScope(asked: Asked, fromSubnet: boolean, scope: number): string {
  if (asked.subnet === undefined) {
    return 'the query has no client subnet: the resolver’s own address decided, no scope is sent';
  }
  if (asked.subnet.length === 0) return 'the client keeps its network to itself (source 0)';
  if (!fromSubnet)
    return `a private network: the resolver’s address decided, for all of its /${scope}`;
  const wider = scope > asked.subnet.length ? ', which is longer than the network given' : '';
  return `the widest network around the client whose clients are all of this class${wider}`;
}

function explainStatic(
  context: ExplainContext,
  asked: Asked,
  result: LookupResult,
  head: Head,
): Explanation {
  const { snapshot } = context;
  const { zones } = snapshot;
  const found = describeStatic(snapshot, result);
  const answer =
    result.outcome === HIT
      ? rrsetText(snapshot, result.rrset)
      : result.outcome === FOLLOW && result.chainLength > 0
        ? rrsetText(snapshot, result.chain[result.chainLength - 1]!)
        : [];
  const rrset =
    found.rrset ??
    (found.negative ? zones.zones[result.zone * ZONE_WORDS + ZONE_NEGATIVE] : undefined);
  const seconds = rrset === undefined ? 0 : rrsetData(zones, rrset).ttlSeconds;
  const why =
    rrset === undefined
      ? 'there is nothing to keep'
      : found.negative
        ? 'the smaller of the SOA’s TTL and its MINIMUM (RFC 2308)'
        : 'as configured';
  return {
    ...head,
    client: describeClient(context, asked, asked.subnet !== undefined),
    outcome: `${describeChain(snapshot, result)}${found.outcome}`,
    policy: undefined,
    pool: undefined,
    classId: undefined,
    steps: [],
    rung: undefined,
    outcomes: [],
    answer,
    region: undefined,
    ttl: { seconds, why },
    scope: { prefixLength: 0, why: 'the same for every client' },
  };
}

type StaticFinding = {
  readonly outcome: string;
  readonly negative: boolean;
  readonly rrset: number | undefined;
};

function describeStatic(snapshot: Snapshot, result: LookupResult): StaticFinding {
  switch (result.outcome) {
    case HIT: {
      const outcome = result.wildcard ? 'static, from a wildcard' : 'static';
      return { outcome, negative: false, rrset: result.rrset };
    }
    case STEERED:
    case NODATA:
      return {
        outcome: 'nodata: the name exists, the type does not',
        negative: true,
        rrset: undefined,
      };
    case NXDOMAIN:
      return { outcome: 'nxdomain: the name does not exist', negative: true, rrset: undefined };
    case DELEGATION: {
      const cut = formatName(nodeName(snapshot.zones, result.node));
      const servers = rrsetText(snapshot, result.rrset).join(' ');
      return { outcome: `${cut} is delegated to ${servers}`, negative: false, rrset: result.rrset };
    }
    case REFUSED:
      return { outcome: 'refused: in no zone of ours', negative: false, rrset: undefined };
    default: {
      const rrset = result.chainLength > 0 ? result.chain[0] : undefined;
      return { outcome: 'outside of our zones', negative: false, rrset };
    }
  }
}

function describeChain(snapshot: Snapshot, result: LookupResult): string {
  let text = '';
  for (let i = 0; i < result.chainLength; i++) {
    text += `CNAME to ${rrsetText(snapshot, result.chain[i]!)[0]}, then `;
  }
  return text;
}

function rrsetText(snapshot: Snapshot, rrset: number): readonly string[] {
  const { type, rdata } = rrsetData(snapshot.zones, rrset);
  return rdata.map((bytes) => formatRdata(type, bytes));
}

function describeClient(
  context: ExplainContext,
  asked: Asked,
  fromSubnet: boolean,
): Explanation['client'] {
  const { geo, geoTable } = context;
  const network =
    fromSubnet && asked.subnet !== undefined
      ? asked.subnet
      : { address: asked.resolver, length: asked.resolver.bytes.length * 8 };
  const location = locate(geo, geoTable, network.address);
  return {
    network: formatPrefix(network),
    from: fromSubnet ? 'client-subnet' : 'resolver',
    location,
    place: describePlace(location),
    near: undefined,
  };
}

/** `Frankfurt, HE, Germany`; less when less is known. */
function describePlace(location: Location | undefined): string {
  if (location === undefined) return 'an unknown place';
  const { city, subdivision, country, continent } = location;
  const parts = [city, subdivision, country === undefined ? continent : countryName(country)];
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? 'an unknown place' : known.join(', ');
}
