import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { STARTED_AT_MS } from '../admin/fixture-plane.ts';
import { openCli } from './cli-harness.ts';
import { type DoctorWorld, openDoctorWorld, ZONE } from './doctor-world.ts';

/** The time of the CLI under test. */
const NOW_MS = STARTED_AT_MS + 3_600_000;

async function openDoctor(t: TestContext) {
  const world = await openDoctorWorld(t, NOW_MS);
  const { run } = await openCli(t);
  const { parent, port } = world;
  const flags = ['--parent', `${parent.address}:${port}`, '--port', String(port)];
  const doctor = (...more: readonly string[]) => run('doctor', ZONE, ...flags, ...more);
  return { world, run, doctor };
}

test('doctor finds nothing bad in a healthy delegation', async (t) => {
  const { doctor, world } = await openDoctor(t);
  const { code, stdout } = await doctor('--name', `www.${ZONE}`);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^gslb\.example\. as the zone above delegates it \(asked: 127\.[\d.]+\)$/m);
  for (const { address, name } of world.nodes) {
    assert.match(stdout, new RegExp(`^${name}\\. +${address} +yes +7 +[\\d.]+ ms +${name}$`, 'm'));
  }
  assert.match(stdout, /^193\.0\.6\.0\/24 +192\.0\.2\.1 +\/24 +30s$/m);
  assert.match(stdout, /^202\.12\.29\.0\/24 +198\.51\.100\.1 +\/24 +30s$/m);
  for (const line of [
    'delegation +The parent and the zone name the same 2 nameservers\\.',
    'glue +Glue of 2 nameservers compared with its own addresses\\.',
    'lame +Every address answers with authority \\(2\\)\\.',
    'serial +Every address has serial 7 \\(2\\)\\.',
    'tcp +Every address answers by TCP \\(2\\)\\.',
    'edns +Every address answers with EDNS, refuses its version 1, and keeps to 1232 octets \\(2\\)\\.',
    'dnssec +The zone is not signed, and the parent has no DS: both agree\\.',
    'client-subnet +Different answers for www\\.gslb\\.example\\.: 2 \\(client networks: 9; scopes /24 to /48\\)\\.',
    "clock +Every clock that DNS cookies show agrees with this machine's \\(2\\)\\.",
    'redundancy +2 nameservers in more than one network\\.',
    'ttl +NS records are kept for 3600 s at the parent, 3600 s in the zone\\.',
    'ttl +Resolvers keep for 60 s that a name is not there\\.',
  ]) {
    assert.match(stdout, new RegExp(`^\\+ ok +${line}$`, 'm'), line);
  }
  assert.match(stdout, /^0 bad, 1 warn, 12 ok$/m, 'loopback addresses are private');
});

test('doctor says what is broken and what to do', async (t) => {
  const { doctor, world } = await openDoctor(t);
  const [first, second] = world.nodes;
  const healthy = structuredClone({ parent: world.parent, first, second });
  const cases: readonly (readonly [string, () => void, RegExp])[] = [
    [
      'another serial',
      () => Object.assign(second, { serial: 8 }),
      /serial +.*serial 7 at .*; 8 at /,
    ],
    ['REFUSED', () => Object.assign(second, { rcode: 5 }), /lame +ns2.* answers REFUSED\./],
    ['SERVFAIL', () => Object.assign(second, { rcode: 2 }), /lame +ns2.* answers SERVFAIL\./],
    ['a resolver', () => Object.assign(second, { authoritative: false }), /lame +ns2.*no AA bit/],
    [
      'wrong glue',
      () => {
        world.parent.glue = { ...world.parent.glue, [second.name]: '127.0.0.99' };
      },
      /glue +Glue at the parent says that ns2\S+ is at 127\.0\.0\.99; the zone says/,
    ],
    ['no TCP', () => Object.assign(first, { tcp: false }), /tcp +ns1.* does not answer by TCP/],
    ['no EDNS', () => Object.assign(first, { edns: false }), /edns +ns1.*no OPT record comes back/],
    [
      'no ECS',
      () => Object.assign(first, { ecs: false }),
      /client-subnet +ns1.*not send the client/,
    ],
    [
      'a clock',
      () => Object.assign(first, { aheadSeconds: 900 }),
      /clock +.*ns1.* is 900 s ahead of/,
    ],
    [
      'other NS',
      () => Object.assign(second, { names: [second.name] }),
      /delegation +The zone's nameservers do not agree about its NS/,
    ],
    [
      'a DS of nothing',
      () => {
        const data = { keyTag: 1, algorithm: 13, digestType: 2, digest: Buffer.alloc(32) };
        world.parent.ds = [{ name: ZONE, type: 'DS', ttl: 3600, data }];
      },
      /dnssec +The parent has DS records \(key tag 1\), but the zone has no keys/,
    ],
    [
      'no delegation',
      () => Object.assign(world.parent, { delegates: false }),
      /delegation +The parent's server .* does not delegate gslb\.example\.: it says NXDOMAIN/,
    ],
  ];
  for (const [what, breakIt, expected] of cases) {
    breakIt();
    const { code, stdout } = await doctor('--name', `www.${ZONE}`);
    assert.equal(code, 1, `${what}\n${stdout}`);
    assert.match(stdout, new RegExp(`^x bad +${expected.source}.*\\n +hint: \\S`, 'm'), what);
    restore(world, healthy);
  }
  assert.equal((await doctor()).code, 0);
});

