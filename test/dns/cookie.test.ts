import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  COOKIE_ABSENT,
  COOKIE_BAD,
  COOKIE_GOOD,
  COOKIE_OLD,
  checkCookie,
  writeServerCookie,
} from '../../src/dns/cookie.ts';
import { sipHash } from '../../src/dns/siphash.ts';
import { parseAddress } from '../../src/ip/address.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const SECRET = hex('e5e973e5a6b2a43f48e7dc849e37bfcf');
const ADDRESS = parseAddress('198.51.100.100')!.bytes;

function made(client: string, secret: Uint8Array, address: Uint8Array, seconds: number): string {
  const out = new Uint8Array(16);
  writeServerCookie(out, 0, hex(client), 0, secret, address, address.length, seconds);
  return client + Buffer.from(out).toString('hex');
}

function word(cookie: string, seconds: number, secret = SECRET, others: Uint8Array[] = []): number {
  const bytes = hex(cookie);
  const secrets = { current: secret, others };
  return checkCookie(bytes, 0, bytes.length, secrets, ADDRESS, 4, seconds);
}

test('sipHash() has the results of its authors', () => {
  const key = Uint8Array.from({ length: 16 }, (_, index) => index);
  const input = Uint8Array.from({ length: 64 }, (_, index) => index);
  const out = new Uint8Array(8);
  const expected = new Map([
    [0, '310e0edd47db6f72'],
    [1, 'fd67dc93c539f874'],
    [7, '37d1018bf50002ab'],
    [8, '6224939a79f5f593'],
    [15, 'e545be4961ca29a1'],
    [63, '724506eb4c328a95'],
  ]);
  for (const [length, result] of expected) {
    sipHash(key, input, 0, length, out, 0);
    assert.equal(Buffer.from(out).toString('hex'), result, `${length} octets`);
  }
});

test('writeServerCookie() makes the cookies of RFC 9018 appendix A', () => {
  const client = '2464c4abcf10c957';
  assert.equal(
    made(client, SECRET, ADDRESS, 1559731985),
    `${client}010000005cf79f111f8130c3eee29480`,
  );
  assert.equal(
    made(client, SECRET, ADDRESS, 1559734385),
    `${client}010000005cf7a871d4a564a1442aca77`,
  );
  const ipv6 = parseAddress('2001:db8:220:1:59de:d0f4:8769:82b8')!.bytes;
  assert.equal(
    made('22681ab97d52c298', hex('445536bcd2513298075a5d379663c962'), ipv6, 1559741961),
    '22681ab97d52c298010000005cf7c609a6bb79d16625507a',
  );
});

test('checkCookie() knows its own, for an hour, and those of the secrets before', () => {
  const then = 1_700_000_000;
  const cookie = made('2464c4abcf10c957', SECRET, ADDRESS, then);
  const other = hex('00112233445566778899aabbccddeeff');
  assert.equal(word('2464c4abcf10c957', then), COOKIE_ABSENT);
  assert.equal(word(cookie, then), COOKIE_GOOD);
  assert.equal(word(cookie, then + 1799), COOKIE_GOOD);
  assert.equal(word(cookie, then + 1800), COOKIE_OLD);
  assert.equal(word(cookie, then + 3601), COOKIE_BAD);
  assert.equal(word(cookie, then - 300), COOKIE_GOOD);
  assert.equal(word(cookie, then - 301), COOKIE_BAD);
  assert.equal(word(cookie, then, other), COOKIE_BAD);
  assert.equal(word(cookie, then, other, [SECRET]), COOKIE_OLD);
  assert.equal(word(`${cookie}00`, then), COOKIE_BAD);
  for (let index = 8; index < 24; index += 1) {
    const bytes = hex(cookie);
    bytes[index]! ^= 1;
    // Octets 9 to 11 are reserved: ignored by value, and yet part of the hash.
    assert.equal(word(Buffer.from(bytes).toString('hex'), then), COOKIE_BAD, `octet ${index}`);
  }
});

test('times of cookies wrap', () => {
  const cookie = made('2464c4abcf10c957', SECRET, ADDRESS, 0xffffffff);
  assert.equal(word(cookie, 2 ** 32 + 10), COOKIE_GOOD);
  assert.equal(word(cookie, 2 ** 32 + 1_900), COOKIE_OLD);
});
