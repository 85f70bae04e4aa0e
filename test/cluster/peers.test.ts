import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HELLO_REPLIES_PER_ADDRESS,
  HELLO_REPLIES_PER_SECOND,
} from '../../src/cluster/hello-budget.ts';
import { FORGET_AFTER_MS } from '../../src/cluster/peer-table.ts';
import { MISSED_AFTER_MS, SILENT_AFTER_MS } from '../../src/cluster/peers.ts';
import {
  deriveSessionKey,
  encodeHello,
  HELLO_BYTES,
  isHello,
  NONCE_LIFE_MS,
  readDataHead,
} from '../../src/cluster/session.ts';
import { createPeersRig, KEY, type RigPeer, say } from './peers-rig.ts';

const rowOf = (peer: RigPeer, name: string) =>
  peer.peers.status().filter((row) => row.name === name);

test('peers meet when only one of them looks for the other, and hear each other', async () => {
  const { clock, start } = createPeersRig();
  const a = start('a');
  const b = start('b', { seeds: ['a:1'] });
  await clock.advance(100);
  a.peers.broadcast(say('from a'));
  b.peers.broadcast(say('from b'));
  await clock.advance(20);
  assert.deepEqual([a.texts('b'), b.texts('a')], [['from b'], ['from a']]);
  assert.equal(rowOf(a, 'b')[0]?.state, 'connected');
  assert.deepEqual(a.peers.connected(), ['b']);
});

test('peers meet whichever of the first datagrams is lost', async () => {
  for (let lost = 0; lost < 8; lost += 1) {
    const { clock, network, start } = createPeersRig();
    const [a, b] = [start('a'), start('b', { seeds: ['a:1'] })];
    network.dropNth(lost);
    await clock.advance(5000);
    a.peers.broadcast(say('x'));
    b.peers.broadcast(say('x'));
    await clock.advance(20);
    assert.deepEqual([a.texts('b'), b.texts('a')], [['x'], ['x']], `without datagram ${lost}`);
  }
});

test('peers measure how far the other is, and how far its clock is off', async () => {
  const { clock, network, start } = createPeersRig();
  network.set({ latencyMs: [40, 40] });
  const a = start('a');
  start('b', { seeds: ['a:1'], wallAheadMs: 3_600_000 });
  await clock.advance(7000);
  const [row] = rowOf(a, 'b');
  assert.ok(Math.abs((row?.rttMs ?? 0) - 80) <= 1, `${row?.rttMs} ms`);
  assert.ok(Math.abs((row?.clockOffsetMs ?? 0) - 3_600_000) <= 1, `${row?.clockOffsetMs} ms`);
  assert.ok(Math.abs((a.offsets.get('b') ?? 0) - 3_600_000) <= 1);
});

test('a clock is not moved by a few answers that were held up', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a');
  start('b', { seeds: ['a:1'], wallAheadMs: 3_600_000 });
  let longestMs = 0;
  for (let each = 0; each < 10; each += 1) {
    network.set({ latencyMs: [20, 20] });
    await clock.advance(7000);
    network.set({ latencyMs: [20, 3000] });
    await clock.advance(3000);
    const [row] = rowOf(a, 'b');
    const { clockOffsetMs = 0, rttMs = 0 } = row ?? {};
    longestMs = Math.max(longestMs, rttMs);
    const what = `${clockOffsetMs} ms after a round trip of ${rttMs} ms`;
    assert.ok(Math.abs(clockOffsetMs - 3_600_000) <= 1, what);
  }
  assert.ok(longestMs > 1000, `answers were held up: ${longestMs} ms`);
});

test('peers with nothing to say stay connected; silence and its end are said once', async () => {
  const { clock, network, start } = createPeersRig();
  const [a, b] = [start('a', { seeds: ['b:1'] }), start('b', { seeds: ['a:1'] })];
  await clock.advance(30_000);
  assert.equal(rowOf(a, 'b')[0]?.state, 'connected');
  assert.deepEqual(
    a.lines.map((line) => line.split(' ')[0]),
    ['peers.connected'],
  );
  network.cut('b:1', 'a:1');
  await clock.advance(SILENT_AFTER_MS + 1000);
  assert.equal(rowOf(a, 'b')[0]?.state, 'silent');
  assert.equal(rowOf(b, 'a')[0]?.state, 'connected', 'the other way is open');
  await clock.advance(MISSED_AFTER_MS * 5);
  network.heal();
  await clock.advance(3000);
  const words = a.lines.map((line) => line.split(' ')[0]);
  assert.deepEqual(words, ['peers.connected', 'peers.silent', 'peers.heard']);
  assert.equal(b.lines.length, 1);
});

