import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { type Place, run, serverWords } from './ask.ts';
import { startServer } from './server-process.ts';
import { REGIONS } from './world-node.ts';

/** BIND and NSD as primaries: NOTIFY, IXFR and AXFR, signed each way; zones that BIND signs, and those signed here. */
const DEADLINE_MS = 30_000;
const secret = (octets: number): string => Buffer.alloc(octets, octets).toString('base64');
const meridian: Place = { address: loopbackAddress(), port: 5300 };
// It listens on addresses of interfaces only.
const bind: Place = { address: '127.0.0.1', port: await freePort() };
const nsd: Place = { address: loopbackAddress(), port: 5302 };
const silent: Place = { address: loopbackAddress(), port: 5304 };
const keys = {
  'bind.example': { algorithm: 'hmac-sha256', secret: secret(32) },
  'nsd.example': { algorithm: 'hmac-sha512', secret: secret(64) },
};

const zoneFile = (serial: number, more = ''): string => `$TTL 300
@ SOA ns1 host ${serial} 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.200
www TXT "of the primary"
static A 192.0.2.201
${Array.from({ length: 200 }, (_, index) => `h${index} TXT "${'x'.repeat(200)}"`).join('\n')}
${more}
`;
const bindZone = (zone: string, more = ''): string => `zone "${zone}" {
  type primary; file "${zone}.zone"; allow-update { key "bind.example"; }; ${more}
};
`;

