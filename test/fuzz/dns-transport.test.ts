import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createProxiedClient,
  PROXY_HEADER_LENGTH_MAX,
  PROXY_MALFORMED,
  readProxyHeader,
} from '../../src/ip/proxy-protocol.ts';
import { freshnessSeconds, readDohBody, readDohRequest } from '../../src/nameserver/doh.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

const options = { seed: fuzzSeed(20_261_121), numRuns: fuzzRuns(3000) };
const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];

test('readProxyHeader() stays within its bytes, whatever they are', () => {
  const rest = fc.uint8Array({ maxLength: 300 });
  const bytes = fc.oneof(
    rest,
    rest.map((tail) => Uint8Array.from([...SIGNATURE, ...tail])),
    fc
      .tuple(fc.constantFrom(0x20, 0x21, 0x22, 0x11), fc.nat(255), fc.nat(300), rest)
      .map(([command, family, length, tail]) =>
        Uint8Array.from([...SIGNATURE, command, family, length >> 8, length & 255, ...tail]),
      ),
  );
  fc.assert(
    fc.property(bytes, (all) => {
      const client = createProxiedClient();
      const end = readProxyHeader(client, all, all.length);
      assert.ok(end >= PROXY_MALFORMED && end <= Math.min(all.length, PROXY_HEADER_LENGTH_MAX));
      // What is a header at its end was none before, and is the same with anything behind it.
      if (end <= 0) return;
      assert.equal(readProxyHeader(createProxiedClient(), all, end - 1), 0);
      const again = createProxiedClient();
      assert.equal(readProxyHeader(again, all.subarray(0, end), end), end);
      assert.deepEqual(again, client);
    }),
    options,
  );
});

test('requests and replies of DoH are read without an exception', () => {
  const target = fc.oneof(
    fc.string(),
    fc.string().map((text) => `/dns-query?dns=${text}`),
    fc.uint8Array().map((octets) => `/dns-query?dns=${Buffer.from(octets).toString('base64url')}`),
  );
  const method = fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', '');
  fc.assert(
    fc.property(
      method,
      target,
      fc.option(fc.string()),
      fc.uint8Array(),
      (verb, path, type, body) => {
        const request = { method: verb, target: path, contentType: type ?? undefined };
        const step = readDohRequest(request, '/dns-query');
        if (step.step === 'refuse') assert.ok(step.status >= 400 && step.status < 500);
        if (step.step === 'query') assert.ok(step.query.length >= 12);
        assert.ok(['query', 'refuse'].includes(readDohBody(body).step));
        assert.ok(freshnessSeconds(body) >= 0);
      },
    ),
    options,
  );
});

test('a reply over HTTPS keeps as long as the least TTL of its answer and its SOA', () => {
  const TYPES = [1, 5, 6, 16, 46, 47];
  const record = fc.record({
    name: fc.constantFrom([0], [0xc0, 12], [1, 97, 0], [1, 97, 0xc0, 12]),
    type: fc.constantFrom(...TYPES),
    ttl: fc.integer({ min: 0, max: 0x7fffffff }),
    data: fc.array(fc.nat(255), { maxLength: 40 }),
  });
  const section = fc.array(record, { maxLength: 4 });
  fc.assert(
    fc.property(section, section, section, fc.nat(200), (answer, authority, other, cut) => {
      const octets = [answer, authority, other].flat().flatMap(({ data, name, ttl, type }) => {
        const times = [ttl >>> 24, (ttl >>> 16) & 255, (ttl >>> 8) & 255, ttl & 255];
        return [...name, 0, type, 0, 1, ...times, 0, data.length, ...data];
      });
      const counts = [answer, authority, other].flatMap(({ length }) => [0, length]);
      const whole = [0, 1, 0x84, 0, 0, 1, ...counts, 1, 120, 0, 0, 1, 0, 1, ...octets];
      const relevant = [...answer, ...authority.filter(({ type }) => type === 6)];
      const expected = relevant.length === 0 ? 0 : Math.min(...relevant.map(({ ttl }) => ttl));
      assert.equal(freshnessSeconds(Uint8Array.from(whole)), expected);
      assert.ok(freshnessSeconds(Uint8Array.from(whole.slice(0, cut))) >= 0);
    }),
    options,
  );
});