test('another key is not heard, not answered, and kept nowhere', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a');
  const b = start('b', { seeds: ['a:1'], keys: ['another key that is long enough to be one'] });
  await clock.advance(20_000);
  assert.equal(network.overheard.filter(({ from }) => from === 'a:1').length, 0);
  assert.deepEqual(a.peers.status(), []);
  assert.deepEqual(
    b.peers.status().map(({ state }) => state),
    ['looking'],
  );
});

test('one by one, nodes get a new key in front of the old one, then lose the old one', async () => {
  const { clock, start } = createPeersRig();
  const next = 'the next cluster key, long enough to be one';
  const [a, b] = [start('a', { seeds: ['b:1'] }), start('b', { seeds: ['a:1'] })];
  const check = async (what: string): Promise<void> => {
    await clock.advance(4000);
    a.peers.broadcast(say(what));
    b.peers.broadcast(say(what));
    await clock.advance(20);
    assert.deepEqual([a.texts('b').at(-1), b.texts('a').at(-1)], [what, what]);
  };
  await check('old');
  a.peers.setKeys([next, KEY].map(deriveSessionKey));
  await check('one has the new one too');
  b.peers.setKeys([next, KEY].map(deriveSessionKey));
  await check('both have both');
  a.peers.setKeys([deriveSessionKey(next)]);
  b.peers.setKeys([deriveSessionKey(next)]);
  await check('only the new one');
  // A node that starts now with both, against one that has the new one only, and the other way round.
  const c = start('c', { seeds: ['a:1'], keys: [KEY, next] });
  await clock.advance(4000);
  c.peers.broadcast(say('c'));
  a.peers.broadcast(say('to c'));
  await clock.advance(20);
  assert.deepEqual([a.texts('c'), c.texts('a').at(-1)], [['c'], 'to c']);
});

test('two keys with one id are told apart', async () => {
  const first = deriveSessionKey(KEY);
  let twin = '';
  for (let count = 0; twin === ''; count += 1) {
    const text = `a cluster key with the number ${count}`;
    if (deriveSessionKey(text).id === first.id) twin = text;
  }
  const { clock, start } = createPeersRig();
  const a = start('a', { keys: [twin, KEY] });
  const b = start('b', { seeds: ['a:1'], keys: [KEY, twin] });
  await clock.advance(3000);
  a.peers.broadcast(say('x'));
  b.peers.broadcast(say('y'));
  await clock.advance(20);
  assert.deepEqual([a.texts('b'), b.texts('a')], [['y'], ['x']]);
});

test('old datagrams of a session, of another life or of another pair change nothing', async () => {
  const { clock, network, start } = createPeersRig();
  const [a, b, c] = [start('a'), start('b', { seeds: ['a:1'] }), start('c', { seeds: ['a:1'] })];
  await clock.advance(1000);
  b.peers.broadcast(say('once'));
  await clock.advance(20);
  const old = [...network.overheard];
  const replay = async (): Promise<void> => {
    for (const { bytes, from, to } of old) {
      network.inject(bytes, from, to);
      network.inject(bytes, 'evil:6', 'a:1');
      network.inject(bytes, 'c:1', 'a:1');
    }
    await clock.advance(100);
  };
  await replay();
  assert.deepEqual(a.texts('b'), ['once']);
  assert.equal(rowOf(a, 'b')[0]?.address, 'b:1');
  b.stop();
  const again = start('b', { seeds: ['a:1'] });
  await clock.advance(3000);
  again.peers.broadcast(say('twice'));
  await clock.advance(20);
  await replay();
  await clock.advance(NONCE_LIFE_MS);
  await replay();
  assert.deepEqual(a.texts('b'), ['once', 'twice']);
  assert.equal(rowOf(a, 'b').length, 1);
  assert.equal(rowOf(a, 'b')[0]?.state, 'connected');
  assert.ok(
    !a.lines.some((line) => line.startsWith('peers.conflict')),
    'a replay is no second life',
  );
  assert.ok(c.peers.connected().includes('a'));
});

