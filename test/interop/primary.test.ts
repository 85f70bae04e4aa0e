import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { type Place, run, serverWords } from './ask.ts';
import { type ServerProcess, startServer } from './server-process.ts';
import { REGIONS } from './world-node.ts';

/** Meridian as a secondary of Knot: NOTIFY, IXFR and AXFR signed with HMAC-SHA384, steered names on top. */
const DEADLINE_MS = 30_000;
const SECRET = Buffer.alloc(48, 48).toString('base64');
const meridian: Place = { address: loopbackAddress(), port: 5300 };
const knot: Place = { address: loopbackAddress(), port: 5303 };
const state = mkdtempSync(join(tmpdir(), 'meridian-state-'));
/** A restart fits in it. */
const EXPIRE_SECONDS = 12;

/** Somebody who copies the copy: serials that it was told. */
const told: number[] = [];
const downstream = createSocket('udp4', (bytes, { address, port }) => {
  told.push(bytes.readUInt32BE(bytes.length - 20));
  downstream.send(
    Buffer.concat([bytes.subarray(0, 2), Buffer.from([0xa4]), bytes.subarray(3)]),
    port,
    address,
  );
});
downstream.bind(0, '127.0.0.1');
await once(downstream, 'listening');
after(() => downstream.close());

const zoneFile = `$TTL 300
@ SOA ns1 host 1 3600 600 86400 60
@ NS ns1
@ MX 10 mail.other.example.
ns1 A 192.0.2.53
www A 192.0.2.200
www TXT "of the primary"
static A 192.0.2.201
*.wild TXT "any"
alias CNAME static
odd TYPE65400 \\# 3 010203
sub NS ns.sub
ns.sub A 192.0.2.55
sub DS 1 13 2 0102030405060708091011121314151617181920212223242526272829303132
${Array.from({ length: 300 }, (_, index) => `h${index} TXT "${'x'.repeat(200)}"`).join('\n')}
`;

function startKnot(): ServerProcess {
  return startServer(
    (directory) => ({
      'gslb.zone': zoneFile,
      'knot.conf': `server:
    rundir: "${directory}"
    listen: ${knot.address}@${knot.port}
database:
    storage: "${directory}"
log:
  - target: stderr
    any: info
control:
    listen: "${directory}/knot.sock"
key:
  - id: knot.example
    algorithm: hmac-sha384
    secret: "${SECRET}"
remote:
  - id: meridian
    address: ${meridian.address}@${meridian.port}
    key: knot.example
acl:
  - id: secondaries
    key: knot.example
    action: transfer
zone:
  - domain: gslb.example
    storage: "${directory}"
    file: gslb.zone
    notify: meridian
    acl: secondaries
    zonefile-sync: -1
`,
    }),
    (directory) => ['knotd', '-c', join(directory, 'knot.conf')],
  );
}

const startNode = (): Promise<NodeFixture> =>
  startNodeFixture({
    node: { roles: ['nameserver'], workers: { dns: 1 }, stateDirectory: state },
    regions: REGIONS,
    pools: { web: { endpoints: Object.keys(REGIONS) } },
    zones: {
      'gslb.example': {
        primary: { servers: [{ ...knot, key: 'knot.example', source: meridian.address }] },
        steered: { www: { pool: 'web' }, app: { pool: 'web' } },
        transfer: { allow: ['127.0.0.0/8'], notify: [`127.0.0.1:${downstream.address().port}`] },
      },
      'other.example': { nameservers: ['ns.else.example.'], records: { '@': { TXT: 'here' } } },
    },
    dns: {
      listeners: [`${meridian.address}:${meridian.port}`],
      keys: { 'knot.example': { algorithm: 'hmac-sha384', secret: SECRET } },
    },
  });

let fixture = await startNode();
let primary: ServerProcess | undefined;
after(async () => {
  await fixture.stop();
  await primary?.stop();
  rmSync(state, { recursive: true, force: true });
});

async function dig(server: Place, ...words: string[]): Promise<string> {
  return (await run('dig', [...serverWords(server), '+tries=1', '+time=2', ...words])).output;
}
const short = async (...words: string[]): Promise<string> =>
  (await dig(meridian, '+short', ...words)).trim();
const serialOf = async (server: Place): Promise<string | undefined> =>
  (await dig(server, '+short', 'gslb.example', 'SOA')).split(' ')[2];