function restore(
  world: DoctorWorld,
  healthy: { readonly parent: object; readonly first: object; readonly second: object },
): void {
  const { first, parent, second } = structuredClone(healthy);
  Object.assign(world.parent, parent);
  Object.assign(world.nodes[0], first);
  Object.assign(world.nodes[1], second);
}

test('doctor finds the parent by a resolver, and speaks JSON', async (t) => {
  const { run, world } = await openDoctor(t);
  const { parent, port, resolver } = world;
  const flags = ['--resolver', `${resolver}:${port}`, '--port', String(port)];
  const { code, stdout } = await run('doctor', `${ZONE}.`, ...flags, '-o', 'json');
  assert.equal(code, 0, stdout);
  const report = JSON.parse(stdout);
  assert.deepEqual(report.parent, { name: 'example.', servers: [parent.address] });
  assert.equal(report.zone, 'gslb.example.');
  assert.deepEqual(
    report.nameservers.map(({ serial, standing }: Record<string, unknown>) => [standing, serial]),
    [
      ['authoritative', 7],
      ['authoritative', 7],
    ],
  );
  assert.equal(report.steered, undefined);
  for (const { severity, hint } of report.findings) {
    assert.equal(hint === undefined, severity === 'ok');
  }
});

test('doctor that can ask nobody is exit code 69, and a wrong command line 2', async (t) => {
  const { run } = await openCli(t);
  const flags = ['--resolver', '127.0.0.1:1', '--timeout', '1'];
  const unfound = await run('doctor', ZONE, ...flags);
  assert.equal(unfound.code, 69);
  assert.match(unfound.stderr, /was not found: the resolver 127\.0\.0\.1: nothing listens there/);
  assert.match(unfound.stderr, /hint: Name a resolver/);
  const silent = await run('doctor', ZONE, '--parent', '127.0.0.1:1');
  assert.equal(silent.code, 69);
  assert.match(silent.stderr, /No server of the zone above gslb\.example\. answers \(127\.0\.0\.1/);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['x..y'], /not a name of the DNS/],
    [['.'], /root has no zone above/],
    [[ZONE, '--port', '0'], /a port from 1/],
    [[ZONE, '--parent', 'nowhere'], /Give an address/],
    [[ZONE, '--resolver', '127.0.0.1:99999'], /Give an address/],
    [[ZONE, '--name', 'www', '--type', 'MX'], /A and AAAA/],
    [[ZONE, '--name', 'www', '--client', '10.0.0.1/8'], /a network such as/],
    [[ZONE, '--timeout', 'long'], /a time such as/],
  ];
  for (const [argv, expected] of cases) {
    const { code, stderr } = await run('doctor', ...argv);
    assert.equal(code, 2, argv.join(' '));
    assert.match(stderr, expected, argv.join(' '));
  }
});