test('a HELLO of a life that ended does not bring it back, even when its echo is fresh', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a');
  const b = start('b', { seeds: ['a:1'] });
  await clock.advance(300);
  const old = network.overheard.filter(({ bytes, from }) => from === 'b:1' && isHello(bytes));
  b.stop();
  const again = start('b', { seeds: ['a:1'] });
  await clock.advance(1000);
  // Less than NONCE_LIFE_MS ago a made the nonces that these echo.
  for (const { bytes } of old) network.inject(bytes, 'b:1', 'a:1');
  await clock.advance(100);
  a.peers.send('b', say('hello'));
  await clock.advance(20);
  assert.deepEqual(again.texts('a'), ['hello']);
  assert.equal(a.lines.filter((line) => line.startsWith('peers.connected')).length, 2);
});

test('a peer that restarts is heard again at once, whatever its clock says', async () => {
  const { clock, start } = createPeersRig();
  const a = start('a', { seeds: ['b:1'] });
  for (let life = 0; life < 5; life += 1) {
    const b = start('b', { seeds: ['a:1'], wallAheadMs: -life * 1e9 });
    await clock.advance(1500);
    b.peers.broadcast(say(`life ${life}`));
    a.peers.broadcast(say(`to life ${life}`));
    await clock.advance(20);
    assert.equal(a.texts('b').at(-1), `life ${life}`);
    assert.equal(b.texts('a').at(-1), `to life ${life}`);
    assert.equal(rowOf(a, 'b').length, 1);
    b.stop();
  }
});

test('a peer that speaks from another address is followed when it proves to be there', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a');
  const b = start('b', { seeds: ['a:1'] });
  await clock.advance(1000);
  // A translator in between gives it another port.
  network.rename('b:1', 'nat:9');
  b.peers.broadcast(say('from behind it'));
  await clock.advance(2000);
  assert.deepEqual(a.texts('b'), ['from behind it']);
  assert.equal(rowOf(a, 'b')[0]?.address, 'nat:9');
  a.peers.broadcast(say('and back'));
  await clock.advance(20);
  assert.deepEqual(b.texts('a'), ['and back']);
});

test('a datagram that somebody sends on from elsewhere does not lead a session astray', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a');
  const b = start('b', { seeds: ['a:1'] });
  await clock.advance(1000);
  network.cut('b:1', 'a:1');
  const before = network.overheard.length;
  b.peers.broadcast(say('taken'));
  const taken = network.overheard.slice(before).find(({ from }) => from === 'b:1')!;
  network.inject(taken.bytes, 'evil:6', 'a:1');
  await clock.advance(500);
  assert.deepEqual(a.texts('b'), ['taken'], 'it is genuine');
  assert.equal(rowOf(a, 'b')[0]?.address, 'b:1');
  a.peers.broadcast(say('secret'));
  const toEvil = network.overheard.filter(({ to }) => to === 'evil:6');
  assert.ok(
    toEvil.every(({ bytes }) => isHello(bytes)),
    'only asked who is there',
  );
  assert.ok(toEvil.length <= 1);
});

test('two living processes with one name: a third one says so once and hears one of them', async () => {
  const { clock, start } = createPeersRig();
  const a = start('a');
  const one = start('x', { address: 'x:1', seeds: ['a:1'] });
  await clock.advance(2000);
  const two = start('x', { address: 'x:2', seeds: ['a:1'] });
  await clock.advance(60_000);
  const conflicts = a.lines.filter((line) => line.startsWith('peers.conflict'));
  assert.equal(conflicts.length, 1, a.lines.join('\n'));
  assert.equal(
    a.lines.filter((line) => line.startsWith('peers.connected')).length,
    2,
    'no flapping',
  );
  assert.equal(rowOf(a, 'x').length, 2);
  const before = a.texts('x').length;
  one.peers.broadcast(say('one'));
  two.peers.broadcast(say('two'));
  await clock.advance(20);
  assert.equal(a.texts('x').length, before + 1, 'not both by turns');
  const [heard, other] = a.texts('x').at(-1) === 'one' ? [one, two] : [two, one];
  heard.stop();
  await clock.advance(SILENT_AFTER_MS + 500);
  other.peers.broadcast(say('the other'));
  await clock.advance(20);
  assert.equal(a.texts('x').at(-1), 'the other');
});

