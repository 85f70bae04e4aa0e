import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEARTBEAT_MS } from '../../src/cluster/announcer.ts';
import {
  createExchange,
  DIGEST_PEERS,
  type ExchangeDeps,
  REPEAT_MS,
} from '../../src/cluster/exchange.ts';
import { CONFIRM_MS, FACT_REPEAT_MS, type FactExchange } from '../../src/cluster/fact-talk.ts';
import { deriveSessionKey } from '../../src/cluster/session.ts';
import { openTransport } from '../../src/cluster/transport.ts';
import type { WireRecord } from '../../src/cluster/wire.ts';
import type { Statement } from '../../src/health/statement.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { KEY, type RigNode, type RigOptions, startRigNode, statement } from './exchange-rig.ts';
import { createVirtualNetwork, seededDraw } from './virtual-network.ts';

const NAMES = ['a', 'b', 'c'] as const;
const SEEDS = NAMES.map((name) => `${name}:1`);

function rig(seed = 7) {
  const clock = createMovedClock();
  const draw = seededDraw(seed);
  const network = createVirtualNetwork(clock, draw);
  const start = (name: string, more: Partial<RigOptions> = {}, seeds = SEEDS): RigNode =>
    startRigNode(name, seeds, { clock, draw, network, ...more });
  return { clock, draw, network, start };
}

const vantageWord = (vantage: string) => ({
  vantage,
  group: 'g',
  node: vantage,
  heardAtMs: 0,
  trusted: true,
  reason: '',
});

const verdicts = (node: RigNode): string[] =>
  [...node.heard].map(([name, { verdict }]) => `${name} ${verdict}`).toSorted();

test('a change reaches every node within milliseconds, with its times as they were', async () => {
  const { clock, start } = rig();
  const [a, b, c] = NAMES.map((name) => start(name));
  await clock.advance(2000);
  const seen = { atMs: clock.nowMs() - 40, ok: false, rttMs: 200, reason: 'timeout' };
  const down = { verdict: 'down', sinceMs: clock.nowMs() - 700, reason: 'timeout' } as const;
  a!.exchange.put(statement('a', 'web 1', { ...down, recent: [seen] }));
  await clock.advance(20);
  for (const node of [b!, c!]) {
    const heard = node.heard.get('a web 1');
    assert.equal(heard?.verdict, 'down');
    assert.ok(
      Math.abs(heard.sinceMs - down.sinceMs) < 20,
      `${heard.sinceMs - down.sinceMs} ms off`,
    );
    assert.deepEqual([heard.recent[0]?.ok, heard.recent[0]?.rttMs], [false, 200]);
    assert.equal(node.vantages.get('a')?.group, 'region-a');
  }
  assert.equal(a!.heard.size, 0, 'nobody hears himself');
});

test('what was said before a node came is told to it, withdrawn targets are not', async () => {
  const { clock, start } = rig();
  const a = start('a');
  for (let target = 0; target < 300; target += 1) a.exchange.put(statement('a', `web ${target}`));
  a.exchange.withdraw('a', 'web 7');
  await clock.advance(5000);
  const b = start('b');
  await clock.advance(3000);
  assert.equal(b.heard.size, 299);
  assert.equal(b.heard.has('a web 7'), false);
  a.exchange.withdraw('a', 'web 8');
  await clock.advance(100);
  assert.equal(b.heard.has('a web 8'), false);
});

