import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { askTcp, askUdp } from '../dnstap/ask.ts';
import { type Collector, openCollector } from '../dnstap/collector.ts';
import type { DecodedEvent } from '../dnstap/decode-event.ts';
import { queryBytes } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type NodeFixture, startNodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';

/** dnstap of a whole node, by collectors of the test's own; test/interop/dnstap.test.ts has those of others. */
const DEADLINE_MS = 30_000;
const ZONE = {
  ttl: 300,
  nameservers: ['ns1'],
  soa: { rname: 'hostmaster', serial: 1, minimum: 60 },
  records: {
    ns1: { A: '192.0.2.53' },
    mail: { A: '192.0.2.25' },
    big: { TXT: Array.from({ length: 40 }, (_, index) => `${index} ${'x'.repeat(200)}`) },
  },
};

for (const udpEngine of ['auto', 'portable'] as const) {
  test(`a query over UDP (${udpEngine}) is told as it was asked and answered`, async (t) => {
    const collector = await openCollector(t, 'unix');
    const { address, node } = await start(t, collector, { udpEngine });
    const asked = await ask(address, 'mail.gslb.example');
    const [query, response] = await eventsOf(collector, 2);
    for (const event of [query!, response!]) {
      assert.equal(event.query, `127.0.0.1 ${asked.port}`);
      assert.equal(event.response, `${address} 5300`);
      assert.deepEqual([event.family, event.protocol], ['INET', 'UDP']);
      assert.deepEqual([event.identity, event.version], ['tapped', '9.9']);
    }
    assert.deepEqual([query!.type, response!.type], ['AUTH_QUERY', 'AUTH_RESPONSE']);
    assert.deepEqual(query!.queryMessage, asked.query);
    assert.deepEqual(response!.responseMessage, asked.reply);
    const took = response!.responseNanos! - response!.queryNanos!;
    assert.ok(took > 0n && response!.queryNanos === query!.queryNanos, `${took} ns`);
    assert.ok(Math.abs(Number(query!.queryNanos! / 1_000_000n) - Date.now()) < DEADLINE_MS);
    const body = await metricsOf(node);
    assert.match(body, /^meridian_dns_dnstap_connected 1$/m);
    // Told at once by the collector, counted when the system has taken it.
    await until(
      async () => (await counted(node, 'written')) === 2,
      DEADLINE_MS,
      'both are counted',
    );
    assert.equal(await counted(node, 'dropped'), 0);
    assert.match(body, /^meridian_dns_query_duration_seconds_count\{transport="udp"\} 1$/m);
  });
}

test('a client behind a proxy is told as the proxy tells of it', async (t) => {
  const collector = await openCollector(t, 'unix');
  const { address } = await start(t, collector, {}, { proxies: ['127.0.0.0/8'] });
  // PROXY, version 2, UDP over IPv6.
  const header = Buffer.alloc(16 + 36);
  header.write('\r\n\r\n\0\r\nQUIT\n', 'latin1');
  Uint8Array.of(0x21, 0x22, 0, 36, 0x20, 0x01, 0x0d, 0xb8).forEach((octet, index) => {
    header[12 + index] = octet;
  });
  header[31] = 7;
  header.writeUInt16BE(4242, 48);
  const { reply } = await askUdp(wayTo(address), queryBytes('mail.gslb.example', 'A'), header);
  const [query, response] = await eventsOf(collector, 2);
  assert.deepEqual([query!.family, query!.query], ['INET6', '2001:db8::7 4242']);
  assert.equal(query!.response, '? 5300');
  assert.deepEqual(response!.responseMessage, reply);
});

test('replies that come later are told, too, with the query that they are to', async (t) => {
  const collector = await openCollector(t, 'tcp');
  const { address, node } = await start(t, collector);
  // For an explanation the main thread is asked.
  const [udp, tcp] = [
    await ask(address, '_explain.mail.gslb.example', 'TXT'),
    await askTcp(wayTo(address), queryBytes('_explain.mail.gslb.example', 'TXT')),
  ];
  const events = await eventsOf(collector, 4);
  for (const [protocol, asked] of [
    ['UDP', udp],
    ['TCP', tcp],
  ] as const) {
    const [query, response, ...more] = events.filter((event) => event.protocol === protocol);
    assert.equal(more.length, 0);
    assert.deepEqual(query!.queryMessage, asked.query);
    assert.deepEqual(response!.responseMessage, asked.reply);
    assert.equal(response!.query, `127.0.0.1 ${asked.port}`);
    assert.equal(response!.queryNanos, query!.queryNanos);
    assert.ok(response!.responseNanos! > query!.queryNanos!);
  }
  // How long the main thread took is not how long a worker takes.
  const body = await metricsOf(node);
  for (const transport of ['udp', 'stream']) {
    const line = `meridian_dns_query_duration_seconds_count{transport="${transport}"} 0\n`;
    assert.ok(body.includes(line), transport);
  }
});