function knotc(...words: string[]): void {
  const socket = join(primary!.directory, 'knot.sock');
  const { status, stderr, stdout } = spawnSync('knotc', ['-s', socket, ...words], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${words.join(' ')}: ${stderr}${stdout}`);
}
function change(...lines: string[]): void {
  knotc('zone-begin', 'gslb.example');
  for (const line of lines) knotc(...line.split(' '));
  knotc('zone-commit', 'gslb.example');
}
const events = async (): Promise<readonly string[]> =>
  (await fixture.node.plane.events('', 10_000)).map(({ kind, message }) => `${kind}: ${message}`);
const has = (serial: number) => async (): Promise<boolean> =>
  (await serialOf(meridian)) === String(serial);
const STEERED = /^192\.0\.2\.[123]$/;

test('before the first copy the zone fails, but for what is steered; other zones do not', async () => {
  const missing = await dig(meridian, 'static.gslb.example');
  assert.match(missing, /status: SERVFAIL/);
  assert.match(missing, /EDE: 14 \(Not Ready\)/);
  assert.match(await dig(meridian, 'gslb.example', 'SOA'), /status: SERVFAIL/);
  assert.match(await dig(meridian, 'nowhere.gslb.example'), /status: SERVFAIL/);
  assert.match(await short('app.gslb.example'), STEERED);
  assert.equal(await short('other.example', 'TXT'), '"here"');
});

test('the zone is copied from Knot, with steered names on top', async () => {
  primary = startKnot();
  await until(() => primary?.said().includes('server started'), DEADLINE_MS, said0);
  const [status] = fixture.node.plane.zones();
  assert.equal(status?.copy?.standing, 'missing');
  await fixture.node.plane.refreshZone('gslb.example');
  await until(has(1), DEADLINE_MS, said0);
  assert.equal(await short('static.gslb.example'), '192.0.2.201');
  assert.equal(await short('any.wild.gslb.example', 'TXT'), '"any"');
  assert.equal(await short('odd.gslb.example', 'TYPE65400'), '\\# 3 010203');
  assert.match(
    await dig(meridian, 'x.sub.gslb.example'),
    /ns\.sub\.gslb\.example\.\s+300\s+IN\s+A/,
  );
  assert.match(await short('www.gslb.example'), STEERED);
  assert.equal(await short('www.gslb.example', 'TXT'), '"of the primary"');
  assert.match(
    (await events()).join('\n'),
    /zone\.altered: .*steered here are www\.gslb\.example\. A\./,
  );
  assert.match((await events()).join('\n'), /zone\.transferred: .*serial 1 now.*\(AXFR\)/);
});

function said0(): string {
  return primary?.said() ?? '';
}

test('a change is told by NOTIFY, fetched by IXFR and answered', async () => {
  change('zone-set gslb.example added 60 A 192.0.2.210', 'zone-unset gslb.example static A');
  await until(has(2), DEADLINE_MS, said0);
  assert.equal(await short('added.gslb.example'), '192.0.2.210');
  assert.match(await dig(meridian, 'static.gslb.example'), /status: NXDOMAIN/);
  assert.match((await events()).join('\n'), /serial 2 now.*\(IXFR\)/);
  change('zone-set gslb.example added 60 A 192.0.2.211');
  change('zone-unset gslb.example added 60 A 192.0.2.210');
  await until(has(4), DEADLINE_MS, said0);
  assert.equal(await short('added.gslb.example'), '192.0.2.211');
});

test('those who copy from here get it with the serial of the primary', async () => {
  const copy = async (server: Place, ...words: string[]): Promise<readonly string[]> =>
    (await dig(server, '+noall', '+answer', '+onesoa', ...words, 'gslb.example', 'AXFR'))
      .split('\n')
      .filter(
        (line) =>
          line !== '' && !/^;|\sTSIG\s|^(www|app)\.gslb\.example\.\s+\d+\s+IN\s+A/.test(line),
      )
      .map((line) => line.replaceAll(/\s+/g, ' '))
      .toSorted();
  const theirs = await copy(knot, '-y', `hmac-sha384:knot.example:${SECRET}`);
  assert.ok(theirs.length > 300);
  assert.deepEqual(await copy(meridian), theirs);
  await until(
    () => told.at(-1) === 4,
    DEADLINE_MS,
    () => told.join(' '),
  );
  assert.equal(told[0], 1);
});

test('NOTIFY of strangers is refused', async () => {
  const words = ['-b', '127.0.0.1', '+opcode=notify', 'gslb.example', 'SOA'];
  assert.match(await dig(meridian, ...words), /status: REFUSED/);
  const known = ['-b', knot.address, '+opcode=notify', 'gslb.example', 'SOA'];
  assert.match(await dig(meridian, ...known), /status: NOERROR/);
  assert.match(await dig(meridian, '+tcp', ...known), /status: NOERROR/);
  const other = ['-b', knot.address, '+opcode=notify', 'other.example', 'SOA'];
  assert.match(await dig(meridian, ...other), /status: NOTAUTH/);
});

test('a restart without the primary goes on with the copy, until it expires', async () => {
  change(`zone-set gslb.example @ SOA ns1 host 5 3600 600 ${EXPIRE_SECONDS} 60`);
  await until(has(5), DEADLINE_MS, said0);
  await fixture.stop();
  await primary?.stop();
  fixture = await startNode();
  assert.equal(await serialOf(meridian), '5');
  assert.equal(await short('added.gslb.example'), '192.0.2.211');
  const status = await fixture.node.plane.refreshZone('gslb.example.');
  assert.ok(!('problem' in status) && status.copy !== undefined, JSON.stringify(status));
  assert.match(status.copy.problem ?? '', /nothing listens there/);
  const expired = async (): Promise<boolean> =>
    /EDE: 24 /.test(await dig(meridian, 'added.gslb.example'));
  await until(expired, DEADLINE_MS, said0);
  assert.match(await dig(meridian, 'added.gslb.example'), /status: SERVFAIL/);
  assert.match(await short('app.gslb.example'), STEERED);
  assert.match((await events()).join('\n'), /zone\.refresh-failed: .*\n(.*\n)*.*zone\.expired: /);
});

test('when the primary is back, so is the zone', async () => {
  primary = startKnot();
  await until(() => primary?.said().includes('server started'), DEADLINE_MS, said0);
  // It begins anew with serial 1: what has expired is not compared with.
  await fixture.node.plane.refreshZone('gslb.example');
  await until(has(1), DEADLINE_MS, said0);
  assert.equal(await short('static.gslb.example'), '192.0.2.201');
  assert.match((await events()).join('\n'), /zone\.refreshed: /);
});
