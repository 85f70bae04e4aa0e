import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHelloBudget, HELLO_REPLIES_PER_ADDRESS } from '../../src/cluster/hello-budget.ts';
import {
  acceptOnce,
  createReplayWindow,
  deriveDataKey,
  deriveSessionKey,
  encodeHello,
  HELLO_BYTES,
  makeNonce,
  NONCE_LIFE_MS,
  openData,
  openHello,
  REPLAY_WINDOW,
  readNonce,
  SEAL_BYTES,
  sealData,
} from '../../src/cluster/session.ts';
import { FRAME_BYTES_MAX } from '../../src/cluster/wire.ts';

const key = deriveSessionKey('a cluster key that is long enough to be one');
const [a, b] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];

test('readNonce() takes what was made for this address, for ten seconds', () => {
  const secret = Buffer.alloc(32, 9);
  const nowMs = 1_763_692_800_123.75;
  const nonce = makeNonce(secret, '192.0.2.1:8054', nowMs);
  const check = { secret, address: '192.0.2.1:8054', nowMs };
  assert.equal(readNonce(nonce, check), Math.floor(nowMs));
  assert.ok(readNonce(nonce, { ...check, nowMs: nowMs + NONCE_LIFE_MS - 1 }));
  assert.equal(readNonce(nonce, { ...check, nowMs: nowMs + NONCE_LIFE_MS + 1 }), undefined);
  assert.equal(readNonce(nonce, { ...check, nowMs: nowMs - 1 }), undefined, 'of the future');
  assert.equal(readNonce(nonce, { ...check, address: '192.0.2.1:8055' }), undefined);
  assert.equal(readNonce(nonce, { ...check, secret: Buffer.alloc(32, 8) }), undefined);
  for (let at = 0; at < nonce.length; at += 1) {
    const other = Buffer.from(nonce);
    other[at] = other[at]! ^ 1;
    const read = readNonce(other, { ...check, nowMs: nowMs + 5000 });
    assert.equal(read, undefined, `byte ${at}`);
  }
});

test('openHello() reads names of any length that a node can have', () => {
  for (const name of ['a', 'n'.repeat(255), 'é'.repeat(127)]) {
    const hello = { name, boot: a, nonce: a, echoNonce: b, echoBoot: b };
    const bytes = encodeHello(hello, key);
    assert.equal(bytes.length, HELLO_BYTES);
    assert.equal(openHello(bytes, [key])?.hello.name, name);
  }
  const nameless = { name: '', boot: a, nonce: a, echoNonce: b, echoBoot: b };
  assert.equal(openHello(encodeHello(nameless, key), [key]), undefined);
});

test('sealData() fits the least MTU of IPv6, and no other pair or direction opens it', () => {
  const frame = Buffer.alloc(FRAME_BYTES_MAX, 7);
  const dataKey = deriveDataKey(key, a, b);
  const sealed = sealData(frame, { boot: a, counter: 1, dataKey, keyId: key.id });
  const [ipv6, udp, mtu] = [40, 8, 1280];
  assert.ok(sealed.length + ipv6 + udp <= mtu, `${sealed.length}`);
  assert.equal(sealed.length, frame.length + SEAL_BYTES);
  assert.deepEqual(openData(sealed, dataKey), frame);
  assert.equal(openData(sealed, deriveDataKey(key, b, a)), undefined);
  assert.equal(openData(sealed, deriveDataKey(key, a, Buffer.alloc(16, 3))), undefined);
  const other = deriveSessionKey('another key that is long enough to be one');
  assert.equal(openData(sealed, deriveDataKey(other, a, b)), undefined);
});

test('createReplayWindow() goes on after numbers that were shown before', () => {
  const window = createReplayWindow(1000);
  for (const number of [1000, 999, 1000 - REPLAY_WINDOW, 0]) {
    assert.equal(acceptOnce(window, number), false, `${number}`);
  }
  assert.equal(acceptOnce(window, 1001), true);
  assert.equal(acceptOnce(window, 1001), false);
  assert.equal(acceptOnce(window, 1001 + 2 * REPLAY_WINDOW), true);
  assert.equal(acceptOnce(window, 1003), false, 'too old');
});

test('createHelloBudget() is spent by one address and refilled after a second', () => {
  const budget = createHelloBudget(5);
  const spent = (address: string, nowMs: number): number =>
    Array.from({ length: 20 }, () => budget.spend(address, nowMs)).filter(Boolean).length;
  assert.equal(spent('192.0.2.1:1', 1000), HELLO_REPLIES_PER_ADDRESS);
  assert.equal(spent('192.0.2.2:1', 1500), HELLO_REPLIES_PER_ADDRESS);
  assert.equal(spent('192.0.2.1:1', 1999), 0);
  assert.equal(spent('192.0.2.1:1', 2000), HELLO_REPLIES_PER_ADDRESS);
});
