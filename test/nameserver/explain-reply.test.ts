import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWN } from '../../src/health/health-word.ts';
import { explain } from '../../src/nameserver/explain.ts';
import {
  CANDIDATES_TOLD_MAX,
  explanationLines,
  LINE_LENGTH_MAX,
} from '../../src/nameserver/explain-lines.ts';
import { DEFER } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { contextOf, explained, snapshot } from './explain-rig.ts';
import {
  type Ask,
  allUp,
  ask,
  clientAt,
  compiled,
  createConfig,
  decode,
  healthOf,
  NOW_MS,
  queryBytes,
  startWorker,
} from './fixture.ts';

const worker = startWorker();
const reply = new Uint8Array(65_535);

function outcome(name: string, type: string, how: Ask = {}, asked = worker): number {
  const query = queryBytes(name, type, how);
  const client = clientAt(how.resolver ?? '127.0.0.1', how.tcp);
  return respond(asked, client, query, query.length, NOW_MS, reply);
}

test('respond() defers TXT of _explain names below our zones, from where it may be asked', () => {
  assert.equal(outcome('_explain.www.gslb.example', 'TXT'), DEFER);
  assert.equal(outcome('_EXPLAIN.www.gslb.example', 'TXT', { tcp: true }), DEFER);
  assert.equal(outcome('_explain.gslb.example', 'TXT', { resolver: '::1' }), DEFER);
  assert.equal(outcome('_explain.no.such.gslb.example', 'TXT', { resolver: '127.9.9.9' }), DEFER);
  for (const [name, type] of [
    ['_explain.www.gslb.example', 'A'],
    ['_explain.www.gslb.example', 'ANY'],
    ['x._explain.www.gslb.example', 'TXT'],
    ['_explains.www.gslb.example', 'TXT'],
    ['www.gslb.example', 'TXT'],
    ['_explain.www.other.test', 'TXT'],
    ['_explain', 'TXT'],
  ] as const) {
    assert.ok(outcome(name, type) > 0, `${name} ${type}`);
  }
  assert.ok(outcome('_explain.www.gslb.example', 'TXT', { qclass: 3 }) > 0);
});

test('respond() tells others what the zone says for that name', () => {
  for (const resolver of ['192.0.2.1', '2001:db8::1', '::ffff:127.0.0.1']) {
    const answered = ask(worker, '_explain.www.gslb.example', 'TXT', { resolver });
    assert.deepEqual([answered.rcode, answered.data], ['NXDOMAIN', []], resolver);
    const wild = ask(worker, '_explain.wild.gslb.example', 'MX', { resolver });
    assert.deepEqual(wild.data, ['5 mx.gslb.example.'.replace(/\.$/, '')]);
  }
  const { dns } = createConfig();
  const nobody = compiled(createConfig({ dns: { ...dns, explain: { allow: [] } } }));
  assert.ok(outcome('_explain.www.gslb.example', 'TXT', {}, startWorker(nobody)) > 0);
  const some = compiled(
    createConfig({ dns: { ...dns, explain: { allow: ['192.0.2.128/25', '2001:db8:7::/48'] } } }),
  );
  const asked = startWorker(some);
  const from = (resolver: string): number =>
    outcome('_explain.www.gslb.example', 'TXT', { resolver }, asked);
  assert.equal(from('192.0.2.129'), DEFER);
  assert.equal(from('2001:db8:7:1::1'), DEFER);
  for (const other of ['192.0.2.127', '192.0.3.129', '127.0.0.1', '2001:db8:8::', '::1']) {
    assert.ok(from(other) > 0, other);
  }
});

test('explainReply() tells what the client would get, in strings, with TTL and scope 0', () => {
  const got = decode(explained('_explain.www.gslb.example', { subnet: '80.3.0.0/16', tcp: true })!);
  assert.deepEqual([got.rcode, got.aa, got.tc, got.scope], ['NOERROR', true, false, 0]);
  assert.ok(got.ttls.every((ttl) => ttl === 0));
  assert.equal(
    got.data[0],
    '01 www.gslb.example. A for 80.3.0.0/16 (client subnet; Germany; near eu)',
  );
  assert.match(got.data[1]!, /^02 gets 198\.51\.100\.2 of eu, TTL (?:2[789]|30), scope \/\d+$/);
  const text = got.data.join('\n');
  assert.match(text, /found: steered, policy near, pool web, class \d, rung healthy/);
  assert.match(text, /web\/eu: tier 1, up, weight 2, 0 km, answered to 100 %/);
  assert.match(text, /step nearest: /);
  assert.match(text, /served by generation 1, revision 1 at 2026-05-28T20:26:40\.000Z/);
});