test('thirty per cent of loss, duplicates and overtaking: all nodes come to hear the same', async () => {
  const { clock, draw, network, start } = rig(11);
  network.set({ loss: 0.3, duplicates: 0.2, latencyMs: [1, 300] });
  const nodes = NAMES.map((name) => start(name));
  for (let round = 0; round < 200; round += 1) {
    const node = nodes[Math.floor(draw() * nodes.length)]!;
    const verdict = draw() < 0.5 ? 'down' : 'up';
    node.exchange.put(statement(node.name, `web ${Math.floor(draw() * 40)}`, { verdict }));
    if (draw() < 0.1) node.exchange.withdraw(node.name, `web ${Math.floor(draw() * 40)}`);
    await clock.advance(draw() * 200);
  }
  await clock.advance(30_000);
  const [a, b, c] = nodes.map(verdicts);
  const of = (heard: string[] | undefined, name: string): string[] =>
    (heard ?? []).filter((line) => line.startsWith(`${name} `));
  assert.deepEqual(of(a, 'b'), of(c, 'b'));
  assert.deepEqual(of(a, 'c'), of(b, 'c'));
  assert.deepEqual(of(b, 'a'), of(c, 'a'));
  assert.ok(of(b, 'a').length > 0);
});

test('signs of life come until a node dies, and again when it is back with a lower clock', async () => {
  const { clock, start } = rig();
  const a = start('a', { incarnation: 100 });
  const b = start('b');
  a.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  await clock.advance(3000);
  const heardAt = (): number => b.vantages.get('a')?.heardAtMs ?? 0;
  assert.ok(clock.nowMs() - heardAt() <= HEARTBEAT_MS + 10);
  a.stop();
  await clock.advance(10_000);
  assert.ok(clock.nowMs() - heardAt() >= 9000, 'silence');
  // Its clock went back: a life that numbers lower than the one before.
  const again = start('a', { incarnation: 50 });
  again.exchange.put(statement('a', 'web 1', { verdict: 'up' }));
  await clock.advance(5000);
  assert.equal(b.heard.get('a web 1')?.verdict, 'up');
  assert.ok(clock.nowMs() - heardAt() <= HEARTBEAT_MS + 10);
});

test('what a vantage point cannot look at any more is withdrawn, though it gives signs of life', async () => {
  const { clock, start } = rig();
  const [a, b] = [start('a'), start('b')];
  const look = (key: string): void => a.exchange.put(statement('a', key, { leaseMs: 3000 }));
  for (let second = 0; second < 10; second += 1) {
    if (second < 5) look('web 1');
    look('web 2');
    await clock.advance(1000);
  }
  assert.deepEqual([...b.heard.keys()], ['a web 2']);
  assert.ok(clock.nowMs() - (b.vantages.get('a')?.heardAtMs ?? 0) <= HEARTBEAT_MS + 10);
  look('web 1');
  await clock.advance(100);
  assert.equal(b.heard.size, 2, 'it is told anew');
});

test('what others said before its target was known here is told again', async () => {
  const { clock, start } = rig();
  const [a, b] = [start('a'), start('b')];
  a.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  await clock.advance(1000);
  // As a table does that has no such target.
  b.heard.clear();
  await clock.advance(5000);
  assert.equal(b.heard.size, 0, 'it is said once');
  b.exchange.retell();
  assert.equal(b.heard.get('a web 1')?.verdict, 'down');
  assert.equal(b.vantages.get('a')?.group, 'region-a');
});

test('a link that is dark one way silences one way only', async () => {
  const { clock, network, start } = rig();
  const [a, b] = [start('a'), start('b')];
  await clock.advance(2000);
  network.cut('a:1', 'b:1');
  a.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  b.exchange.put(statement('b', 'web 1', { verdict: 'down' }));
  await clock.advance(5000);
  assert.equal(b.heard.size, 0);
  assert.equal(a.heard.get('b web 1')?.verdict, 'down');
  network.heal();
  await clock.advance(5000);
  assert.equal(b.heard.get('a web 1')?.verdict, 'down', 'what was missed is told');
});

