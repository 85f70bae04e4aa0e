import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatName, lowerName, parseName } from '../../src/dns/name.ts';
import { formatRdata } from '../../src/dns/rdata/registry.ts';
import { typeNumber } from '../../src/dns/type-names.ts';
import { compileZones } from '../../src/zone/compile.ts';
import {
  RRSET_TYPE,
  RRSET_WORDS,
  ZONE_APEX,
  ZONE_WORDS,
  type ZoneTable,
} from '../../src/zone/compiled-zones.ts';
import {
  CNAME_CHAIN_MAX,
  createLookupResult,
  DELEGATION,
  FOLLOW,
  HIT,
  type LookupQuestion,
  type LookupResult,
  labelsOf,
  lookup,
  NODATA,
  NXDOMAIN,
  REFUSED,
  STEERED,
} from '../../src/zone/lookup.ts';
import { nodeName, rrsetData } from '../../src/zone/rrset-data.ts';
import type { ZoneSource } from '../../src/zone/zone-source.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { type NaiveAnswer, type NaiveZone, naiveLookup } from './naive-lookup.ts';
import { drawnName, drawnType, drawnWorld, zonesOf } from './random-zones.ts';

const OUTCOMES: Readonly<Record<number, string>> = {
  [HIT]: 'hit',
  [STEERED]: 'steered',
  [NODATA]: 'nodata',
  [NXDOMAIN]: 'nxdomain',
  [DELEGATION]: 'delegation',
  [FOLLOW]: 'follow',
  [REFUSED]: 'refused',
};

const SEED = fuzzSeed(42);
const RUNS = fuzzRuns(400);

function question(name: string, type: string): LookupQuestion {
  const qname = lowerName(parseName(name)!);
  const labelOffsets = new Uint8Array(128);
  const qnameLabels = labelsOf(qname, qname.length, labelOffsets);
  return { qname, qnameLength: qname.length, labelOffsets, qnameLabels, qtype: typeNumber(type)! };
}

function toSource({ apex, rrsets, steered }: NaiveZone): ZoneSource {
  const numbers = { serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 1 };
  return {
    name: apex,
    ttl: 60,
    soa: { mname: 'mname.invalid.', rname: 'rname.invalid.', ...numbers },
    rrsets: rrsets.map(({ owner, type, data }) => ({ owner, type, ttl: 60, data: [data] })),
    steered: steered.map((owner, service) => ({ owner, service })),
  };
}

function compiled(zones: readonly NaiveZone[]): ZoneTable | undefined {
  const result = compileZones(zones.map(toSource));
  return result.ok ? result.table : undefined;
}

/** What the compiled look-up found, in the oracle's words. */
function found(table: ZoneTable, name: string, type: string, result: LookupResult): NaiveAnswer {
  const outcome = lookup(table, question(name, type), result);
  const zoneName = (zone: number): string =>
    formatName(nodeName(table, table.zones[zone * ZONE_WORDS + ZONE_APEX]!));
  const data = (rrset: number): string => {
    const { type, rdata } = rrsetData(table, rrset);
    return formatRdata(type, rdata[0]!);
  };
  const inZone = outcome !== REFUSED && outcome !== FOLLOW;
  return {
    outcome: OUTCOMES[outcome]!,
    zone: inZone ? zoneName(result.zone) : undefined,
    node: inZone && outcome !== NXDOMAIN ? formatName(nodeName(table, result.node)) : undefined,
    data: outcome === HIT || outcome === DELEGATION ? data(result.rrset) : undefined,
    chain: [...result.chain.subarray(0, result.chainLength)].map(data),
  };
}

test('lookup() agrees with RFC 1034 4.3.2 and RFC 4592 written plainly, on random zones', () => {
  const result = createLookupResult();
  let compared = 0;
  fc.assert(
    fc.property(
      drawnWorld,
      fc.array(fc.tuple(drawnName, drawnType), { minLength: 10, maxLength: 30 }),
      (drawn, questions) => {
        const zones = zonesOf(drawn);
        const table = compiled(zones);
        if (table === undefined) return; // Steered below a cut, for instance.
        const withNs = zones.map((zone) => ({
          ...zone,
          rrsets: [...zone.rrsets, { owner: zone.apex, type: 'NS', data: 'mname.invalid.' }],
        }));
        for (const [qname, qtype] of [
          ...questions,
          ...drawn.records.map((r) => [r.owner, r.type] as const),
        ]) {
          const expected = naiveLookup(withNs, qname, qtype);
          const zone = expected.outcome === 'follow' ? undefined : expected.zone;
          const node =
            expected.outcome === 'nxdomain' || zone === undefined ? undefined : expected.node;
          assert.deepEqual(
            found(table, qname, qtype, result),
            { ...expected, zone, node },
            `${qname} ${qtype} in ${JSON.stringify(zones)}`,
          );
          compared++;
        }
      },
    ),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(compared > RUNS * 5, `only ${compared} comparisons`);
});

test('lookup() follows exactly CNAME_CHAIN_MAX CNAMEs', () => {
  const chainOf = (length: number): NaiveZone => ({
    apex: 'z.',
    steered: [],
    rrsets: [
      ...Array.from({ length }, (_, i) => ({
        owner: `n${i}.z.`,
        type: 'CNAME',
        data: `n${i + 1}.z.`,
      })),
      { owner: `n${length}.z.`, type: 'A', data: '192.0.2.1' },
    ],
  });
  const result = createLookupResult();
  const longest = compiled([chainOf(CNAME_CHAIN_MAX)])!;
  assert.equal(lookup(longest, question('n0.z.', 'A'), result), HIT);
  assert.equal(result.chainLength, CNAME_CHAIN_MAX);
  const tooLong = compiled([chainOf(CNAME_CHAIN_MAX + 1)])!;
  assert.equal(lookup(tooLong, question('n0.z.', 'A'), result), FOLLOW);
  assert.equal(result.chainLength, CNAME_CHAIN_MAX);
});

test('lookup() finds names of 127 labels and 255 octets, and misses beside them', () => {
  const longest = `${'a.'.repeat(127)}`;
  const table = compiled([
    { apex: 'a.', steered: [], rrsets: [{ owner: longest, type: 'A', data: '192.0.2.1' }] },
  ])!;
  const result = createLookupResult();
  assert.equal(lookup(table, question(longest, 'A'), result), HIT);
  assert.equal(lookup(table, question(longest.slice(2), 'A'), result), NODATA);
  assert.equal(lookup(table, question(`b.${longest.slice(2)}`, 'A'), result), NXDOMAIN);
});

test('lookup() finds every name of a large zone', () => {
  const count = 20_000;
  const rrsets = Array.from({ length: count }, (_, i) => ({
    owner: `host${i}.z.`,
    type: 'A',
    data: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
  }));
  const table = compiled([{ apex: 'z.', steered: [], rrsets }])!;
  const result = createLookupResult();
  for (let i = 0; i < count; i += 7) {
    assert.equal(lookup(table, question(`host${i}.z.`, 'A'), result), HIT);
    assert.equal(table.rrsets[result.rrset * RRSET_WORDS + RRSET_TYPE], 1);
    assert.equal(lookup(table, question(`hosts${i}.z.`, 'A'), result), NXDOMAIN);
  }
});
