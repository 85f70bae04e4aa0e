import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { formatRecord } from '../../src/dns/format.ts';
import { CNAME_CHAIN_MAX } from '../../src/zone/lookup.ts';
import { type Ask, ask, startWorker } from './fixture.ts';

const worker = startWorker();

/** Records as lines, read by the decoder, which follows the pointers. */
function lines(name: string, type: string, how: Ask = {}) {
  const { bytes } = ask(worker, name, type, how);
  const decoded = decodeMessage(bytes);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  const { answer, authoritative, rcode } = decoded.message;
  return { answer: answer.map(formatRecord), authoritative, rcode };
}

test('what is below a DNAME is renamed, with a CNAME of its TTL (RFC 6672 3.1)', () => {
  assert.deepEqual(lines('X.Old.gslb.example', 'A'), {
    answer: [
      'Old.gslb.example. 77 IN DNAME New.gslb.example.',
      'X.Old.gslb.example. 77 IN CNAME X.New.gslb.example.',
      'X.New.gslb.example. 300 IN A 192.0.2.7',
    ],
    authoritative: true,
    rcode: 0,
  });
});

test('the owner of a DNAME has its own records', () => {
  assert.deepEqual(lines('old.gslb.example', 'TXT').answer, [
    'old.gslb.example. 300 IN TXT "at the DNAME"',
  ]);
  assert.deepEqual(lines('old.gslb.example', 'DNAME').answer, [
    'old.gslb.example. 77 IN DNAME New.gslb.example.',
  ]);
  assert.deepEqual(lines('old.gslb.example', 'A').answer, []);
});

test('CNAMEs and DNAMEs follow each other', () => {
  assert.deepEqual(lines('c.old.gslb.example', 'A').answer, [
    'old.gslb.example. 77 IN DNAME New.gslb.example.',
    'c.old.gslb.example. 77 IN CNAME c.New.gslb.example.',
    'c.New.gslb.example. 300 IN CNAME y.old.gslb.example.',
    'old.gslb.example. 77 IN DNAME New.gslb.example.',
    'y.old.gslb.example. 77 IN CNAME y.New.gslb.example.',
    'y.New.gslb.example. 300 IN A 192.0.2.8',
  ]);
});

test('a DNAME may lead out of our zones, to nothing, and round in circles', () => {
  assert.deepEqual(lines('a.b.out.gslb.example', 'A').answer, [
    'out.gslb.example. 300 IN DNAME elsewhere.test.',
    'a.b.out.gslb.example. 300 IN CNAME a.b.elsewhere.test.',
  ]);
  const missing = lines('nothing.old.gslb.example', 'A');
  assert.deepEqual([missing.rcode, missing.answer.length], [3, 2]);
  const spinning = lines('q.spin.gslb.example', 'A', { tcp: true });
  assert.equal(spinning.answer.length, 2 * CNAME_CHAIN_MAX);
});

test('a name that would be too long is YXDOMAIN, with the DNAME alone (RFC 6672 2.2)', () => {
  const label = 'q'.repeat(60);
  assert.deepEqual(lines(`${label}.long.gslb.example`, 'A').rcode, 0);
  const tooLong = lines(`${label}.${label}.long.gslb.example`, 'A');
  assert.equal(tooLong.rcode, 6);
  assert.equal(tooLong.answer.length, 1);
  assert.match(tooLong.answer[0]!, /^long\.gslb\.example\. 300 IN DNAME /);
});