const named = startServer(
  (directory) => ({
    'changed.example.zone': zoneFile(1),
    'signed.example.zone': zoneFile(1),
    'resigned.example.zone': zoneFile(1),
    'named.conf': `options {
  directory "${directory}"; listen-on port ${bind.port} { ${bind.address}; }; listen-on-v6 { none; };
  recursion no; pid-file none; session-keyfile none; notify explicit; notify-delay 0;
  allow-transfer { key "bind.example"; };
  also-notify { ${meridian.address} port ${meridian.port} key "bind.example"; };
};
controls { };
key "bind.example" { algorithm hmac-sha256; secret "${keys['bind.example'].secret}"; };
${bindZone('changed.example')}
${bindZone('signed.example', 'dnssec-policy default; inline-signing yes;')}
${bindZone('resigned.example', 'dnssec-policy default; inline-signing yes;')}
`,
  }),
  (directory) => ['named', '-g', '-n', '1', '-c', join(directory, 'named.conf')],
);
const nsdServer = startServer(
  (directory) => ({
    'file.example.zone': zoneFile(1),
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
  name: "file.example"
  zonefile: "file.example.zone"
  store-ixfr: yes
  create-ixfr: yes
  notify: ${meridian.address}@${meridian.port} nsd.example
  provide-xfr: 127.0.0.0/8 nsd.example
  outgoing-interface: ${nsd.address}
`,
  }),
  (directory) => ['nsd', '-d', '-c', join(directory, 'nsd.conf')],
);
const said = (): string => `${named.said()}\n${nsdServer.said()}`;
after(() => Promise.all([named.stop(), nsdServer.stop()]));
const state = mkdtempSync(join(tmpdir(), 'meridian-state-'));
after(() => rmSync(state, { recursive: true, force: true }));

await until(() => /all zones loaded/.test(named.said()), DEADLINE_MS, said);
await until(() => /nsd started/.test(nsdServer.said()), DEADLINE_MS, said);
const steered = { www: { pool: 'web' } };
const ofBind = { servers: [silent, bind].map((each) => ({ ...each, key: 'bind.example' })) };
const fixture = await startNodeFixture({
  node: { roles: ['nameserver'], workers: { dns: 1 }, stateDirectory: state },
  regions: REGIONS,
  pools: { web: { endpoints: Object.keys(REGIONS) } },
  zones: {
    'changed.example': { primary: ofBind, steered },
    'signed.example': { primary: ofBind, steered },
    'resigned.example': { primary: ofBind, steered, dnssec: {} },
    'file.example': { primary: { servers: [{ ...nsd, key: 'nsd.example' }] }, steered },
  },
  dns: { listeners: [`${meridian.address}:${meridian.port}`], keys },
});
after(fixture.stop);

async function dig(...words: string[]): Promise<string> {
  return (await run('dig', [...serverWords(meridian), '+tries=1', '+time=2', ...words])).output;
}
const short = async (...words: string[]): Promise<string> => (await dig('+short', ...words)).trim();
const events = async (): Promise<string> =>
  (await fixture.node.plane.events('', 10_000))
    .map(({ kind, message }) => `${kind}: ${message}`)
    .join('\n');
/** What `dig` says, once it is so. */
const becomes = (wanted: string, ...words: string[]): Promise<unknown> =>
  until(async () => (await short(...words)) === wanted, DEADLINE_MS, said);
/** BIND signs a zone a moment after it has loaded it. */
const happens = (wanted: RegExp): Promise<unknown> =>
  until(async () => wanted.test(await events()), DEADLINE_MS, said);
const STEERED = /^192\.0\.2\.[123]$/;

function update(zone: string, ...lines: string[]): void {
  const input = [`server ${bind.address} ${bind.port}`, `zone ${zone}`, ...lines, 'send', ''].join(
    '\n',
  );
  const words = ['-y', `hmac-sha256:bind.example:${keys['bind.example'].secret}`];
  const { status, stderr } = spawnSync('nsupdate', words, { encoding: 'utf8', input });
  assert.equal(status, 0, stderr);
}

test('zones come from BIND, where the first primary does not answer, and from NSD', async () => {
  for (const zone of ['changed.example', 'signed.example', 'resigned.example', 'file.example']) {
    await becomes('192.0.2.201', `static.${zone}`);
    assert.match(await short(`www.${zone}`), STEERED);
    assert.equal(await short(`www.${zone}`, 'TXT'), '"of the primary"');
  }
  assert.match(
    await events(),
    new RegExp(`changed\\.example has .*${bind.address}:${bind.port} \\(AXFR\\)`),
  );
});

test('what BIND is told by an update comes by NOTIFY and IXFR', async () => {
  update('changed.example', 'update add new.changed.example 60 A 192.0.2.210');
  await becomes('192.0.2.210', 'new.changed.example');
  update(
    'changed.example',
    'update delete new.changed.example A',
    'update add other.changed.example 60 A 192.0.2.211',
  );
  await becomes('192.0.2.211', 'other.changed.example');
  assert.match(await dig('new.changed.example'), /status: NXDOMAIN/);
  assert.match(await events(), /changed\.example has the serial 3 now, .*\(IXFR\)/);
});

test('a file that NSD reads again comes by NOTIFY and IXFR', async () => {
  writeFileSync(join(nsdServer.directory, 'file.example.zone'), zoneFile(2, 'new A 192.0.2.220'));
  nsdServer.signal('SIGHUP');
  await becomes('192.0.2.220', 'new.file.example');
  assert.match(await events(), /file\.example has the serial 2 now, .*\(IXFR\)/);
});

test('a zone that BIND signs is served without its signatures, which is told', async () => {
  await happens(/zone\.altered: signed\.example .*its \d+ records of signatures are left out/);
  assert.match(await short('signed.example', 'DNSKEY'), /^257 3 13 /);
  assert.doesNotMatch(await dig('+dnssec', 'static.signed.example'), /RRSIG/);
});

test('a copy that is signed here has the keys of here alone, and validates with steered names on top', async () => {
  await happens(/zone\.altered: resigned\.example .*its keys are left out/);
  const anchors = (await short('resigned.example', 'DNSKEY')).split('\n');
  assert.equal(anchors.length, 1);
  const [flags, protocol, algorithm, ...key] = anchors[0]!.split(' ');
  const anchor = `trust-anchors { resigned.example. static-key ${flags} ${protocol} ${algorithm} "${key.join('')}"; };\n`;
  const file = join(state, 'anchor.conf');
  writeFileSync(file, anchor);
  const delv = ['-a', file, '+root=resigned.example', ...serverWords(meridian)];
  for (const [name, type] of [
    ['static', 'A'],
    ['www', 'A'],
    ['www', 'TXT'],
    ['nowhere', 'A'],
  ] as const) {
    const { output } = await run('delv', [...delv, `${name}.resigned.example`, type]);
    assert.match(output, /; (negative response, )?fully validated/, output);
  }
});
