import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { createQuery, parseQuery } from '../../src/dns/message.ts';
import { formatName, parseName } from '../../src/dns/name.ts';
import { readTsig, signTsig, TSIG_BADKEY, TSIG_BADSIG, verifyTsig } from '../../src/dns/tsig.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { clientAt, compiled, createConfig, NOW_MS, queryBytes, startWorker } from './fixture.ts';

const SECRET = Buffer.alloc(32, 5).toString('base64');
const base = createConfig();
const worker = startWorker(
  compiled(
    createConfig({
      dns: { ...base.dns, keys: { 'a.key.': { algorithm: 'hmac-sha256', secret: SECRET } } },
    }),
  ),
);
const key = {
  name: parseName('a.key.')!,
  algorithm: 'hmac-sha256' as const,
  secret: new Uint8Array(32).fill(5),
};
const NOW = NOW_MS / 1000;

function send(name: string, type: string, how = {}, by = key, tcp = false) {
  const query = signTsig(queryBytes(name, type, how), by, NOW);
  const reply = new Uint8Array(65_535);
  const client = clientAt('192.0.2.200', tcp);
  const length = respond(worker, client, query.message, query.message.length, NOW_MS, reply);
  const bytes = reply.slice(0, length);
  const decoded = decodeMessage(bytes);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  return { ...decoded.message, bytes, mac: query.mac };
}

/** TSIG is the last record: its name is that of the key, uncompressed. */
function tsigOffset(bytes: Uint8Array): number {
  const copy = bytes.slice();
  copy[2]! &= 0x7f;
  const query = createQuery();
  // A reply has sections that a query has not; only the last record is looked for.
  for (let at = bytes.length - 20; at > 12; at -= 1) {
    if (readTsig(bytes, at) !== undefined && bytes[at] === 1) return at;
  }
  parseQuery(query, copy, copy.length);
  return query.tsigOffset;
}

test('a signed query is answered as it would be, and signed', () => {
  const reply = send('static.gslb.example', 'A', { udpSize: 1232 });
  assert.deepEqual(
    reply.answer.map(({ text }) => text),
    ['192.0.2.1', '192.0.2.2'],
  );
  const chain = { mac: reply.mac, between: [], isLater: false };
  const offset = tsigOffset(reply.bytes);
  assert.ok(verifyTsig(reply.bytes, offset, [key], NOW, chain).ok);
  assert.ok(reply.edns !== undefined);
});

test('a signed query that came in memory of the system is not changed by judging it', () => {
  const { message } = signTsig(queryBytes('static.gslb.example', 'A'), key, NOW);
  const bytes = Buffer.from(message);
  const reply = new Uint8Array(65_535);
  const length = respond(worker, clientAt('192.0.2.200'), bytes, bytes.length, NOW_MS, reply);
  assert.deepEqual(new Uint8Array(bytes), new Uint8Array(message));
  const decoded = decodeMessage(reply.slice(0, length));
  assert.ok(decoded.ok && decoded.message.rcode === 0 && decoded.message.answer.length === 2);
});

test('what has no room for its signature is cut, and signed', () => {
  const reply = send('big.gslb.example', 'TXT', { udpSize: 512 });
  assert.ok(reply.truncated && reply.answer.length === 0);
  const chain = { mac: reply.mac, between: [], isLater: false };
  assert.ok(verifyTsig(reply.bytes, tsigOffset(reply.bytes), [key], NOW, chain).ok);
  const whole = send('big.gslb.example', 'TXT', {}, key, true);
  assert.equal(whole.answer.length, 30);
});

test('a key that nobody has, and a wrong signature, are NOTAUTH with the reason', () => {
  for (const [by, error] of [
    [{ ...key, name: parseName('b.key.')! }, TSIG_BADKEY],
    [{ ...key, secret: new Uint8Array(32) }, TSIG_BADSIG],
  ] as const) {
    const reply = send('static.gslb.example', 'A', { udpSize: 1232 }, by);
    assert.deepEqual([reply.rcode, reply.answer], [9, []]);
    assert.equal(reply.edns?.udpSize, 1232, 'OPT as in the query (RFC 6891 6.1.1)');
    const tsig = readTsig(reply.bytes, tsigOffset(reply.bytes))!;
    assert.deepEqual([tsig.error, tsig.mac.length], [error, 0]);
  }
});

test('what has no room for the names of a signature either goes without one', () => {
  const label = `${'k'.repeat(63)}.`;
  const long = { ...key, name: parseName(`${label.repeat(3)}${'k'.repeat(61)}.`)! };
  const name = `${`${'q'.repeat(63)}.`.repeat(3)}gslb.example`;
  const nobodys = send(name, 'A', {}, long);
  assert.deepEqual([nobodys.rcode, nobodys.additional], [9, []]);
  const config = createConfig({
    dns: {
      ...base.dns,
      keys: { [formatName(long.name)]: { algorithm: 'hmac-sha256', secret: SECRET } },
    },
  });
  const query = signTsig(queryBytes(name, 'A'), long, NOW).message;
  const reply = new Uint8Array(512);
  const length = respond(
    startWorker(compiled(config)),
    clientAt('192.0.2.200'),
    query,
    query.length,
    NOW_MS,
    reply,
  );
  const decoded = decodeMessage(reply.slice(0, length));
  assert.ok(decoded.ok && decoded.message.truncated);
});