test('another key, or none, is not heard and is answered nothing', async () => {
  const { clock, network, start } = rig();
  const a = start('a');
  const b = start('b', { keys: ['another cluster key that is long enough as well'] });
  b.exchange.put(statement('b', 'web 1', { verdict: 'down' }));
  await clock.advance(10_000);
  assert.equal(a.heard.size + a.vantages.size + b.vantages.size, 0);
  const before = network.overheard.length;
  for (let size = 0; size < 400; size += 1) {
    network.inject(
      Uint8Array.from({ length: size }, () => 77),
      'x:9',
      'a:1',
    );
  }
  await clock.advance(50);
  const answered = network.overheard.slice(before).filter(({ to }) => to === 'x:9');
  assert.equal(answered.length, 0);
});

test('keys are changed without a gap: both known, then the other one first', async () => {
  const { clock, start } = rig();
  const next = 'the next cluster key, which is long enough too';
  const a = start('a', { keys: [next, KEY] });
  const b = start('b', { keys: [KEY, next] });
  a.exchange.put(statement('a', 'web 1'));
  b.exchange.put(statement('b', 'web 1'));
  await clock.advance(3000);
  assert.equal(a.heard.size, 1);
  assert.equal(b.heard.size, 1);
});

test('what was overheard and is sent again changes nothing', async () => {
  const { clock, network, start } = rig();
  const [a, b] = [start('a'), start('b')];
  a.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  await clock.advance(3000);
  const old = network.overheard.filter(({ to }) => to === 'b:1');
  a.exchange.put(statement('a', 'web 1', { verdict: 'up' }));
  await clock.advance(1000);
  assert.equal(b.heard.get('a web 1')?.verdict, 'up');
  const sentBefore = network.overheard.length;
  for (const { bytes } of old) network.inject(bytes, 'evil:6', 'b:1');
  for (const { bytes } of old) network.inject(bytes, 'a:1', 'b:1');
  await clock.advance(200);
  assert.equal(b.heard.get('a web 1')?.verdict, 'up');
  const toEvil = network.overheard.slice(sentBefore).filter(({ to }) => to === 'evil:6');
  const bytesToEvil = toEvil.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const bytesFromEvil = old.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.ok(bytesToEvil <= bytesFromEvil, `${bytesToEvil} for ${bytesFromEvil}`);
  await clock.advance(3000);
  assert.equal(a.exchange.peers()[0]?.state, 'connected', 'and the real one is still heard');
  // A restarted listener has another boot: all of the old is of no use there.
  b.stop();
  const again = start('b');
  for (const { bytes } of old) network.inject(bytes, 'a:1', 'b:1');
  await clock.advance(3000);
  assert.equal(again.heard.get('a web 1')?.verdict, 'up');
});

test('reports, held judgements and what nodes say of themselves travel too', async () => {
  const { clock, start } = rig();
  const [a, b] = [start('a'), start('b')];
  await clock.advance(2000);
  const report = {
    node: 'a',
    region: 'virginia',
    address: '127.0.1.1',
    port: 8080,
    ready: false,
    reason: 'no server is usable',
    serversUsable: 0,
    serversTotal: 2,
    requestsPerSecond: 0,
    active: 3,
    heardAtMs: clock.nowMs(),
    leaseMs: 3000,
  };
  a.exchange.setReports([report]);
  await clock.advance(10);
  const heard = b.reports.get('a 127.0.1.1');
  assert.equal(heard?.ready, false, 'at once');
  assert.equal(heard.active, 3);
  assert.equal(a.reports.size, 1, 'and here');
  await clock.advance(5000);
  assert.deepEqual(b.held.at(-1)?.id, 'a holds');
  assert.ok(clock.nowMs() - b.held.at(-1)!.decidedAtMs < 5000);
  assert.deepEqual(JSON.parse(b.nodes.get('a') ?? '{}'), { name: 'a' });
});

test('a node that has news of itself introduces itself at once, and once more', async () => {
  const { clock, network, start } = rig();
  const [a, b] = [start('a'), start('b')];
  await clock.advance(2000);
  b.nodes.clear();
  a.exchange.introduce();
  await clock.advance(10);
  assert.deepEqual(JSON.parse(b.nodes.get('a') ?? '{}'), { name: 'a' });
  // The first datagram may be lost.
  b.nodes.clear();
  network.cut('a:1', 'b:1');
  a.exchange.introduce();
  await clock.advance(10);
  assert.equal(b.nodes.size, 0);
  network.heal();
  await clock.advance(REPEAT_MS);
  assert.equal(b.nodes.size, 1);
});

