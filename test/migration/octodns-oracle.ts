/**
 * What octoDNS' documentation says that a client gets (docs/dynamic_records.rst, docs/geo_records.md), for records as
 * YAML has them. It knows nothing of how we read, compile or decide.
 *
 *   - rules are looked at in order; a rule has the clients of its subnets or of its places
 *   - a match of a subnet comes before every match of a place
 *   - no subnets and no places: everybody
 *   - a pool answers with one of its values, by weight, of those whose checks succeed; `status: up` is served
 *     whatever checks say, `status: down` never
 *   - when all of a pool fail, its fallback is tried; behind the last pool are the record's own values, unchecked
 */
export type OctodnsRecord = {
  readonly type: string;
  readonly value?: string;
  readonly values?: readonly string[];
  readonly geo?: Readonly<Record<string, readonly string[]>>;
  readonly dynamic?: {
    readonly pools: Readonly<Record<string, OctodnsPool>>;
    readonly rules: readonly {
      readonly pool: string;
      readonly geos?: readonly string[];
      readonly subnets?: readonly string[];
    }[];
  };
};
type OctodnsPool = {
  readonly fallback?: string;
  readonly values: readonly {
    readonly value: string;
    readonly weight?: number;
    readonly status?: 'up' | 'down' | 'obey';
  }[];
};

/** A client as octoDNS sees it: `NA-US-CA`, `EU`, '' = unknown. */
export type OracleClient = { readonly code: string; readonly address: string };

/** Whether the checks of a value of a pool (of a place, in the older form) succeed. */
export type Checks = (pool: string, index: number) => boolean;

/** The share of each answer; an answer is its values, sorted. */
export function oracle(record: OctodnsRecord, client: OracleClient, checks: Checks): Shares {
  const backup = record.values ?? [record.value!];
  if (record.geo !== undefined) return geoOracle(record.geo, backup, client, checks);
  const { pools, rules } = record.dynamic!;
  const bySubnet = rules.find(({ subnets = [] }) => subnets.some((each) => has(each, client)));
  const byPlace = rules.find(
    ({ geos = [], subnets = [] }) =>
      geos.some((geo) => isIn(client.code, geo)) || (geos.length === 0 && subnets.length === 0),
  );
  let next: string | undefined = (bySubnet ?? byPlace)?.pool;
  while (next !== undefined) {
    const name: string = next;
    const pool = pools[name]!;
    const served = pool.values.flatMap(({ status = 'obey', value, weight = 1 }, index) => {
      const isServed = status === 'up' || (status === 'obey' && checks(name, index));
      return isServed ? [{ value, weight }] : [];
    });
    if (served.length > 0) {
      const sum = served.reduce((total, { weight }) => total + weight, 0);
      return addUp(served.map(({ value, weight }) => [[value], weight / sum]));
    }
    next = pool.fallback;
  }
  return addUp([[backup, 1]]);
}

export type Shares = ReadonlyMap<string, number>;

/** The values of the narrowest place that has some left; those around it, and then the record's own, follow. */
function geoOracle(
  geo: Readonly<Record<string, readonly string[]>>,
  backup: readonly string[],
  { code }: OracleClient,
  checks: Checks,
): Shares {
  const parts = code.split('-');
  for (let length = parts.length; length > 0; length -= 1) {
    const place = parts.slice(0, length).join('-');
    const served = (geo[place] ?? []).filter((_, index) => checks(place, index));
    if (served.length > 0) return addUp([[served, 1]]);
  }
  return addUp([[backup, 1]]);
}

const isIn = (code: string, geo: string): boolean => code === geo || code.startsWith(`${geo}-`);

export function addUp(answers: readonly (readonly [readonly string[], number])[]): Shares {
  const shares = new Map<string, number>();
  for (const [values, share] of answers) {
    const key = values.toSorted().join(' ');
    shares.set(key, (shares.get(key) ?? 0) + share);
  }
  return shares;
}

/** Networks and addresses of IPv4, with plain arithmetic. */
function has(network: string, { address }: OracleClient): boolean {
  const [base = '', length = '32'] = network.split('/');
  const size = 2 ** (32 - Number(length));
  return Math.floor(numberOf(base) / size) === Math.floor(numberOf(address) / size);
}

const numberOf = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
