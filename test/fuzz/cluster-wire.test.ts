import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createExchange } from '../../src/cluster/exchange.ts';
import {
  acceptOnce,
  createReplayWindow,
  deriveDataKey,
  deriveSessionKey,
  encodeHello,
  openData,
  openHello,
  readDataHead,
  sealData,
} from '../../src/cluster/session.ts';
import {
  decodeFrame,
  encodeFrames,
  FRAME_BYTES_MAX,
  type WireRecord,
} from '../../src/cluster/wire.ts';
import { STATEMENT_BUCKETS } from '../../src/cluster/wire-codecs.ts';
import { createPeersRig, say } from '../cluster/peers-rig.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** What nodes tell each other, in any shape: what is written is read, and nothing else does harm. */
const parameters = { seed: fuzzSeed(20_261_121), numRuns: fuzzRuns(1500) };

const name = fc.string({ maxLength: 40 });
const count = fc.nat({ max: 2 ** 31 });
const word = fc.nat({ max: 2 ** 32 - 1 });
const record: fc.Arbitrary<WireRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('vantage' as const),
    vantage: name,
    group: name,
    incarnation: fc.maxSafeNat(),
    beat: fc.maxSafeNat(),
    seq: count,
    digest: word,
    trusted: fc.boolean(),
    reason: name,
  }),
  fc.record({
    kind: fc.constant('statement' as const),
    vantage: name,
    incarnation: fc.maxSafeNat(),
    seq: count,
    key: name,
    withdrawn: fc.constant(false),
    verdict: fc.constantFrom('up' as const, 'down' as const, 'unknown' as const),
    slow: fc.boolean(),
    failing: fc.boolean(),
    leaseMs: count,
    secondsToChange: fc.nat({ max: 100_000 }),
    sinceAgeMs: count,
    reason: name.filter((text) => text !== ''),
    last: fc.record({
      ageMs: count,
      ok: fc.boolean(),
      rttMs: fc.nat({ max: 100_000 }),
      reason: name.filter((text) => text !== ''),
      warning: name,
    }),
  }),
  fc.record({
    kind: fc.constant('report' as const),
    node: name,
    incarnation: fc.maxSafeNat(),
    beat: count,
    region: name,
    address: name,
    port: fc.nat({ max: 65_535 }),
    ready: fc.boolean(),
    reason: name,
    serversUsable: count,
    serversTotal: count,
    requestsPerSecond: count,
    active: count,
    leaseMs: count,
  }),
  fc.record({
    kind: fc.constant('need' as const),
    vantage: name,
    since: count,
    digests: fc.array(word, { maxLength: STATEMENT_BUCKETS }),
  }),
  fc.record({
    kind: fc.constant('bucket' as const),
    vantage: name,
    incarnation: fc.maxSafeNat(),
    bucket: fc.nat({ max: 100 }),
    digest: word,
  }),
  fc.record({ kind: fc.constant('ping' as const), token: fc.maxSafeNat() }),
  fc.record({
    kind: fc.constant('pong' as const),
    token: fc.maxSafeNat(),
    wallMs: fc.maxSafeNat(),
  }),
  fc.record({ kind: fc.constant('fact' as const), key: name, text: name }),
  fc.record({ kind: fc.constant('digest' as const), text: name }),
  fc.record({ kind: fc.constant('node' as const), text: name }),
  fc.record({
    kind: fc.constant('held' as const),
    id: name,
    health: fc.constantFrom('up' as const, 'down' as const),
    ageMs: count,
  }),
  fc.record({ kind: fc.constant('outlive' as const), vantage: name, incarnation: fc.maxSafeNat() }),
);

test('decodeFrame() reads what encodeFrames() writes, in frames that fit a datagram', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 60 }), (records) => {
      const frames = encodeFrames(records);
      for (const frame of frames) assert.ok(frame.length <= FRAME_BYTES_MAX);
      const read = frames.flatMap((frame) => decodeFrame(frame) ?? assert.fail('not a frame'));
      // fast-check makes records without a prototype.
      assert.deepEqual(read, structuredClone(records));
    }),
    parameters,
  );
});

test('decodeFrame() takes any bytes, whole frames with one byte changed among them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const records = decodeFrame(bytes) ?? [];
      assert.ok(records.length <= bytes.length);
    }),
    parameters,
  );
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.nat(255),
      (list, at, value) => {
        const [frame] = encodeFrames(list);
        frame![at % frame!.length] = value;
        decodeFrame(frame!);
      },
    ),
    parameters,
  );
});

