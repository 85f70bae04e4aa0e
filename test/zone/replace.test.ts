import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TYPE_CNAME } from '../../src/dns/constants.ts';
import { compileZones, createZoneCompiler } from '../../src/zone/compile.ts';
import type { ZoneTable } from '../../src/zone/compiled-zones.ts';
import { createLookupResult, labelsOf, lookup, NXDOMAIN } from '../../src/zone/lookup.ts';
import { nodeName } from '../../src/zone/rrset-data.ts';
import {
  ARENA_OCTETS_MAX,
  ArenaFull,
  createTableStore,
  makeRoom,
} from '../../src/zone/table-store.ts';
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
  // Not equal(): nobody wants to see the table.
  assert.ok(rounds.at(-1) === undefined);
});

test('tables have one number while they lie in one memory', () => {
  const compiler = createZoneCompiler();
  const zones = [textZone(100), toSource(otherZone, 1, undefined)];
  const first = compiler.compile(zones);
  assert.ok(first.ok);
  const tables = [first.table];
  for (let round = 0; round < 100; round += 1) {
    const next = compiler.replace(new Map([[1, toSource(otherZone, round, undefined)]]));
    assert.ok(next?.ok);
    const [before] = tables.slice(-1);
    const isSame = (['arena', 'links', 'nodes', 'rrsets'] as const).every(
      (column) => next.table[column].buffer === before![column].buffer,
    );
    assert.equal(next.table.memory === before!.memory, isSame);
    tables.push(next.table);
  }
  assert.equal(new Set(tables.map(({ slots }) => slots.buffer)).size, tables.length);
  const numbers = new Set(tables.map(({ memory }) => memory)).size;
  assert.ok(numbers > 1 && numbers < 20, `${numbers}`);
  const anew = createZoneCompiler().compile(zones);
  assert.ok(anew.ok && !tables.some(({ memory }) => memory === anew.table.memory));
});

const zoneWith = (rrsets: ZoneSource['rrsets'], denial?: Denial, apex = 'z.'): ZoneSource => ({
  ...toSource({ apex, steered: [], rrsets: [] }, 1, denial),
  rrsets,
});

/** So many names with a text of 240 octets each. */
function textZone(names: number, apex = 'z.'): ZoneSource {
  const data = [`"${'x'.repeat(240)}"`];
  const owners = Array.from({ length: names }, (_, i) => `t${i}.${apex}`);
  const rrsets = owners.map((owner) => ({ owner, type: 'TXT', ttl: 60, data }));
  return zoneWith(rrsets, undefined, apex);
}

/** How often the first zone can be replaced before all has to be compiled anew. */
function replacementsOf(before: readonly ZoneSource[], source: ZoneSource): number {
  const compiler = createZoneCompiler();
  assert.ok(compiler.compile(before).ok);
  let replacements = 0;
  while (replacements < 1000 && compiler.replace(new Map([[0, source]])) !== undefined) {
    replacements += 1;
  }
  return replacements;
}

/** What a zone takes of a table, read off the table. */
function octetsOf(source: ZoneSource): number {
  const [alone, none] = [compileZones([source]), compileZones([])];
  assert.ok(alone.ok && none.ok);
  const sizeOf = ({ arena, links, nodes, rrsets }: ZoneTable): number =>
    [arena, links, nodes, rrsets].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return sizeOf(alone.table) - sizeOf(none.table);
}

const lines = (count: number, line: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => line(index));
const CROWDED = {
  'octets at one name': zoneWith([
    { owner: 'z.', type: 'TXT', ttl: 60, data: lines(40, (i) => `"${'x'.repeat(200 + i)}"`) },
  ]),
  'links to the apex': zoneWith([
    { owner: 'z.', type: 'MX', ttl: 60, data: lines(400, (i) => `${i} z.`) },
  ]),
  'RRsets and names': zoneWith(
    lines(40, (i) => `${'x'.repeat(i + 1)}.z.`).flatMap((owner) => [
      { owner, type: 'A', ttl: 60, data: ['192.0.2.1'] },
      { owner, type: 'AAAA', ttl: 60, data: ['2001:db8::1'] },
    ]),
  ),
  'denials in a chain': zoneWith(
    lines(40, (i) => `a.b.${i}.z.`).map((owner) => ({
      owner,
      type: 'CNAME',
      ttl: 60,
      data: ['z.'],
    })),
    'nsec',
  ),
};
for (const [what, source] of Object.entries(CROWDED)) {
  test(`a table of mostly dead rows and octets is compiled anew: ${what}`, () => {
    // Less than 4 MiB is not worth it.
    const wanted = Math.floor((4 * 1024 * 1024) / octetsOf(source)) + 1;
    assert.equal(replacementsOf([source], source), wanted);
  });
}

test('what is dead is measured by what is alive, and of a zone that has shrunk all is dead', () => {
  const [large, small] = [textZone(15_000), textZone(30)];
  assert.equal(replacementsOf([small, textZone(40_000, 'y.')], small), 1000);
  assert.equal(replacementsOf([large], small), 1);
});

test('the arena has a limit: all is compiled anew, and refused when it is too much even so', () => {
  const compiler = createZoneCompiler(60_000);
  const first = compiler.compile([textZone(100)]);
  assert.ok(first.ok);
  const second = compiler.replace(new Map([[0, textZone(101)]]));
  assert.ok(second?.ok && second.table.arena.buffer.byteLength <= 60_000);
  const dumps = [dumpTable(first.table), dumpTable(second.table)];
  assert.ok(compiler.replace(new Map([[0, textZone(102)]])) === undefined);
  assert.deepEqual([dumpTable(first.table), dumpTable(second.table)], dumps);
  const third = compiler.replace(new Map([[0, textZone(5)]]));
  const expected = compileZones([textZone(5)]);
  assert.ok(third?.ok && expected.ok, 'what is less fits, as if nothing had been tried');
  assert.deepEqual(dumpTable(third.table), dumpTable(expected.table));
  assert.ok(compiler.compile([textZone(200)]).ok);
  const refused = compiler.compile([textZone(300)]);
  assert.deepEqual(!refused.ok && refused.issues, [
    { path: 'zones', message: 'the names and records of all zones take more than 60000 octets' },
  ]);
  assert.ok(compiler.replace(new Map([[0, textZone(1)]])) === undefined, 'nothing was kept');
});

test('no offset in the arena is beyond a word', () => {
  const store = createTableStore({ zones: 1, nodes: 1, rrsets: 1, octets: 1 }, ARENA_OCTETS_MAX);
  const full = { ...store, arenaLength: 2 ** 31 - 1 };
  assert.throws(() => makeRoom(full, 1), ArenaFull);
  assert.equal(full.arena, store.arena);
});
