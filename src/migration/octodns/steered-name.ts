import { createNames } from '../names.ts';
import {
  BACKUP,
  BACKUP_REGION,
  type Draft,
  type DraftEndpoint,
  type DraftSteered,
  type DraftStep,
} from './draft.ts';
import { chainFrom, type DynamicRecord } from './dynamic-record.ts';
import { placeLists } from './geo-code.ts';
import { monitorOf } from './settings.ts';

/**
 * A dynamic record, or the A and AAAA of one name, as a steered name:
 *
 *   pool of octoDNS     a region, and an endpoint for each value
 *   the record's values the region "backup", with one endpoint that nothing checks
 *   chain of fallbacks  tiers in that order, the backup the last
 *   rules               `match` for subnets, `geo` for places; what a rule does not lead to never answers its clients
 *   status: down        weight 0: never answered, since the backup is always left
 *   status: up          no monitor
 */

const TTL_MIN = 5;

/** @param name in full, without the final dot */
export function addSteered(
  draft: Draft,
  name: string,
  records: readonly DynamicRecord[],
): DraftSteered {
  const [first] = records;
  if (first === undefined) throw new Error(`${name} has no dynamic record.`);
  const pool = draft.names.free(name);
  draft.sources.set(`pools.${pool}`, first.at);
  const endpoints = endpointsOf(draft, pool, records);
  draft.pools.set(pool, { endpoints, comment: commentOf(name, records) });
  const ttlMax = Math.min(...records.map(({ ttl }) => ttl));
  return { pool, policy: policyOf(draft, pool, first), ttlMin: Math.min(TTL_MIN, ttlMax), ttlMax };
}

function regionOf({ regionNames, regions }: Draft, id: string): string {
  const name = regions.get(id) ?? (id === BACKUP ? BACKUP_REGION : regionNames.free(id));
  regions.set(id, name);
  return name;
}

function endpointsOf(
  draft: Draft,
  pool: string,
  records: readonly DynamicRecord[],
): readonly DraftEndpoint[] {
  const [first] = records;
  const { healthcheck, pools, type } = first!;
  const isAlias = type === 'CNAME';
  const regions = new Map([...pools.keys()].map((id) => [id, regionOf(draft, id)]));
  const labels = createNames(regions.values());
  const checked = [...pools].flatMap(([id, { values }]) =>
    values.map(({ status, weight }, index): DraftEndpoint => {
      const own = records.map((record) => record.pools.get(id)!.values[index]!.value);
      const region = regions.get(id)!;
      const isDown = status === 'down';
      const isChecked = status === 'obey' && !isAlias;
      return {
        region,
        ...(values.length === 1 ? {} : { name: labels.free(`${region}-${index + 1}`) }),
        ...(isAlias ? { cname: own[0]! } : { addresses: own }),
        ...(isDown ? { weight: 0 } : weight === 1 || values.length === 1 ? {} : { weight }),
        ...(isChecked
          ? { monitor: draft.monitors.nameOf(monitorOf(healthcheck), () => pool) }
          : {}),
        ...(status === 'obey' ? {} : { comment: STATUS_WORDS[status](weight) }),
      };
    }),
  );
  const places = [...pools.values()].flatMap(({ values }) => values.map(({ at }) => at));
  for (const [index, at] of places.entries()) {
    draft.sources.set(`pools.${pool}.endpoints.${index}`, at);
  }
  const backup = records.flatMap((record) => record.backup);
  const last = isAlias ? { cname: backup[0]! } : { addresses: backup };
  return backup.length === 0 ? checked : [...checked, { region: regionOf(draft, BACKUP), ...last }];
}

const STATUS_WORDS = {
  up: () => 'status: up',
  down: (weight: number) => `status: down; its weight is ${weight}`,
} as const;

function commentOf(name: string, records: readonly DynamicRecord[]): string | undefined {
  const lines: string[] = [];
  if (records.length > 1 && records[0]!.answers === 'one') {
    lines.push(`The values of A and AAAA of ${name} belong together as they are ordered.`);
  }
  if (records[0]!.type === 'CNAME' && hasChecked(records[0]!)) {
    lines.push('Not monitored: for that, give each endpoint the "addresses" to probe.');
  }
  return lines.length === 0 ? undefined : lines.join('\n');
}

export const hasChecked = ({ pools }: DynamicRecord): boolean =>
  [...pools.values()].some(({ values }) => values.some(({ status }) => status === 'obey'));

/** The name of the policy with these rules; names that are steered alike have one policy. */
function policyOf(draft: Draft, name: string, record: DynamicRecord): string {
  const last: readonly DraftStep[] =
    record.answers === 'all' ? ['round-robin'] : ['weighted', 'first'];
  const chain = (id: string | undefined): readonly string[] => [
    ...chainFrom(record.pools, id).map((each) => regionOf(draft, each)),
    ...(record.backup.length === 0 ? [] : [regionOf(draft, BACKUP)]),
  ];
  const regions = [...record.pools.keys()].map((id) => regionOf(draft, id));
  const subnets = record.rules.flatMap(({ pool, subnets: own }, index) => {
    if (own.length === 0) return [];
    const steps = [...orderSteps(chain(pool), regions), ...last];
    const policy = draft.policies.nameOf(steps, () =>
      draft.names.free(`${name}.rule-${index + 1}`),
    );
    return { networks: own.map(({ network }) => network), policy };
  });
  const places = record.rules.flatMap(({ geos, pool }) =>
    geos.length === 0 ? [] : { ...placeLists(geos), regions: chain(pool) },
  );
  const others = chain(record.catchAll);
  const steps: readonly DraftStep[] = [
    'healthy',
    ...(subnets.length === 0 ? [] : [{ step: 'match', rules: subnets }]),
    ...(places.length === 0
      ? orderSteps(others, regions)
      : [{ step: 'geo', fence: true, rules: places, default: others }]),
    ...last,
  ];
  draft.sources.set(`policies.${name}`, record.at);
  return draft.policies.nameOf(steps, () => name);
}

/** The same order for everybody; regions that are not in it are out of the question. */
function orderSteps(chain: readonly string[], regions: readonly string[]): readonly DraftStep[] {
  const isWhole = regions.every((region) => chain.includes(region));
  return [
    ...(isWhole ? [] : [{ step: 'only', regions: chain }]),
    ...(chain.length === 1 ? [] : [{ step: 'failover', regions: chain }]),
  ];
}