test('explainReply() says what the resolver itself gets when there is no client subnet', () => {
  const got = decode(explained('_explain.www.gslb.example', { resolver: '80.0.0.53', tcp: true })!);
  assert.match(got.data[0]!, /for 80\.0\.0\.53\/32 \(the resolver's address; Germany; near eu\)/);
  const none = { resolver: '80.0.0.53', subnet: '0.0.0.0/0', tcp: true };
  const kept = decode(explained('_explain.www.gslb.example', none)!);
  assert.match(kept.data.join('\n'), /the client keeps its network to itself/);
  assert.equal(kept.scope, 0);
});

test('explainReply() explains AAAA of a name that has no A, and everything else as it is', () => {
  const { pools } = createConfig();
  const six = { ...pools['web']!, sorry: [] };
  const endpoints = six.endpoints.map((each, i) => ({
    ...each,
    addresses: [`2001:db8::${i + 1}`],
  }));
  const only6 = compiled(createConfig({ pools: { ...pools, web: { ...six, endpoints } } }));
  const context = contextOf({ snapshot: only6, health: healthOf(allUp(only6)) });
  const asked = decode(explained('_explain.www.gslb.example', { tcp: true }, context)!);
  assert.match(asked.data[0]!, /www\.gslb\.example\. AAAA for/);
  const line = (name: string): string => decode(explained(name, { tcp: true })!).data.join('\n');
  assert.match(line('_explain.static.gslb.example'), /found: static\n/);
  assert.match(line('_explain.missing.gslb.example'), /found: nxdomain: the name does not exist/);
  assert.match(line('_explain.sub.gslb.example'), /sub\.gslb\.example\. is delegated to/);
});

test('explainReply() is truncated over UDP when it does not fit', () => {
  const whole = explained('_explain.www.gslb.example', { subnet: '80.3.0.0/16', tcp: true })!;
  assert.ok(whole.length > 512);
  for (const how of [{}, { edns: true, udpSize: 512 }, { edns: true, udpSize: 0 }]) {
    const bytes = explained('_explain.www.gslb.example', how)!;
    assert.ok(bytes.length <= 512);
    const cut = decode(bytes);
    assert.deepEqual([cut.tc, cut.rcode, cut.data], [true, 'NOERROR', []]);
    assert.equal(cut.hasOpt, 'edns' in how);
  }
  const fits = explained('_explain.www.gslb.example', { subnet: '80.3.0.0/16', udpSize: 4096 })!;
  assert.ok(fits.length <= snapshot.udpSizeMax);
});

test('explainReply() answers nothing to what is no such query', () => {
  assert.equal(explained('www.gslb.example'), undefined);
});

test('explanationLines() are short, ASCII, numbered and not too many', () => {
  const explanation = explain(contextOf(), { name: 'www.gslb.example' }, NOW_MS);
  assert.ok('steps' in explanation);
  const [first] = explanation.candidates;
  const candidates = Array.from({ length: 500 }, (_, i) => ({
    ...first!,
    name: `pool/region-${i}`,
    reason: `gesagt von Jürgen — ${'x'.repeat(600)}`,
  }));
  const lines = explanationLines({
    ...explanation,
    candidates,
    notes: ['naïve “note”\u0007'],
    client: { ...explanation.client, place: 'São Paulo, 東京' },
  });
  assert.ok(lines.length < CANDIDATES_TOLD_MAX + 20);
  assert.ok(lines.every((line) => line.length <= LINE_LENGTH_MAX && /^[ -~]+$/.test(line)));
  assert.match(lines[0]!, /^01 .*Sao Paulo, \?\?/);
  assert.ok(lines.some((line) => line.includes('484 endpoints more')));
  assert.ok(lines.some((line) => line.includes('gesagt von Jurgen')));
  assert.ok(lines.at(-1)!.endsWith('note: naive ?note??'));
});

test('explain() tells every candidate with its tier, state, reason, share, TTL and distance', () => {
  const words = allUp(snapshot);
  words[1] = (DOWN | 9) >>> 0;
  const said = explain(
    contextOf({
      health: healthOf(words, Uint32Array.from([1, 0, 17])),
      view: (endpoint, near) => ({ state: 'up', reason: `${endpoint} near ${near}` }),
      served: { node: 'fra-1', config: 'abc' },
      notes: ['a note'],
    }),
    { name: 'www.gslb.example', client: '80.3.0.0/16' },
    NOW_MS,
  );
  assert.ok('candidates' in said);
  const [eu, us, ap] = said.candidates;
  assert.deepEqual([eu?.name, eu?.tier, eu?.weight, eu?.distanceKm], ['web/eu', 1, 2, 0]);
  assert.deepEqual([us?.name, us?.tier, us?.seenFrom], ['web/us', 2, 'eu']);
  assert.deepEqual([us?.ttlSeconds, us?.answerShare, us?.share], [17, 1, 1]);
  assert.deepEqual([us?.reason, ap?.reason], ['web/us near eu', 'web/ap near undefined']);
  assert.ok(Math.abs((us?.distanceKm ?? 0) - 6550) < 100, String(us?.distanceKm));
  assert.deepEqual(said.ttl.endpoints, ['web/eu']);
  assert.deepEqual(said.served, { node: 'fra-1', generation: 1, revision: 1, config: 'abc' });
  assert.deepEqual(said.notes, ['a note']);
  assert.match(said.scope.network ?? '', /^80\.\d+\.0\.0\/\d+$/);
});

test('explain() tells the draw: bucket, part and slot', () => {
  const question = { name: 'share.gslb.example', client: '80.3.9.9' };
  const said = explain(contextOf(), question, NOW_MS);
  assert.ok('draw' in said && said.draw !== undefined);
  const { bucket, outcome, part, slot, why } = said.draw;
  assert.equal(bucket, '80.3.9.0/24');
  assert.deepEqual([part.of, outcome.of, slot.seconds], [1, 3, 30]);
  assert.ok(outcome.from <= outcome.draw && outcome.draw < outcome.to);
  assert.ok(slot.endsAtMs > NOW_MS && slot.endsAtMs <= NOW_MS + 30_000);
  assert.match(why, /^80\.3\.9\.0\/24 draws 0\.\d{3} in this slot of 30 s: outcome \d of 3/);
  const same = explain(contextOf(), { ...question, client: '80.3.9.77' }, slot.endsAtMs - 1);
  assert.ok('draw' in same);
  assert.equal(same.draw?.outcome.draw, outcome.draw);
  const next = explain(contextOf(), question, slot.endsAtMs);
  assert.ok('draw' in next);
  assert.notEqual(next.draw?.outcome.draw, outcome.draw);
});
