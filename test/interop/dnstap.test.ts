import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { askTcp, askUdp } from '../dnstap/ask.ts';
import { type DecodedEvent, decodeFrames } from '../dnstap/decode-event.ts';
import { queryBytes } from '../nameserver/fixture.ts';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { until } from '../node/until.ts';
import { createAuthority } from '../probe/certificates.ts';
import { run } from './ask.ts';
import { startServer } from './server-process.ts';
import { startWorldNode } from './world-node.ts';

/**
 * What Meridian tells of its queries, collected by `fstrm_capture` (libfstrm), which speaks the other end of Frame
 * Streams, and read by BIND's `dnstap-read`. Asked by `dig` over UDP, TCP, TLS and HTTPS, and by hand where every
 * octet counts.
 */
const DEADLINE_MS = 30_000;
const CONTENT = 'protobuf:dnstap.Dnstap';
const PORTS = { dns: 5300, tls: 5853, https: 5443 };
const folder = mkdtempSync(join(tmpdir(), 'meridian-dnstap-'));
const authority = createAuthority();
const issued = authority.issue(['ns1.example']);
const [file, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
writeFileSync(file, issued.cert);
writeFileSync(keyFile, issued.key);
after(() => rmSync(folder, { recursive: true }));

/** Of nobody who may. */
const UPDATE = Buffer.from(queryBytes('gslb.example', 'SOA'));
UPDATE[2] = 5 << 3;

for (const kind of ['unix', 'tcp'] as const) {
  test(`fstrm_capture over ${kind} and dnstap-read: who asked what how, and every octet`, async (t) => {
    const capture = await startCapture(t, kind);
    const address = loopbackAddress();
    const from = loopbackAddress();
    const way = { address, port: PORTS.dns, from };
    const port6 = await freePort('::1').catch(() => undefined);
    const node = await startNode(t, address, port6, capture.to);
    const asked = [
      await askUdp(way, queryBytes('www.gslb.example', 'A')),
      await askTcp(way, queryBytes('big.gslb.example', 'TXT')),
      await askUdp(way, queryBytes('no.such.test', 'MX')),
      await askUdp(way, UPDATE),
    ];
    const dig = [`@${address}`, '-b', from, '+norec', '+tries=1'];
    const commands = [
      [...dig, '-p', `${PORTS.dns}`, 'mail.gslb.example', 'AAAA'],
      [...dig, '-p', `${PORTS.dns}`, '+tcp', 'mail.gslb.example', 'AAAA'],
      [...dig, '-p', `${PORTS.tls}`, '+tls', 'mail.gslb.example', 'AAAA'],
      [...dig, '-p', `${PORTS.https}`, '+https', 'mail.gslb.example', 'AAAA'],
      ...(port6 === undefined
        ? []
        : [['@::1', '-p', `${port6}`, '+norec', 'mail.gslb.example', 'AAAA']]),
    ];
    for (const words of commands) {
      const { code, output } = await run('dig', words);
      assert.equal(code, 0, output);
      assert.match(output, /2001:db8::25/);
    }
    // Whoever stops takes leave: STOP, FINISH, and the file is whole.
    await node.stop();
    const { events, file: written } = await capture.end();
    assert.equal(events.length, 2 * (asked.length + commands.length));
    for (const { port, protocol, query, reply } of asked) {
      const [first, second, ...more] = events.filter(
        (event) => event.query === `${from} ${port}` && event.protocol === protocol,
      );
      assert.equal(more.length, 0);
      const kind = query.equals(UPDATE) ? 'UPDATE' : 'AUTH';
      assert.deepEqual([first!.type, second!.type], [`${kind}_QUERY`, `${kind}_RESPONSE`]);
      assert.deepEqual(first!.queryMessage, query);
      assert.deepEqual(second!.responseMessage, reply);
      for (const { identity, response, version } of [first!, second!]) {
        assert.deepEqual([identity, version], ['interop', '1.0']);
        assert.equal(response, `${address} ${PORTS.dns}`);
      }
    }
    checkProtocols(events, address, from, port6);
    await checkReading(written, events);
  });
}

test('a collector that is started later, and started anew, gets what comes then', async (t) => {
  const address = loopbackAddress();
  const first = await startCapture(t, 'tcp');
  const node = await startNode(t, address, undefined, first.to);
  await askUdp({ address, port: PORTS.dns, from: address }, queryBytes('mail.gslb.example', 'A'));
  await until(async () => (await written(node)) === 2, DEADLINE_MS, 'two events');
  assert.equal((await first.end()).events.length, 2);
  await until(async () => (await connected(node)) === 0, DEADLINE_MS, 'the node knows');
  await askUdp(
    { address, port: PORTS.dns, from: address },
    queryBytes('mail.gslb.example', 'AAAA'),
  );
  const second = await startCapture(t, 'tcp', first);
  await until(async () => (await written(node)) === 4, DEADLINE_MS, 'two more');
  await node.stop();
  const { events } = await second.end();
  assert.deepEqual(
    events.map(({ type }) => type),
    ['AUTH_QUERY', 'AUTH_RESPONSE'],
  );
});

/** By dig: one of each kind, with a response that is read as an answer. */
function checkProtocols(
  events: readonly DecodedEvent[],
  address: string,
  from: string,
  port6: number | undefined,
): void {
  const seen = new Map<string, string[]>();
  for (const { protocol, query, response, type } of events) {
    if (type.startsWith('UPDATE')) continue;
    const key = `${protocol} ${query.split(' ')[0]} ${response}`;
    seen.set(key, [...(seen.get(key) ?? []), type]);
  }
  const both = ['AUTH_QUERY', 'AUTH_RESPONSE'];
  const expected = new Map([
    [`UDP ${from} ${address} ${PORTS.dns}`, [...both, ...both, ...both]],
    [`TCP ${from} ${address} ${PORTS.dns}`, [...both, ...both]],
    [`DOT ${from} ${address} ${PORTS.tls}`, both],
    [`DOH ${from} ${address} ${PORTS.https}`, both],
    ...(port6 === undefined ? [] : [[`UDP ::1 ::1 ${port6}`, both] as const]),
  ]);
  assert.deepEqual(new Map([...seen].sort()), new Map([...expected].sort()));
  for (const { queryNanos, responseNanos, type } of events) {
    assert.ok(Math.abs(Number(queryNanos! / 1_000_000n) - Date.now()) < 10 * DEADLINE_MS);
    assert.equal(responseNanos !== undefined, type.endsWith('_RESPONSE'));
    if (responseNanos !== undefined) assert.ok(responseNanos >= queryNanos!);
  }
}

/** What BIND makes of the file: a line for each event, in the file's order. */
async function checkReading(path: string, events: readonly DecodedEvent[]): Promise<void> {
  const { code, output } = await run('dnstap-read', [path]);
  assert.equal(code, 0, output);
  const lines = output.trim().split('\n');
  assert.equal(lines.length, events.length, output);
  for (const [index, event] of events.entries()) {
    const isQuery = event.type.endsWith('_QUERY');
    const letter = event.type.startsWith('UPDATE') ? 'U' : 'A';
    const bytes = (isQuery ? event.queryMessage : event.responseMessage)!;
    const shown = (end: string): string => end.replace(' ', ':');
    // BIND 9.18 knows of TCP and calls all else UDP; 9.20 knows TLS and HTTPS by name.
    const protocol = event.protocol.startsWith('DO') ? `(?:UDP|${event.protocol})` : event.protocol;
    const direction = isQuery ? [`${letter}Q`, '->'] : [`${letter}R`, '<-'];
    const line = `${direction[0]} ${shown(event.query)} ${direction[1]} ${shown(event.response)}`;
    const name = nameIn(bytes);
    const pattern = `^\\S+ [0-9:.]+ ${escaped(line)} ${protocol} ${bytes.length}b ${escaped(name)}/IN/`;
    assert.match(lines[index]!, new RegExp(pattern));
  }
  const yaml = await run('dnstap-read', ['-y', path]);
  assert.equal(yaml.code, 0, yaml.output);
  for (const [line, count] of [
    ['identity: interop', events.length],
    ['version: 1.0', events.length],
    ["    - 'mail.gslb.example. 300 IN AAAA 2001:db8::25'", -1],
  ] as const) {
    const found = yaml.output.split('\n').filter((each) => each.includes(line.trim())).length;
    assert.ok(count < 0 ? found > 0 : found === count, `${line}: ${found}`);
  }
}

const escaped = (text: string): string => text.replaceAll(/[[\].()+*?^$|\\]/g, '\\$&');

function nameIn(message: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; message[at] !== 0; at += 1 + message[at]!) {
    labels.push(message.subarray(at + 1, at + 1 + message[at]!).toString());
  }
  return labels.join('.');
}

