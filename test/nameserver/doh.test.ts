import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DNS_MESSAGE,
  DOH_QUERY_BYTES_MAX,
  freshnessSeconds,
  readDohBody,
  readDohRequest,
} from '../../src/nameserver/doh.ts';
import { ask, startWorker } from './fixture.ts';

const query = new Uint8Array(20).fill(255);
const text = Buffer.from(query).toString('base64url');
const request = (method: string, target: string, contentType?: string) =>
  readDohRequest({ method, target, contentType }, '/dns-query');

test('readDohRequest() takes the query of a GET, and asks for the body of a POST', () => {
  for (const target of [
    `/dns-query?dns=${text}`,
    `/dns-query?x=1&dns=${text}&y`,
    `HTTPS://ns1.example:443/dns-query?dns=${text}`,
  ]) {
    assert.deepEqual(request('GET', target), { step: 'query', query });
  }
  assert.deepEqual(request('POST', '/dns-query', `${DNS_MESSAGE.toUpperCase()} ; q=1`), {
    step: 'read-body',
  });
});

test('readDohRequest() refuses with the status that says why', () => {
  const cases: readonly (readonly [number, ReturnType<typeof request>])[] = [
    [404, request('GET', '/')],
    [404, request('GET', '/dns-query/?dns=AAAA')],
    [405, request('PUT', '/dns-query')],
    [415, request('POST', '/dns-query')],
    [415, request('POST', '/dns-query', 'text/plain')],
    [400, request('GET', '/dns-query?dns=')],
    [400, request('GET', `/dns-query?dns=${text}&dns=${text}`)],
    [400, request('GET', `/dns-query?dns=${text}=`)],
    [414, request('GET', `/dns-query?dns=${'A'.repeat(2 * DOH_QUERY_BYTES_MAX)}`)],
    [413, readDohBody(new Uint8Array(DOH_QUERY_BYTES_MAX + 1))],
    [400, readDohBody(new Uint8Array(11))],
  ];
  for (const [status, step] of cases) {
    assert.ok(step.step === 'refuse', `${status}`);
    assert.equal(step.status, status);
  }
});

test('freshnessSeconds() is the smallest TTL of the answer, or that of the no', () => {
  const worker = startWorker();
  const of = (name: string, type: string, how = {}) =>
    freshnessSeconds(ask(worker, name, type, how).bytes);
  assert.equal(of('static.gslb.example', 'A'), 300);
  assert.equal(of('x.old.gslb.example', 'A'), 77);
  assert.equal(of('nothing.gslb.example', 'A'), 60);
  assert.equal(of('big.gslb.example', 'TXT'), 0, 'truncated');
  assert.equal(of('elsewhere.test', 'A'), 0, 'refused');
  assert.equal(of('sub.gslb.example', 'A'), 0, 'a referral');
  assert.equal(freshnessSeconds(new Uint8Array(3)), 0);
  // An alias that keeps long, to a name that is not there.
  const record = (type: number, ttl: number) => [0, 0, type, 0, 1, 0, 0, 0, ttl, 0, 1, 0];
  const counts = [0, 1, 0, 1, 0, 1, 0, 0];
  const chain = [0, 1, 0x84, 3, ...counts, 0, 0, 1, 0, 1, ...record(5, 200), ...record(6, 60)];
  assert.equal(freshnessSeconds(Uint8Array.from(chain)), 60);
  assert.equal(freshnessSeconds(Uint8Array.from(chain.with(-11, 2))), 200, 'no SOA');
});
