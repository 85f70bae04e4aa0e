import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** What nodes tell each other, in any shape: what is written is read, and nothing else does harm. */
const parameters = { seed: fuzzSeed(20_261_121), numRuns: fuzzRuns(1500) };

const name = fc.string({ maxLength: 40 });
const count = fc.nat({ max: 2 ** 31 });
const record: fc.Arbitrary<WireRecord> = fc.oneof(
  fc.record({
    kind: fc.constant('vantage' as const),
    vantage: name,
    group: name,
    incarnation: fc.maxSafeNat(),
    seq: count,
    digest: fc.nat({ max: 2 ** 32 - 1 }),
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
    }),
  }),
  fc.record({
    kind: fc.constant('report' as const),
    node: name,
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
  fc.record({ kind: fc.constant('need' as const), vantage: name, since: count }),
  fc.record({ kind: fc.constant('through' as const), vantage: name, since: count, through: count }),
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

test('decodeFrame() passes over kinds that it does not know', () => {
  const known: WireRecord = { kind: 'need', vantage: 'v', since: 3 };
  const [frame] = encodeFrames([known]);
  const future = Buffer.concat([Buffer.from([200, 3, 1, 2, 3]), frame!]);
  assert.deepEqual(decodeFrame(future), [known]);
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