type Place = { readonly words: readonly string[]; readonly to: string };

/** `fstrm_capture`, at a place of its own or where another was. */
async function startCapture(t: TestContext, kind: 'unix' | 'tcp', where?: Place) {
  const path = join(mkdtempSync(join(folder, 'tap-')), 'socket');
  const host = loopbackAddress();
  const port = await freePort(host);
  const { to, words } =
    where ??
    (kind === 'unix'
      ? { words: ['-u', path], to: path }
      : { words: ['-a', host, '-p', `${port}`], to: `${host}:${port}` });
  const server = startServer(
    () => ({}),
    (directory) => ['fstrm_capture', '-d', '-t', CONTENT, ...words, '-w', join(directory, 'out')],
  );
  t.after(server.stop);
  const file = join(server.directory, 'out');
  await until(
    () => existsSync(file) && (kind === 'tcp' || existsSync(path)),
    DEADLINE_MS,
    () => `fstrm_capture: ${server.said()}`,
  );
  return {
    to,
    words,
    /** Ends it, so that all is in its file. */
    async end() {
      server.signal('SIGTERM');
      // The last frame of a file is STOP.
      const frames = () => decodeFrames(readFileSync(file));
      await until(
        () => frames().controls.at(-1)?.type === 3,
        DEADLINE_MS,
        () => server.said(),
      );
      const { controls, events, rest } = frames();
      assert.deepEqual(
        controls.map(({ type }) => type),
        [2, 3],
      );
      assert.equal(rest.length, 0);
      return { events, file };
    },
  };
}

async function startNode(t: TestContext, address: string, port6: number | undefined, to: string) {
  const fixture = await startWorldNode(
    [
      { address, port: PORTS.dns },
      { address, port: PORTS.tls, protocol: 'tls' },
      { address, port: PORTS.https, protocol: 'https' },
      ...(port6 === undefined ? [] : [{ address: '::1', port: port6 }]),
    ],
    undefined,
    { certificate: { file, keyFile }, dnstap: { to, identity: 'interop', version: '1.0' } },
  );
  t.after(fixture.stop);
  await until(async () => (await connected(fixture)) === 1, DEADLINE_MS, 'a collector');
  return fixture;
}

type Node = Awaited<ReturnType<typeof startNode>>;

const connected = (node: Node) => metric(node, 'connected');
const written = (node: Node) => metric(node, 'events_total{result="written"}');

async function metric({ node }: Node, name: string): Promise<number> {
  const { body } = await node.plane.metrics();
  const line = `meridian_dns_dnstap_${name} `;
  const found = body.split('\n').find((each) => each.startsWith(line));
  return Number(found?.slice(line.length));
}