const key = deriveSessionKey('a cluster key that is long enough to be one');
const boots = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;

test('openHello() and openData() take only what the key vouches for', () => {
  const nonce = Buffer.alloc(16, 3);
  const hello = { name: 'a', boot: boots[0], nonce, echoNonce: nonce, echoBoot: boots[1] };
  const greeting = encodeHello(hello, key);
  const dataKey = deriveDataKey(key, boots[0], boots[1]);
  const sealing = { boot: boots[0], counter: 7, dataKey, keyId: key.id };
  const sealed = sealData(Buffer.from('frame'), sealing);
  assert.equal(openHello(greeting, [key])?.hello.name, 'a');
  assert.deepEqual(openData(sealed, dataKey), Buffer.from('frame'));
  assert.equal(readDataHead(sealed)?.counter, 7);
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, change) => {
      for (const original of [greeting, sealed]) {
        const bytes = Buffer.from(original);
        const place = at % bytes.length;
        bytes[place] = bytes[place]! ^ change;
        assert.equal(openHello(bytes, [key]), undefined);
        if (readDataHead(bytes) !== undefined) assert.equal(openData(bytes, dataKey), undefined);
      }
    }),
    parameters,
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(openHello(bytes, [key]), undefined);
      if (readDataHead(bytes) !== undefined) assert.equal(openData(bytes, dataKey), undefined);
    }),
    parameters,
  );
});

test('acceptOnce() takes every number once, in any order within the window', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 600 }), { maxLength: 400 }), (numbers) => {
      const window = createReplayWindow();
      const seen = new Set<number>();
      let highest = -1;
      for (const number of numbers) {
        const expected = !seen.has(number) && number > highest - 256;
        assert.equal(acceptOnce(window, number), expected, `${number} after ${highest}`);
        if (expected) seen.add(number);
        highest = Math.max(highest, number);
      }
    }),
    parameters,
  );
});

test('createPeers() takes any datagrams, changed and old ones among them, and goes on', async () => {
  const { clock, network, start } = createPeersRig(fuzzSeed(20_261_121));
  const [a, b] = [start('a', { seeds: ['b:1'] }), start('b', { seeds: ['a:1'] })];
  await clock.advance(2000);
  const samples = network.overheard.map(({ bytes }) => bytes);
  const datagrams = fc.sample(
    fc.record({
      base: fc.nat(),
      at: fc.nat(),
      value: fc.nat(255),
      cut: fc.nat(),
      from: fc.constantFrom('a:1', 'b:1', 'c:1', 'd:1'),
      any: fc.option(fc.uint8Array({ maxLength: 400 })),
    }),
    { seed: parameters.seed, numRuns: parameters.numRuns },
  );
  for (const { any, at, base, cut, from, value } of datagrams) {
    const bytes = Buffer.from(any ?? samples[base % samples.length]!);
    if (any === null && cut % 3 > 0) bytes[at % bytes.length] = value;
    network.inject(cut % 5 === 0 ? bytes.subarray(0, cut % 400) : bytes, from, 'b:1');
    if (at % 50 === 0) await clock.advance(20);
  }
  await clock.advance(3000);
  a.peers.broadcast(say('still'));
  await clock.advance(20);
  assert.deepEqual(b.texts('a'), ['still']);
  assert.deepEqual(
    b.peers.status().map((row) => [row.name, row.address]),
    [['a', 'a:1']],
  );
});

test('createExchange() takes any records from nodes that hold the key', () => {
  const ignore = (): void => {};
  fc.assert(
    fc.property(
      fc.array(fc.tuple(record, fc.constantFrom('a', 'b', 'c')), { maxLength: 60 }),
      (records) => {
        const exchange = createExchange({
          clock: { nowMs: () => 1_000_000, setTimer: () => ignore },
          name: 'a',
          incarnation: 1,
          direct: undefined,
          log: { info: ignore, warn: ignore },
          ears: {
            observe: ignore,
            withdraw: ignore,
            hear: ignore,
            report: ignore,
            hearJudgement: ignore,
          },
          heldJudgements: () => [],
          describe: () => '{}',
          onNode: ignore,
        });
        exchange.setVantages(['v', 'w']);
        for (const [each, from] of records) exchange.hear([each], from);
        exchange.hear(
          records.map(([each]) => each),
          'b',
        );
        exchange.close();
      },
    ),
    { ...parameters, numRuns: fuzzRuns(300) },
  );
});
