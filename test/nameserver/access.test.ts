import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../src/ip/prefix.ts';
import {
  ACCESS_ANSWERED,
  ACCESS_DENIED,
  ACCESS_REFUSED,
  accessOf,
  buildAccess,
} from '../../src/nameserver/access.ts';
import { TRANSPORT_TCP, TRANSPORT_TLS } from '../../src/nameserver/client.ts';
import { COUNT_DENIED, COUNT_DROPPED, COUNT_NOT_ALLOWED } from '../../src/nameserver/counters.ts';
import { DROP } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import {
  ask,
  clientAt,
  compiled,
  createConfig,
  NOW_MS,
  queryBytes,
  startWorker,
} from './fixture.ts';

const prefixes = (...texts: string[]) => texts.map((text) => parsePrefix(text)!);

test('the longest network decides; who is in none is answered, or refused where some are allowed', () => {
  const words = (access: ReturnType<typeof buildAccess>, ...from: string[]) =>
    from.map((address) => accessOf(access, clientAt(address)));
  assert.equal(buildAccess([], []), undefined);
  assert.deepEqual(words(undefined, '192.0.2.1', '2001:db8::1'), [0, 0]);
  const denied = buildAccess(prefixes(), prefixes('192.0.2.0/24', '2001:db8::/32'));
  assert.deepEqual(
    words(denied, '192.0.2.255', '192.0.3.0', '2001:db8::1', '2001:db9::1', '64:ff9b::c000:201'),
    [ACCESS_DENIED, ACCESS_ANSWERED, ACCESS_DENIED, ACCESS_ANSWERED, ACCESS_DENIED],
  );
  const both = buildAccess(
    prefixes('192.0.2.0/24', '198.51.100.7/32'),
    prefixes('192.0.2.128/25', '198.51.100.0/24', '192.0.2.0/24'),
  );
  assert.deepEqual(words(both, '192.0.2.1', '192.0.2.129', '198.51.100.7', '203.0.113.1'), [
    ...[ACCESS_DENIED, ACCESS_DENIED, ACCESS_ANSWERED, ACCESS_REFUSED],
  ]);
});

function workerWith(access: { allow: readonly string[]; deny: readonly string[] }) {
  const { dns } = createConfig();
  return startWorker(compiled(createConfig({ dns: { ...dns, access } })));
}

test('denied networks hear nothing, those that are not allowed that they are not, and both are counted', () => {
  const worker = workerWith({ allow: ['192.0.2.0/24'], deny: ['192.0.2.66/32'] });
  const query = queryBytes('static.gslb.example', 'A', { edns: true });
  const reply = new Uint8Array(65_535);
  for (const transport of [undefined, TRANSPORT_TCP, TRANSPORT_TLS] as const) {
    const client = { ...clientAt('192.0.2.66') };
    if (transport !== undefined) client.transport = transport;
    assert.equal(respond(worker, client, query, query.length, NOW_MS, reply), DROP);
  }
  assert.equal(ask(worker, 'static.gslb.example', 'A').rcode, 'NOERROR');
  for (const [name, type] of [
    ['static.gslb.example', 'A'],
    ['www.gslb.example', 'A'],
    ['nobody.gslb.example', 'A'],
    ['elsewhere.example', 'A'],
  ] as const) {
    const told = ask(worker, name, type, { edns: true, resolver: '203.0.113.5' });
    assert.deepEqual(
      [told.rcode, told.aa, told.answer, told.authority],
      ['REFUSED', false, [], []],
    );
    const at = Buffer.from(told.bytes).indexOf(Buffer.from([0, 15, 0, 2, 0, 18]));
    assert.ok(at > 0, 'prohibited');
  }
  const { counters } = worker;
  assert.deepEqual([counters[COUNT_DENIED], counters[COUNT_NOT_ALLOWED]], [3, 4]);
});

test('services that answer whatever they are sent are not answered over UDP', () => {
  const worker = startWorker();
  const query = queryBytes('static.gslb.example', 'A');
  const reply = new Uint8Array(512);
  const outcome = (bytes: Uint8Array, port: number, isTcp = false): number => {
    const client = { ...clientAt('192.0.2.1', isTcp), port };
    return respond(worker, client, bytes, bytes.length, NOW_MS, reply);
  };
  // A line of a character generator: opcode 4, twelve thousand questions.
  const line = Buffer.from('!"#$%&\'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\r\n');
  for (const port of [7, 11, 13, 17, 19, 37, 69, 123]) {
    assert.deepEqual([outcome(query, port), outcome(line, port)], [DROP, DROP], `port ${port}`);
  }
  assert.equal(worker.counters[COUNT_DROPPED], 16);
  for (const port of [53, 1023, 1024, 65_535]) assert.ok(outcome(query, port) > 0, `port ${port}`);
  assert.ok(outcome(query, 19, true) > 0, 'a connection proves that somebody is there');
});