test('two living processes with one name are reported, once', async () => {
  const { clock, start } = rig();
  const a = start('a', {}, ['a:1', 'a:2']);
  start('a', { address: 'a:2' }, ['a:1', 'a:2']);
  await clock.advance(10_000);
  assert.equal(a.lines.filter((line) => line.startsWith('peers.conflict')).length, 1);
});

test('a silent vantage point is not announced', async () => {
  const { clock, start } = rig();
  const [a, b] = [start('a'), start('b')];
  a.exchange.put(statement('a', 'web 1'));
  await clock.advance(2000);
  a.exchange.setSilent('a', true);
  const before = clock.nowMs();
  await clock.advance(5000);
  assert.ok((b.vantages.get('a')?.heardAtMs ?? 0) <= before + 10);
});

test('a node that is back with fewer targets, or speaks of them anew, is believed', async () => {
  const { clock, start } = rig();
  const a = start('a', { incarnation: 100 });
  const b = start('b');
  for (const key of ['web 1', 'web 2']) a.exchange.put(statement('a', key, { verdict: 'down' }));
  await clock.advance(2000);
  a.stop();
  const again = start('a', { incarnation: 101 });
  again.exchange.put(statement('a', 'web 1', { verdict: 'down' }));
  await clock.advance(10_000);
  assert.deepEqual(verdicts(b), ['a web 1 down']);
  again.exchange.setVantages([]);
  again.exchange.setVantages(['a']);
  again.exchange.setVantage(vantageWord('a'));
  again.exchange.put(statement('a', 'web 3'));
  await clock.advance(10_000);
  assert.deepEqual(verdicts(b), ['a web 3 up']);
});

test('with two per cent of loss a change is known everywhere within half a second', async () => {
  const { clock, draw, network, start } = rig(17);
  network.set({ loss: 0.02, latencyMs: [20, 120] });
  const [a, ...others] = NAMES.map((name) => start(name));
  await clock.advance(3000);
  for (let round = 0; round < 300; round += 1) {
    const verdict = round % 2 === 0 ? 'down' : 'up';
    a!.exchange.put(statement('a', 'web 1', { verdict }));
    await clock.advance(400 + draw() * 100);
    for (const { heard, name } of others) {
      assert.equal(heard.get('a web 1')?.verdict, verdict, `round ${round} at ${name}`);
    }
  }
});

test('a peer that asks without end is told so much a second and no more', async () => {
  const { clock, network, start } = rig();
  const [a, b] = [start('a'), start('b')];
  for (let target = 0; target < 2000; target += 1) a.exchange.put(statement('a', `web ${target}`));
  await clock.advance(5000);
  assert.equal(b.heard.size, 2000);
  const before = network.overheard.length;
  const need: WireRecord = { kind: 'need', vantage: 'a', since: 0, digests: [] };
  for (let count = 0; count < 50; count += 1) {
    a.exchange.hear(
      Array.from({ length: 100 }, () => need),
      'b',
    );
  }
  await clock.advance(10);
  const answers = network.overheard.slice(before).filter(({ to }) => to === 'b:1');
  const bytes = answers.reduce((sum, datagram) => sum + datagram.bytes.length, 0);
  assert.ok(bytes < 600_000, `${bytes} bytes`);
});