test('a reload turns it on, changes it and turns it off', async (t) => {
  const [first, second] = [await openCollector(t, 'unix'), await openCollector(t, 'tcp')];
  const fixture = await start(t, undefined);
  const { address, node } = fixture;
  await ask(address, 'mail.gslb.example');
  assert.doesNotMatch(await metricsOf(node), /dnstap_connected/);
  await reload(fixture, { to: placeOf(first) });
  await ask(address, 'mail.gslb.example');
  assert.equal((await eventsOf(first, 2)).length, 2);
  await reload(fixture, { to: placeOf(second), messages: ['response'] });
  await ask(address, 'mail.gslb.example');
  const [only] = await eventsOf(second, 1);
  assert.equal(only!.type, 'AUTH_RESPONSE');
  await until(
    () => controlsOf(first).at(-1) === 3,
    DEADLINE_MS,
    'the first is told that it is over',
  );
  await reload(fixture, undefined);
  await until(() => controlsOf(second).at(-1) === 3, DEADLINE_MS, 'the second as well');
  await ask(address, 'mail.gslb.example');
  assert.doesNotMatch(await metricsOf(node), /dnstap_connected/);
  assert.deepEqual([told(first).length, told(second).length], [2, 1]);
  // What was counted is not forgotten.
  await until(async () => (await counted(node, 'written')) === 3, DEADLINE_MS, 'all are counted');
});

test('what nobody has taken when it is changed or turned off is counted as lost', async (t) => {
  const collector = await openCollector(t, 'unix');
  const fixture = await start(t, collector);
  const { address, node } = fixture;
  await collector.close();
  const isAway = async () => /^meridian_dns_dnstap_connected 0$/m.test(await metricsOf(node));
  await until(isAway, DEADLINE_MS, 'the collector is missed');
  for (const round of [1, 2, 3]) await ask(address, `round${round}.gslb.example`);
  const away = { to: placeOf(collector), sample: 1 };
  await reload(fixture, { ...away, messages: ['query'] });
  await ask(address, 'mail.gslb.example');
  await until(
    async () => (await counted(node, 'lost')) === 6,
    DEADLINE_MS,
    'three queries and responses are lost',
  );
  await reload(fixture, undefined);
  await until(async () => (await counted(node, 'lost')) === 7, DEADLINE_MS, 'and one more query');
});

