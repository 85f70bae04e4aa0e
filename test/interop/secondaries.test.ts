import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import { type Place, run, serverWords } from './ask.ts';
import { startServer } from './server-process.ts';
import { startWorldNode, zone } from './world-node.ts';

/** BIND, NSD and Knot as secondaries: told by NOTIFY, they fetch what has changed, signed each way. */
const DEADLINE_MS = 30_000;
const secret = (octets: number): string => Buffer.alloc(octets, octets).toString('base64');
const meridian: Place = { address: loopbackAddress(), port: 5300 };
// It listens on addresses of interfaces only.
const bind: Place = { address: '127.0.0.1', port: await freePort() };
const nsd: Place = { address: loopbackAddress(), port: 5302 };
const knot: Place = { address: loopbackAddress(), port: 5303 };
const keys = {
  'bind.example': { algorithm: 'hmac-sha256', secret: secret(32) },
  'nsd.example': { algorithm: 'hmac-sha512', secret: secret(64) },
  'knot.example': { algorithm: 'hmac-sha384', secret: secret(48) },
};
const notify = [
  { ...bind, key: 'bind.example', source: meridian.address },
  { ...nsd, key: 'nsd.example', source: meridian.address },
  { ...knot, key: 'knot.example', source: meridian.address },
];
const zones = (serial: number, more: object = {}) => ({
  'gslb.example': {
    ...zone,
    soa: { ...zone.soa, serial },
    records: { ...zone.records, ...more },
    transfer: { allow: Object.keys(keys).map((key) => ({ key })), notify },
  },
});

const named = startServer(
  (directory) => ({
    'named.conf': `options {
  directory "${directory}"; listen-on port ${bind.port} { ${bind.address}; }; listen-on-v6 { none; };
  recursion no; notify no; allow-transfer { any; }; pid-file none; session-keyfile none;
};
controls { };
key "bind.example" { algorithm hmac-sha256; secret "${keys['bind.example'].secret}"; };
zone "gslb.example" {
  type secondary; file "gslb.zone"; masterfile-format text;
  primaries { ${meridian.address} port ${meridian.port} key "bind.example"; };
};
`,
  }),
  (directory) => ['named', '-g', '-n', '1', '-c', join(directory, 'named.conf')],
);
const nsdServer = startServer(
  (directory) => ({
    'nsd.conf': `server:
  ip-address: ${nsd.address}@${nsd.port}
  username: ""
  chroot: ""
  database: ""
  zonesdir: "${directory}"
  pidfile: ""
  xfrdfile: "${directory}/xfrd.state"
  zonelistfile: "${directory}/zone.list"
  xfrdir: "${directory}"
  server-count: 1
  verbosity: 2
remote-control:
  control-enable: no
key:
  name: "nsd.example"
  algorithm: hmac-sha512
  secret: "${keys['nsd.example'].secret}"
zone:
  name: "gslb.example"
  zonefile: "gslb.zone"
  allow-notify: ${meridian.address} nsd.example
  request-xfr: ${meridian.address}@${meridian.port} nsd.example
  provide-xfr: 127.0.0.0/8 NOKEY
`,
  }),
  (directory) => ['nsd', '-d', '-c', join(directory, 'nsd.conf')],
);
const knotServer = startServer(
  (directory) => ({
    'knot.conf': `server:
    rundir: "${directory}"
    listen: ${knot.address}@${knot.port}
database:
    storage: "${directory}"
log:
  - target: stderr
    any: info
key:
  - id: knot.example
    algorithm: hmac-sha384
    secret: "${keys['knot.example'].secret}"
remote:
  - id: meridian
    address: ${meridian.address}@${meridian.port}
    key: knot.example
acl:
  - id: told
    address: ${meridian.address}
    key: knot.example
    action: notify
  - id: copied
    address: 127.0.0.0/8
    action: transfer
zone:
  - domain: gslb.example
    storage: "${directory}"
    file: gslb.zone
    master: meridian
    acl: [told, copied]
`,
  }),
  (directory) => ['knotd', '-c', join(directory, 'knot.conf')],
);
after(() => Promise.all([named, nsdServer, knotServer].map(({ stop }) => stop())));
const fixture = await startWorldNode([`${meridian.address}:${meridian.port}`], zones(7), { keys });
after(fixture.stop);

async function dig(server: Place, ...words: string[]): Promise<string> {
  return (await run('dig', [...serverWords(server), '+tries=1', '+time=2', ...words])).output;
}

async function serialOf(server: Place): Promise<string | undefined> {
  return (await dig(server, '+short', 'gslb.example', 'SOA')).split(' ')[2];
}

/** All records, in one order. */
async function copyOf(server: Place, ...words: string[]): Promise<readonly string[]> {
  const output = await dig(
    server,
    '+noall',
    '+answer',
    '+onesoa',
    ...words,
    'gslb.example',
    'AXFR',
  );
  return output
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';') && !/\sTSIG\s/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    .toSorted();
}

async function reload(serial: number, more: object): Promise<void> {
  const config = JSON.parse(readFileSync(fixture.file, 'utf8'));
  writeFileSync(fixture.file, JSON.stringify({ ...config, zones: zones(serial, more) }));
  const result = await fixture.node.plane.reload('test');
  assert.ok(result.ok);
}

const said = (): string => [named, nsdServer, knotServer].map((each) => each.said()).join('\n');
const secondaries = [bind, nsd, knot];
const allHave = (serial: number) => async (): Promise<boolean> => {
  const serials = await Promise.all(secondaries.map(serialOf));
  return serials.every((each) => each === String(serial));
};
const KEY = `hmac-sha256:bind.example:${keys['bind.example'].secret}`;

test('BIND, NSD and Knot copy the zone', async () => {
  await until(allHave(7), DEADLINE_MS, said);
  const here = await copyOf(meridian, '-y', KEY);
  assert.ok(here.length > 30);
  for (const each of secondaries) assert.deepEqual(await copyOf(each), here);
});

test('a new serial is told, fetched as a change and served', async () => {
  for (const [serial, data] of [
    [8, '192.0.2.100'],
    [9, '192.0.2.101'],
  ] as const) {
    await reload(serial, { added: { A: data } });
    await until(allHave(serial), DEADLINE_MS, said);
    for (const server of secondaries) {
      assert.equal((await dig(server, '+short', 'added.gslb.example')).trim(), data);
    }
  }
  const here = await copyOf(meridian, '-y', KEY);
  for (const each of secondaries) assert.deepEqual(await copyOf(each), here);
  // Four SOAs, one record taken away and one put there.
  assert.match(named.said(), /Transfer completed: 1 messages, 6 records, .*\(serial 9\)/);
  assert.match(knotServer.said(), /notify, incoming.*serial 9\n(.*\n)*.*IXFR, incoming.*started/);
  assert.match(named.said(), /TSIG 'bind\.example'|received notify for zone 'gslb\.example': TSIG/);
  const told = (await fixture.node.plane.events('', 1000)).map(({ kind }) => kind);
  assert.ok(!told.includes('zone.notify-failed'), said());
});
