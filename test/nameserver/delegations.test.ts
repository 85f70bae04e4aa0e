import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { delegationsOf, findBelow } from '../../src/nameserver/delegations.ts';
import { fuzzRuns, fuzzSeed } from '../fuzz/effort.ts';
import { opened, readCentroids, readCountries } from '../geo/fixtures.ts';
import { createConfig, rrset } from './fixture.ts';

const SEED = fuzzSeed(20261122);
const TRANSFER = { networks: ['127.0.0.0/8'], keys: [], steered: 'default', notify: [] } as const;

test('findBelow() finds for each zone those below it that have no other zone of ours between', () => {
  const label = fc.constantFrom('a', 'b', 'A', 'c\\.a', 'ca');
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const zones = fc.uniqueArray(fc.oneof(name, fc.constant('.')), {
    maxLength: 30,
    selector: (zone) => zone.toLowerCase(),
  });
  fc.assert(
    fc.property(zones, (names) => {
      const below = findBelow(names);
      for (const zone of names) {
        assert.deepEqual([...(below.get(zone) ?? [])].sort(), plainBelow(names, zone).sort());
      }
    }),
    { seed: SEED, numRuns: fuzzRuns(500) },
  );
});

/** Each against each, label by label. */
function plainBelow(names: readonly string[], zone: string): string[] {
  const all = names.filter((name) => isBelow(name, zone));
  return all.filter((name) => !all.some((other) => isBelow(name, other)));
}

function isBelow(name: string, zone: string): boolean {
  const [lower, upper] = [labelsOf(name), labelsOf(zone)];
  const tail = lower.slice(lower.length - upper.length);
  return lower.length > upper.length && upper.every((label, index) => label === tail[index]);
}

const labelsOf = (name: string): string[] =>
  name === '.' ? [] : name.toLowerCase().split(/(?<!\\)\./);

test('delegationsOf() adds no glue that the zone has written', () => {
  const template = createConfig().zones['gslb.example']!;
  const zone = { ...template, steered: [], rrsets: [rrset('NS.Kid.test.', 'A', ['192.0.2.1'])] };
  const glue = [
    rrset('ns.kid.test.', 'A', ['192.0.2.2']),
    rrset('ns.kid.test.', 'AAAA', ['2001:db8::2']),
  ];
  const ns = rrset('kid.test.', 'NS', ['ns.kid.test.']);
  const kid = { ...template, steered: [], rrsets: [ns, ...glue] };
  assert.deepEqual(delegationsOf(zone, ['kid.test'], { test: zone, 'kid.test': kid }), [
    ns,
    glue[1],
  ]);
});

test('copies of many zones are made without a look at all zones for each', () => {
  const looks = (count: number): number => {
    const config = createConfig();
    const template = config.zones['gslb.example']!;
    const zone = { ...template, steered: [], rrsets: [], transfer: TRANSFER };
    const names = Array.from({ length: count }, (_, index) => `z${index}.example`);
    let walks = 0;
    const zones = new Proxy(Object.fromEntries(names.map((name) => [name, zone])), {
      ownKeys(target) {
        walks += 1;
        return Reflect.ownKeys(target);
      },
    });
    const geo = opened(readCountries(), readCentroids());
    const compiled = compileSnapshot({ ...config, zones }, geo, 1, 1);
    assert.ok(compiled.ok && compiled.snapshot.transfers.length === count);
    return walks;
  };
  assert.equal(looks(50), looks(5));
});
