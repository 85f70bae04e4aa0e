import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, stringify } from 'yaml';
import type { MapTold } from '../../src/cli/map.ts';
import { partText } from '../../src/cli/map-text.ts';
import { encodeLatencyMap } from '../../src/clients/latency-map.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { openCli } from './cli-harness.ts';

const ROOT = new URL('../../', import.meta.url);

const NETWORKS = [
  '16.0.0.0/8,US-VA',
  '80.0.0.0/8,DE',
  '81.0.0.0/8,JP-13',
  '2600::/32,US-VA',
  '2a00::/32,DE',
];

type Written = {
  readonly databases?: readonly string[];
  readonly policy?: string;
  readonly names?: readonly string[];
};

/** A folder with files of a test, and the command line with the files of this machine. */
async function scratch(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-map-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { runIn } = await openCli(t);
  const write = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const geo = (name: string, lines: readonly string[]): string =>
    write(name, `${lines.join('\n')}\n`);
  const config = (
    name: string,
    { databases = [geo('places.csv', NETWORKS)], names = ['www'], policy = 'near' }: Written = {},
  ): string =>
    write(
      name,
      `regions:
  us: { location: aws/us-east-1, vips: 198.51.100.1 }
  eu: { location: aws/eu-central-1, vips: 198.51.100.2 }
  ap: { location: aws/ap-southeast-1, vips: 198.51.100.3 }
geo: { databases: ${JSON.stringify(databases)} }
pools: { web: { endpoints: [us, eu, ap] } }
policies:
  near: { chain: [healthy, nearest, first] }
  shared: { chain: [healthy, weighted, first] }
  standby: { chain: [healthy, { step: failover, regions: [eu] }, first] }
  fastest: { chain: [latency, healthy, first] }
  office: { chain: [healthy, { step: subnet, rules: [{ networks: [80.0.0.0/10], regions: [ap] }] }, nearest, first] }
zones:
  gslb.example:
    nameservers: ns.other.example.
    steered: { ${names.map((owner) => `${owner}: { pool: web, policy: ${policy} }`).join(', ')} }
`,
    );
  const run = (...argv: readonly string[]) =>
    runIn({ readFile: (path) => readFile(path, 'utf8') }, 'map', ...argv);
  const told = async (...argv: readonly string[]): Promise<MapTold> => {
    const { code, stderr, stdout } = await run(...argv, '-o', 'json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  return { config, folder, geo, run, runIn, told, write };
}

test('map tells the shares of regions at a glance', async (t) => {
  const { config, run } = await scratch(t);
  const { code, stderr, stdout } = await run(config('own.yaml'));
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^config {2}.*own\.yaml\ngeo {5}5 networks .*, 5 networks$/m);
  assert.match(stdout, /^www\.gslb\.example\.: policy near, pool web$/m);
  assert.match(stdout, /^located {2}1\.2 % of IPv4, and 2 networks of IPv6; all others get us$/m);
  assert.match(stdout, /^classes {2}4, of 3 places and those without one$/m);
  assert.match(stdout, /^REGION +IPV4 +IPV6 +SCOPES: IPV4 +IPV6$/m);
  assert.match(stdout, /^us +33\.3 % +50\.0 % +\d+ +\d+$/m);
  assert.match(stdout, /^eu +33\.3 % +50\.0 % +1 +1$/m);
  assert.match(stdout, /^ap +33\.3 % +0 % +1 +0$/m);
  assert.match(stdout, /^IPv4 is counted in addresses, IPv6 in networks of the geo data\.$/m);
  assert.doesNotMatch(stdout, /close choice|Against/);
});

test('map tells close choices with their places, regions and differences', async (t) => {
  const { config, geo, run, told } = await scratch(t);
  const databases = [geo('places.csv', [...NETWORKS, '17.0.0.0/9,53.5,-39.3'])];
  const { stdout } = await run(config('own.yaml', { databases }), '--close-km', '150');
  assert.match(
    stdout,
    /^14\.3 % of IPv4 and 0 % of IPv6 have a close choice: the second region is less than 150 km behind$/m,
  );
  assert.match(stdout, /^eu +us +14\.3 % +0 %$/m);
  assert.match(
    stdout,
    /^17\.0\.0\.0\/9 +14\.3 % +53\.5, -39\.3 +eu +3\d{3} km +us +35 km +both answer$/m,
  );
  const { maps } = await told(config('own.yaml', { databases }), '--close-km', '0');
  assert.deepEqual(maps[0]!.close.pairs, []);
});

test('map against an older configuration tells who goes from where to where', async (t) => {
  const { config, run, told } = await scratch(t);
  const old = config('old.yaml', { policy: 'standby', names: ['www', 'gone'] });
  const own = config('own.yaml', { names: ['www', 'fresh'] });
  const { stdout } = await run(own, '--against', old);
  assert.match(stdout, /^against {6}.*old\.yaml\nagainst geo {2}5 networks/m);
  assert.match(stdout, /^new +fresh\.gslb\.example\.\ngone +gone\.gslb\.example\.$/m);
  assert.match(
    stdout,
    /^Against .*old\.yaml: 66\.7 % of IPv4 and 50\.0 % of IPv6 have another answer$/m,
  );
  assert.match(stdout, /^eu -> us +33\.3 % +50\.0 %$/m);
  assert.match(stdout, /^eu -> ap +33\.3 % +0 %$/m);
  assert.match(stdout, /^16\.0\.0\.0\/8 +33\.3 % +US-VA, United States +eu +us$/m);
  assert.match(stdout, /^2600::\/32 +US-VA, United States +eu +us$/m);
  const { added, maps, removed } = await told(own, '--against', old);
  assert.deepEqual([added, removed], [['fresh.gslb.example.'], ['gone.gslb.example.']]);
  // What is new has nothing to be compared with, so it is no group with what was there.
  assert.deepEqual(
    maps.map(({ changes, names }) => [names, changes?.share.ipv4 === 2 / 3]),
    [
      [['www.gslb.example.'], true],
      [['fresh.gslb.example.'], false],
    ],
  );
  const same = await run(own, '--against', own);
  assert.match(same.stdout, /^Against .*: nobody whose place is known is answered otherwise$/m);
});

test('map against older geo data tells what was found and lost', async (t) => {
  const { config, geo, run, told } = await scratch(t);
  const own = config('own.yaml');
  const older = geo('older.csv', [
    '16.0.0.0/8,US-VA',
    '80.0.0.0/8,DE',
    '82.0.0.0/8,DE',
    '2600::/32,US-VA',
    '2a00::/32,JP-13',
  ]);
  const { stdout } = await run(own, '--against-geo', older);
  assert.match(stdout, /^against {6}.*own\.yaml$/m);
  assert.match(stdout, /^located +25\.0 % of IPv4 and 0 % of IPv6 that had no place before$/m);
  assert.match(stdout, /^not located +25\.0 % of IPv4 and 0 % of IPv6 that had a place before$/m);
  assert.match(stdout, /^ap -> eu +0 % +50\.0 %$/m);
  assert.match(stdout, /^2a00::\/32 +Germany \(was JP-13, Japan\) +ap +eu$/m);
  const more = geo('more.csv', ['82.0.0.0/8,US-VA', '83.0.0.0/8,US-VA']);
  const { against, maps } = await told(own, '--against-geo', older, '--against-geo', more);
  assert.equal(against!.geo.networks, 6, 'the first that knows a network wins');
  assert.equal(maps[0]!.changes!.lostShare.ipv4, 2 / 5);
});

test('map by a latency map, and against one', async (t) => {
  const { config, run, told, write } = await scratch(t);
  const mapOf = (
    name: string,
    generation: number,
    order: readonly number[],
    ways: readonly number[],
  ) =>
    write(
      name,
      encodeLatencyMap({
        ...{ generation, madeAtMs: Date.UTC(2026, 10, 20), regions: ['us', 'eu', 'ap'] },
        orders: [order],
        rows: [
          { network: networkKey(parseAddress('80.1.2.0')!), order: 0, waysMs: ways, sources: 1 },
        ],
      }),
    );
  const [one, two] = [
    mapOf('1.bin', 1, [2, 1, 0], [20, 27]),
    mapOf('2.bin', 2, [1, 2, 0], [20, 90]),
  ];
  const own = config('own.yaml', { policy: 'fastest' });
  const plain = await run(own);
  assert.match(plain.stdout, /^note {2}The policy goes by latency\. Without --latency FILE/m);
  const { stdout } = await run(own, '--latency', one);
  assert.doesNotMatch(stdout, /^note/m);
  assert.match(stdout, /^latency {2}map 1 of 2026-11-20 00:00:00Z, 1 networks$/m);
  assert.match(stdout, /less than 100 km or 10 ms behind$/m);
  assert.match(stdout, /^80\.1\.2\.0\/24 +0\.00051 % +Germany +ap +20 ms +eu +\d ms$/m);
  const strict = await told(own, '--latency', one, '--close-ms', '5');
  assert.deepEqual(strict.maps[0]!.close.networks, []);
  const { against, latency, maps } = await told(own, '--latency', two, '--against-latency', one);
  assert.deepEqual([latency?.generation, against?.latency?.generation], [2, 1]);
  assert.deepEqual(
    maps[0]!.changes!.networks.map(({ before, network, now }) => [network, before, now]),
    [['80.1.2.0/24', [{ region: 'ap', share: 1 }], [{ region: 'eu', share: 1 }]]],
  );
  // Who compares configurations means the same clients: one map for both.
  const both = await told(own, '--latency', one, '--against', own);
  assert.equal(both.maps[0]!.changes!.share.ipv4, 0);
});

test('map tells names alike together, and only those that are asked for', async (t) => {
  const { config, run, told } = await scratch(t);
  const own = config('own.yaml', { names: ['a', 'b', 'c', 'd', 'e'] });
  const { stdout } = await run(own);
  assert.match(stdout, /^a\.gslb\.example\. b\.\S+ c\.\S+ and 2 more: policy near, pool web$/m);
  const { maps } = await told(own, '--name', 'B.gslb.example', '--name', 'd.gslb.example.');
  assert.deepEqual(
    maps.map(({ names }) => names),
    [['b.gslb.example.', 'd.gslb.example.']],
  );
});

test('map tells rules for networks as they are, and shared answers', async (t) => {
  const { config, run, told } = await scratch(t);
  const { maps } = await told(config('own.yaml', { policy: 'office' }));
  const shares = maps[0]!.regions.map(({ region, share }) => [region, share.ipv4 * 12]);
  assert.deepEqual(shares, [
    ['ap', 5],
    ['us', 4],
    ['eu', 3],
  ]);
  const shared = await run(config('shared.yaml', { policy: 'shared' }));
  assert.match(shared.stdout, /^REGION +IPV4 +IPV6 +MAY GET IT: IPV4 +IPV6 +SCOPES: IPV4 +IPV6$/m);
  assert.match(shared.stdout, /^us +33\.3 % +33\.3 % +100\.0 % +100\.0 % +1 +1$/m);
  assert.match(shared.stdout, /all others get ap 33\.3 %, eu 33\.3 %, us 33\.3 %$/m);
});

test('map says what is wrong, and what to do about it', async (t) => {
  const { config, folder, geo, run, write } = await scratch(t);
  const own = config('own.yaml');
  const wrong: readonly (readonly [readonly string[], number, RegExp])[] = [
    [
      [join(folder, 'none.yaml')],
      1,
      /none\.yaml cannot be read: there is no such file\.\n {2}hint/,
    ],
    [[own, '--against', join(folder, 'none.yaml')], 1, /none\.yaml cannot be read/],
    [
      [own, '--name', 'www.other.example'],
      1,
      /does not steer www\.other\.example\.\n {2}hint: It steers www\.gslb\.example\./,
    ],
    [[own, '--name', 'x..y'], 2, /"x\.\.y" is not a host name/],
    [[own, '--close-km', 'near'], 2, /Give a number from 0 to 20040/],
    [[own, '--close-km', ''], 2, /Give a number from 0 to 20040/],
    [[own, '--close-ms', '-1'], 2, /Give a number from 0 to 10000/],
    [[own, '--networks', '1.5'], 2, /Give a whole number from 0 to 10000/],
    [[own, '--latency', join(folder, 'none.bin')], 1, /none\.bin cannot be read: .*\n {2}hint/],
    [[own, '--latency', own], 1, /own\.yaml cannot be used: it is no latency map\.\n {2}hint/],
    [[own, '--against-geo', join(folder, 'none.csv')], 1, /There are no geo data\. .*none\.csv/],
    [[own, '--against-geo', geo('bad.csv', ['nonsense'])], 1, /bad\.csv: line 1: /],
    [[write('bad.yaml', 'nonsense: 1\n')], 78, /bad\.yaml:1:1: [\s\S]*bad\.yaml is not valid\./],
    [[write('empty.yaml', '{}\n')], 1, /empty\.yaml steers no name\.\n {2}hint: /],
  ];
  for (const [argv, code, expected] of wrong) {
    const result = await run(...argv);
    assert.equal(result.code, code, `${argv.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, expected);
    assert.equal(result.stdout, '');
  }
});

test('map warns of geo data that it goes without', async (t) => {
  const { config, folder, geo, run } = await scratch(t);
  const databases = [join(folder, 'none.csv'), geo('places.csv', NETWORKS)];
  const { code, stderr, stdout } = await run(config('own.yaml', { databases }));
  assert.equal(code, 0);
  assert.match(stderr, /^warning: .*none\.csv: .*It is left out\.$/m);
  assert.match(stdout, /^us +33\.3 %/m);
});

test('map finds the configuration that the environment names, and writes YAML', async (t) => {
  const { config, runIn } = await scratch(t);
  const io = {
    readFile: (path: string) => readFile(path, 'utf8'),
    env: { MERIDIAN_CONFIG: config('own.yaml') },
  };
  const { code, stderr, stdout } = await runIn(io, 'map', '-o', 'yaml');
  assert.equal(code, 0, stderr);
  const { maps } = parse(stdout) as MapTold;
  assert.deepEqual([maps[0]!.names, maps[0]!.pools], [['www.gslb.example.'], ['web']]);
});

test('map of the shipped places is what docs/OPERATING.md shows', async (t) => {
  const quickstart = await readFile(new URL('config/quickstart.yaml', ROOT), 'utf8');
  const manual = await readFile(new URL('docs/OPERATING.md', ROOT), 'utf8');
  const [, command = '', shown] = /\$ meridian (map .*)\n([\s\S]*?)```/.exec(manual) ?? [];
  const [, region = ''] = /one region more, `(.*?)`/.exec(manual) ?? [];
  const next = parse(quickstart);
  Object.assign(next.regions, parse(region));
  next.pools.web.endpoints.push('oregon');
  const files: Readonly<Record<string, string>> = {
    'config/quickstart.yaml': quickstart,
    'next.yaml': stringify(next),
  };
  const { runIn } = await openCli(t);
  const io = { readFile: async (path: string) => files[path]! };
  const { code, stderr, stdout } = await runIn(io, ...command.split(' '));
  assert.equal(code, 0, stderr);
  assert.equal(stdout, shown, 'put what is told now into the manual');
});

test('partText() keeps small parts readable', () => {
  const cases = [1, 0.3124, 0.01, 0.00987, 0.000034, 3.4e-8, 1e-12, 0];
  assert.deepEqual(cases.map(partText), [
    ...['100.0 %', '31.2 %', '1.0 %', '0.99 %', '0.0034 %', '0.0000034 %'],
    ...['<0.000001 %', '0 %'],
  ]);
});
