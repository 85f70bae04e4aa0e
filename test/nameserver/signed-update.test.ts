import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  RCODE_BADVERS,
  RCODE_FORMERR,
  RCODE_NOTAUTH,
  RCODE_NOTIMP,
  RCODE_REFUSED,
} from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { readTsig, signTsig, TSIG_BADKEY, TSIG_BADSIG, TSIG_BADTIME } from '../../src/dns/tsig.ts';
import { TRANSPORT_HTTPS, TRANSPORT_TLS } from '../../src/nameserver/client.ts';
import { DEFER_UPDATE } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { clientAt, compiled, createConfig, NOW_MS, startWorker, wireName } from './fixture.ts';
import { KEY, NOW_SECONDS, signedUpdate, config as updated, updateMessage } from './update-rig.ts';

/** UPDATE at the door of a worker: it hands over what a known key has signed, and answers all else itself. */
const LINES = ['add a.gslb.example. 60 TXT a'];
const open = startWorker(compiled(updated));
const closed = startWorker(compiled(createConfig()));

function knock(
  query: Uint8Array,
  { worker = open, transport = undefined as number | undefined } = {},
) {
  const reply = new Uint8Array(65_535);
  const client = clientAt('192.0.2.200');
  const at = transport === undefined ? client : { ...client, transport: transport as never };
  const length = respond(worker, at, query, query.length, NOW_MS, reply);
  if (length <= 0) return { length };
  const bytes = reply.slice(0, length);
  const decoded = decodeMessage(bytes);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  const { id, opcode, rcode, response } = decoded.message;
  assert.deepEqual([response, opcode, id], [true, 5, 1]);
  const offset = Buffer.from(bytes).lastIndexOf(Buffer.from(KEY.name));
  const tsig = offset < 0 ? undefined : readTsig(bytes, offset);
  return { length, rcode, error: tsig?.error, hasMac: (tsig?.mac.length ?? 0) > 0 };
}

test('what a known key has signed is handed over, over UDP, TCP and TLS', () => {
  const query = signedUpdate(LINES);
  assert.deepEqual(knock(query), { length: DEFER_UPDATE });
  assert.deepEqual(knock(query, { transport: TRANSPORT_TLS }), { length: DEFER_UPDATE });
});

test('where no zone takes updates they are not implemented, nor over HTTPS', () => {
  assert.equal(knock(signedUpdate(LINES), { worker: closed }).rcode, RCODE_NOTIMP);
  assert.equal(knock(signedUpdate(LINES), { transport: TRANSPORT_HTTPS }).rcode, RCODE_NOTIMP);
});

test('nobody’s update is refused, and a broken one FORMERR', () => {
  assert.equal(knock(updateMessage(LINES)).rcode, RCODE_REFUSED);
  assert.equal(knock(updateMessage(LINES).subarray(0, 40)).rcode, RCODE_FORMERR);
  // An address of three octets: nobody looks into the records of somebody without a key.
  const header = [0, 1, 0x28, 0, 0, 1, 0, 0, 0, 1, 0, 0];
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 192, 0, 2];
  const unread = [...header, ...wireName('gslb.example'), 0, 6, 0, 1, ...record];
  assert.equal(knock(Uint8Array.from(unread)).rcode, RCODE_REFUSED);
});

test('a signature in another place, or one of two, is FORMERR (RFC 8945 5.1)', () => {
  const plain = updateMessage(LINES);
  const signed = signedUpdate(LINES);
  const tsig = signed.subarray(plain.length);
  // By section: in answer, authority, and before another record of additional.
  const other = Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0);
  for (const [count, records] of [
    [6, [tsig]],
    [8, [tsig]],
    [10, [tsig, other]],
  ] as const) {
    // What is in answer comes before the change.
    const head = count === 6 ? updateMessage([]) : plain;
    const bytes = new Uint8Array(Buffer.concat([head, ...records]));
    bytes[count + 1]! += records.length;
    assert.equal(knock(bytes).rcode, RCODE_FORMERR, `${count}`);
  }
  const twice = signTsig(signed, KEY, NOW_SECONDS).message;
  assert.equal(knock(new Uint8Array(twice)).rcode, RCODE_FORMERR);
});

test('another version of EDNS is BADVERS, signed (RFC 6891 6.1.3)', () => {
  const opt = Uint8Array.of(0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0);
  const plain = Buffer.concat([updateMessage(LINES), opt]);
  plain[11] = 1;
  const { message } = signTsig(new Uint8Array(plain), KEY, NOW_SECONDS);
  const { length: _length, ...told } = knock(new Uint8Array(message));
  assert.deepEqual(told, { rcode: RCODE_BADVERS, error: 0, hasMac: true });
});

test('wrong keys, signatures and times are NOTAUTH with the error in TSIG (RFC 8945 5.2)', () => {
  const unknown = { ...KEY, name: Uint8Array.from([...KEY.name].with(1, 0x78)) };
  const rows = [
    [signedUpdate(LINES, unknown), TSIG_BADKEY, false],
    [signedUpdate(LINES, { ...KEY, algorithm: 'hmac-sha512' }), TSIG_BADKEY, false],
    [signedUpdate(LINES, { ...KEY, secret: new Uint8Array(32) }), TSIG_BADSIG, false],
    [signedUpdate(LINES, KEY, NOW_SECONDS - 301), TSIG_BADTIME, true],
    [signedUpdate(LINES, KEY, NOW_SECONDS + 301), TSIG_BADTIME, true],
  ] as const;
  for (const [query, error, hasMac] of rows) {
    const { length: _length, ...told } = knock(query);
    const isUnknown = query === rows[0][0];
    const expected = { rcode: RCODE_NOTAUTH, error, hasMac };
    // The unknown key's own name is in the record.
    assert.deepEqual(told, isUnknown ? { ...expected, error: undefined } : expected);
  }
});