test('while it is changed every query and response is counted somewhere', async (t) => {
  const collectors = [await openCollector(t, 'unix'), await openCollector(t, 'tcp')];
  const fixture = await start(t, collectors[0]);
  const { address, node } = fixture;
  let asked = 0;
  let isOver = false;
  const asking = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await ask(address, 'mail.gslb.example');
      asked += 1;
    }
  });
  for (const round of [1, 2, 3, 4, 5, 6]) {
    await reload(fixture, { to: placeOf(collectors[round % 2]!) });
  }
  isOver = true;
  await Promise.all(asking);
  let counts: readonly number[] = [];
  const total = async (): Promise<number> => {
    const results = ['written', 'dropped', 'lost'];
    counts = await Promise.all(results.map((result) => counted(node, result)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  await until(
    async () => (await total()) === 2 * asked,
    DEADLINE_MS,
    () => `${2 * asked} events, of which are counted ${counts.join(' + ')}`,
  );
});

test('workers that die are followed by others that tell as well, and what was noted is sent', async (t) => {
  const collector = await openCollector(t, 'unix');
  const { address, node } = await start(t, collector);
  await ask(address, 'mail.gslb.example');
  await eventsOf(collector, 2);
  for (const name of ['dns-udp-1', 'dnstap']) {
    const thread = node.threads().find((each) => each.name === name)!;
    await thread.kill();
    await until(() => thread.state() === 'running', DEADLINE_MS, `${name} is replaced`);
  }
  await ask(address, 'mail.gslb.example');
  await eventsOf(collector, 4);
  assert.equal(collector.visits.length, 2);
});

test('a collector that never reads stops nobody: events are dropped and counted', async (t) => {
  const collector = await openCollector(t, 'unix', { reads: false });
  const { address, node } = await start(t, collector, { bufferMiB: 1 });
  await until(() => collector.visits.length === 1, DEADLINE_MS, 'a collector');
  // Some 9 kB each, more than the ring, the piece under way and the socket hold together.
  const socket = connect({ host: address, port: 5300 });
  t.after(() => socket.destroy());
  const query = Buffer.from(queryBytes('big.gslb.example', 'TXT'));
  const framed = Buffer.concat([Buffer.of(0, query.length), query]);
  let received = 0;
  socket.on('data', (bytes: Buffer) => {
    received += bytes.length;
  });
  const ROUNDS = 400;
  for (let round = 0; round < ROUNDS; round += 1) socket.write(framed);
  await until(
    () => received > ROUNDS * 8000,
    DEADLINE_MS,
    () => `answers: ${received} octets`,
  );
  assert.ok((await counted(node, 'dropped')) > 0);
  assert.ok((await ask(address, 'mail.gslb.example')).reply.length > 0);
});

type Tap = Readonly<Record<string, unknown>>;

async function start(
  t: TestContext,
  collector: Collector | undefined,
  { udpEngine = 'auto', ...tap }: Tap = {},
  listener: Tap = {},
) {
  const address = loopbackAddress();
  const dnstap = collector && { to: placeOf(collector), ...tap };
  const fixture = await startNodeFixture(configOf(address, dnstap, { udpEngine }, listener));
  t.after(fixture.stop);
  if (collector) {
    await until(
      async () => /^meridian_dns_dnstap_connected 1$/m.test(await metricsOf(fixture.node)),
      DEADLINE_MS,
      'the collector is found',
    );
  }
  return { ...fixture, address };
}

function configOf(address: string, dnstap: Tap | undefined, dns: Tap = {}, listener: Tap = {}) {
  return {
    node: { roles: ['nameserver'], workers: { dns: 1 } },
    // Nothing here is steered.
    geo: { databases: [] },
    zones: { 'gslb.example': ZONE },
    dns: {
      ...dns,
      listeners: [{ address, port: 5300, ...listener }],
      identity: { id: 'tapped', version: '9.9' },
      ...(dnstap === undefined ? {} : { dnstap }),
    },
  };
}

async function reload(
  { address, file, node }: NodeFixture & { readonly address: string },
  dnstap: Tap | undefined,
): Promise<void> {
  writeFileSync(file, JSON.stringify(configOf(address, dnstap)));
  const result = await node.plane.reload('test');
  assert.ok('ok' in result && result.ok, JSON.stringify(result) + readFileSync(file, 'utf8'));
}

function placeOf({ to }: Collector): string {
  return 'path' in to ? to.path : `${to.host}:${to.port}`;
}

const told = (collector: Collector): readonly DecodedEvent[] =>
  collector.visits.flatMap((visit) => visit.frames().events);

const controlsOf = (collector: Collector): readonly number[] =>
  collector.visits.flatMap((visit) => visit.frames().controls.map(({ type }) => type));

async function eventsOf(collector: Collector, count: number): Promise<readonly DecodedEvent[]> {
  await until(
    () => told(collector).length >= count,
    DEADLINE_MS,
    () => `${count} events, of which there are ${told(collector).length}`,
  );
  return told(collector);
}

const metricsOf = async (node: NodeFixture['node']): Promise<string> =>
  (await node.plane.metrics()).body;

async function counted(node: NodeFixture['node'], result: string): Promise<number> {
  const line = new RegExp(`^meridian_dns_dnstap_events_total\\{result="${result}"\\} (\\d+)$`, 'm');
  return Number(line.exec(await metricsOf(node))?.[1]);
}

const wayTo = (address: string) => ({ address, port: 5300, from: '127.0.0.1' });

const ask = (address: string, name: string, type = 'A') =>
  askUdp(wayTo(address), queryBytes(name, type));