test('garbage and old HELLOs from everywhere are kept nowhere and answered with measure', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a', { seeds: ['b:1'] });
  const nobody = Buffer.alloc(16);
  const stranger = { name: 'z', boot: Buffer.alloc(16, 1), nonce: Buffer.alloc(16, 2) };
  const hello = encodeHello(
    { ...stranger, echoNonce: nobody, echoBoot: nobody },
    deriveSessionKey(KEY),
  );
  await clock.advance(1000);
  const before = network.overheard.length;
  for (let count = 0; count < 3000; count += 1) {
    network.inject(hello, `evil-${count}:6`, 'a:1');
    network.inject(Buffer.alloc(count % 600, count), `evil-${count}:6`, 'a:1');
    network.inject(hello, 'one:6', 'a:1');
  }
  await clock.advance(10);
  const answers = network.overheard.slice(before).filter(({ to }) => to !== 'b:1');
  assert.ok(answers.length <= HELLO_REPLIES_PER_SECOND, `${answers.length} answers`);
  assert.ok(answers.filter(({ to }) => to === 'one:6').length <= HELLO_REPLIES_PER_ADDRESS);
  assert.ok(answers.every(({ bytes }) => bytes.length === HELLO_BYTES && isHello(bytes)));
  assert.deepEqual(
    a.peers.status().map(({ address }) => address),
    ['b:1'],
  );
  // And whoever is looked for gets through meanwhile.
  const b = start('b');
  const flood = (): void => {
    for (let count = 0; count < 100; count += 1) network.inject(hello, `e-${count}:6`, 'a:1');
  };
  for (let round = 0; round < 30; round += 1) {
    flood();
    await clock.advance(100);
  }
  assert.deepEqual(b.peers.connected(), ['a']);
});

test('a session is forgotten after long silence; when it goes on no number is used again', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a');
  const b = start('b', { seeds: ['a:1'] });
  await clock.advance(1000);
  b.peers.broadcast(say('before'));
  await clock.advance(20);
  const old = network.overheard.filter(({ to }) => to === 'a:1');
  network.cut('a:1', 'b:1');
  network.cut('b:1', 'a:1');
  await clock.advance(FORGET_AFTER_MS + 120_000);
  assert.deepEqual(a.peers.status(), []);
  network.heal();
  await clock.advance(8000);
  assert.equal(rowOf(a, 'b')[0]?.state, 'connected');
  for (const { bytes } of old) network.inject(bytes, 'b:1', 'a:1');
  await clock.advance(20);
  assert.deepEqual(a.texts('b'), ['before'], 'old numbers are refused');
  const heads = network.overheard
    .filter(({ from }) => from === 'a:1')
    .flatMap(({ bytes }) => readDataHead(bytes) ?? []);
  const numbers = heads.map(({ counter }) => counter);
  assert.ok(numbers.length > 100);
  assert.equal(new Set(numbers).size, numbers.length);
});

test('setSeeds() looks at new addresses and leaves old ones, our own among them', async () => {
  const { clock, network, start } = createPeersRig();
  const a = start('a', { seeds: ['a:1', 'gone:1'] });
  start('b');
  await clock.advance(3000);
  assert.deepEqual(
    a.peers.status().map(({ address }) => address),
    ['gone:1'],
  );
  a.peers.setSeeds(['b:1']);
  await clock.advance(3000);
  assert.deepEqual(
    a.peers.status().map(({ name, state }) => [name, state]),
    [['b', 'connected']],
  );
  const before = network.overheard.length;
  await clock.advance(3000);
  const later = network.overheard.slice(before);
  assert.equal(later.filter(({ to }) => to === 'gone:1').length, 0);
});
