import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TYPE_CNAME } from '../../src/dns/constants.ts';
import { compileZones, createZoneCompiler } from '../../src/zone/compile.ts';
import type { ZoneTable } from '../../src/zone/compiled-zones.ts';
import { createLookupResult, labelsOf, lookup, NXDOMAIN } from '../../src/zone/lookup.ts';
import { nodeName } from '../../src/zone/rrset-data.ts';
import type { ZoneSource } from '../../src/zone/zone-source.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import type { NaiveZone } from './naive-lookup.ts';
import { drawnWorld, zonesOf } from './random-zones.ts';
import { dumpTable } from './table-dump.ts';

const SEED = fuzzSeed(43);
const RUNS = fuzzRuns(300);

type Denial = ZoneSource['denial'];

function toSource(
  { apex, rrsets, steered }: NaiveZone,
  serial: number,
  denial: Denial,
): ZoneSource {
  const numbers = { serial, refresh: 1, retry: 1, expire: 1, minimum: 1 };
  return {
    name: apex,
    ttl: 60,
    soa: { mname: 'mname.invalid.', rname: 'rname.invalid.', ...numbers },
    rrsets: rrsets.map(({ owner, type, data }) => ({ owner, type, ttl: 60, data: [data] })),
    steered: steered.map((owner, service) => ({ owner, service })),
    ...(denial === undefined ? {} : { denial }),
  };
}

/** Every name of one table is found in the other. */
function assertFinds(table: ZoneTable, names: readonly Uint8Array[]): void {
  const result = createLookupResult();
  const labelOffsets = new Uint8Array(128);
  for (const name of names) {
    const qnameLabels = labelsOf(name, name.length, labelOffsets);
    const qnameLength = name.length;
    lookup(
      table,
      { qname: name, qnameLength, labelOffsets, qnameLabels, qtype: TYPE_CNAME },
      result,
    );
    assert.ok(!result.wildcard && result.outcome !== NXDOMAIN);
  }
}

const drawnHistory = fc.tuple(
  drawnWorld,
  fc.constantFrom<Denial>(undefined, 'compact', 'nsec'),
  fc.array(fc.tuple(drawnWorld, fc.nat(2)), { minLength: 1, maxLength: 6 }),
);

test('a zone that is replaced leaves the table as if all had been compiled anew', () => {
  let [replaced, anew] = [0, 0];
  fc.assert(
    fc.property(drawnHistory, ([first, denial, edits]) => {
      const compiler = createZoneCompiler();
      let zones = zonesOf(first);
      let sources = zones.map((zone) => toSource(zone, 1, denial));
      if (!compiler.compile(sources).ok) return;
      for (const [serial, [drawn, place]] of edits.entries()) {
        const at = place % zones.length;
        // The records of another world, sorted into the zones of this one.
        const next = zonesOf({ ...drawn, apexes: zones.map(({ apex }) => apex) });
        const source = toSource(next[at]!, serial + 2, denial);
        const wanted = sources.with(at, source);
        const expected = compileZones(wanted);
        const actual = compiler.replace(new Map([[at, source]]));
        if (actual === undefined) {
          anew += 1;
          if (!compiler.compile(wanted).ok) return;
        } else {
          replaced += 1;
          assert.equal(actual.ok, expected.ok, JSON.stringify({ wanted, expected }));
          // What is refused leaves everything as it was.
          if (!actual.ok || !expected.ok) continue;
          assert.deepEqual(dumpTable(actual.table), dumpTable(expected.table));
          const live = [...expected.table.slots].filter((slot) => slot !== 0);
          assertFinds(
            actual.table,
            live.map((slot) => nodeName(expected.table, slot - 1)),
          );
        }
        zones = zones.with(at, next[at]!);
        sources = wanted;
      }
    }),
    { seed: SEED, numRuns: RUNS },
  );
  assert.ok(replaced > RUNS && anew > 0, `${replaced} replaced, ${anew} compiled anew`);
});

test('who reads the table of before finds it as it was', () => {
  const compiler = createZoneCompiler();
  const zone = (count: number): ZoneSource =>
    toSource(
      {
        apex: 'z.',
        steered: [],
        rrsets: Array.from({ length: count }, (_, i) => ({
          owner: `host${i}.z.`,
          type: 'CNAME',
          data: `host${i + 1}.z.`,
        })),
      },
      count,
      undefined,
    );
  const before = compiler.compile([zone(50), toSource(otherZone, 1, undefined)]);
  assert.ok(before.ok);
  const dump = dumpTable(before.table);
  for (let count = 0; count < 1000; count += 100) {
    const after = compiler.replace(new Map([[0, zone(count)]]));
    assert.ok(after?.ok);
    const expected = compileZones([zone(count), toSource(otherZone, 1, undefined)]);
    assert.ok(expected.ok);
    assert.deepEqual(dumpTable(after.table), dumpTable(expected.table));
  }
  assert.deepEqual(dumpTable(before.table), dump);
});

const otherZone: NaiveZone = { apex: 'y.', steered: [], rrsets: [] };

test('a replacement that is refused changes nothing', () => {
  const compiler = createZoneCompiler();
  const good = toSource({ apex: 'z.', steered: [], rrsets: [] }, 1, undefined);
  const rrset = { owner: 'a.z.', ttl: 60, type: 'A', data: ['192.0.2.1'] };
  const bad = { ...good, rrsets: [rrset, rrset] };
  const before = compiler.compile([good]);
  const refused = compiler.replace(new Map([[0, bad]]));
  assert.ok(before.ok && refused !== undefined && !refused.ok);
  assert.match(refused.issues[0]!.message, /there twice/);
  const after = compiler.replace(new Map([[0, { ...good, rrsets: [rrset] }]]));
  const expected = compileZones([{ ...good, rrsets: [rrset] }]);
  assert.ok(after?.ok && expected.ok);
  assert.deepEqual(dumpTable(after.table), dumpTable(expected.table));
});

test('a table of mostly dead rows is compiled anew', () => {
  const compiler = createZoneCompiler();
  const rrsets = Array.from({ length: 5000 }, (_, i) => ({
    owner: `h${i}.z.`,
    type: 'A',
    data: '192.0.2.1',
  }));
  const source = toSource({ apex: 'z.', steered: [], rrsets }, 1, undefined);
  assert.ok(compiler.compile([source]).ok);
  const rounds = Array.from({ length: 10 }, () => compiler.replace(new Map([[0, source]])));
  assert.ok(rounds[0]?.ok);
  assert.equal(rounds.at(-1), undefined);
});