test('a node that tells a digest of its facts asks few nodes at a time', async () => {
  const { clock, network, start } = rig();
  const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
  const asked: string[] = [];
  const facts = (name: string): FactExchange => ({
    digest: () => name,
    missing(_digest, from) {
      asked.push(`${name} ${from}`);
      return [{ kind: 'fact', key: 'k', text: name }];
    },
    hear: () => false,
  });
  network.set({ latencyMs: [1, 2] });
  const seeds = names.map((name) => `${name}:1`);
  for (const name of names) start(name, { facts: facts(name) }, seeds);
  await clock.advance(4000);
  asked.length = 0;
  await clock.advance(2000);
  assert.equal(asked.length, names.length * DIGEST_PEERS);
  await clock.advance(8000);
  assert.equal(new Set(asked).size, names.length * (names.length - 1), 'all in turn');
});

test('a fact is told twice, and who learns it says what it holds now', async () => {
  const { clock, network, start } = rig();
  const asked: string[] = [];
  const told: string[] = [];
  const known = new Set<string>();
  const facts = (name: string): FactExchange => ({
    digest: () => name,
    missing(digest) {
      asked.push(`${name} knows of ${digest}`);
      return [];
    },
    hear({ key }) {
      told.push(`${name} ${key}`);
      const isNews = !known.has(name);
      known.add(name);
      return isNews;
    },
  });
  network.set({ latencyMs: [1, 2] });
  const one = start('one', { facts: facts('one') }, ['two:1']);
  start('two', { facts: facts('two') }, ['one:1']);
  await clock.advance(2600);
  asked.length = 0;
  one.exchange.tellFacts([{ kind: 'fact', key: 'k', text: 'x' }]);
  await clock.advance(FACT_REPEAT_MS + CONFIRM_MS + 10);
  assert.deepEqual(told, ['two k', 'two k']);
  assert.deepEqual(asked, ['one knows of two'], 'once: the second time is no news');
});

test('two nodes hear each other over real sockets', async (t) => {
  for (const host of ['127.0.0.1', '::1']) {
    const [one, two] = await Promise.all(
      [1, 2].map(() => openTransport([{ address: host, port: 0 }], { warn: assert.fail })),
    );
    const clock: ExchangeDeps['clock'] = {
      nowMs: () => performance.now(),
      setTimer(ms, run) {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    };
    const transports = { one: one!, two: two! };
    const heard = Promise.withResolvers<Statement>();
    const nodes = Object.entries(transports).map(([name, transport]) =>
      createExchange({
        clock,
        name,
        incarnation: 1,
        direct: { transport, keys: [deriveSessionKey(KEY)] },
        log: { info: () => {}, warn: assert.fail },
        ears: {
          observe: heard.resolve,
          withdraw: () => {},
          hear: () => {},
          report: () => {},
          hearJudgement: () => {},
        },
        heldJudgements: () => [],
        describe: () => '{}',
        onNode: () => {},
      }),
    );
    t.after(async () => {
      for (const node of nodes) node.close();
      await Promise.all([one!.close(), two!.close()]);
    });
    nodes[0]!.setVantages(['v']);
    nodes[0]!.setVantage(vantageWord('v'));
    nodes[0]!.put(statement('v', 'web 1', { verdict: 'down' }));
    nodes[1]!.setSeeds(one!.addresses);
    assert.equal((await heard.promise).verdict, 'down', host);
  }
});

test('twenty nodes come to know of each other', async () => {
  const { clock, network, start } = rig(3);
  network.set({ loss: 0.02, latencyMs: [5, 150] });
  const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
  const seeds = names.map((name) => `${name}:1`);
  const nodes = names.map((name) => start(name, {}, seeds));
  for (const { exchange, name } of nodes) exchange.put(statement(name, 'web 1'));
  await clock.advance(2500);
  for (const node of nodes) assert.equal(node.heard.size, 19, node.name);
  nodes[0]!.exchange.put(statement('n0', 'web 1', { verdict: 'down' }));
  await clock.advance(500);
  const told = nodes.slice(1).filter(({ heard }) => heard.get('n0 web 1')?.verdict === 'down');
  assert.equal(told.length, 19);
  for (const { stop } of nodes) stop();
});
