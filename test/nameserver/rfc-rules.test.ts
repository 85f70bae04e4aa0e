import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RrsetConfig } from '../../src/config/config.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { buildQuery, opt } from '../dns/query-builder.ts';
import {
  ask,
  clientAt,
  compiled,
  createConfig,
  NOW_MS,
  rrset,
  startWorker,
  wireName,
} from './fixture.ts';

/** Rules of RFCs, one by one, that need a zone of their own to be seen. */
const ZONE = 'z.test';
const NAMESERVERS = [rrset('z.test.', 'NS', ['ns1.else.test.'])];

function serve(rrsets: readonly RrsetConfig[], ttl = 300, minimum = 60) {
  const { 'gslb.example': like } = createConfig().zones;
  const soa = { ...like!.soa, mname: 'ns1.else.test.', minimum };
  const zone = { ttl, soa, rrsets: [...NAMESERVERS, ...rrsets], steered: [] };
  return startWorker(compiled(createConfig({ zones: { [ZONE]: zone } })));
}

/** Any type by its number, decoded by our own decoder, which shows rdata as they came. */
function lookUp(worker: ReturnType<typeof serve>, name: string, type: number) {
  const question = [...wireName(name), type >> 8, type & 255, 0, 1];
  const query = buildQuery({ question, records: [opt()] });
  const reply = new Uint8Array(65_535);
  const length = respond(worker, clientAt('192.0.2.1'), query, query.length, NOW_MS, reply);
  const decoded = decodeMessage(reply.slice(0, length));
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  return { ...decoded.message, bytes: reply.slice(0, length) };
}

test('a negative answer has the least of the SOA’s TTL and MINIMUM (RFC 2308 3)', () => {
  for (const [ttl, minimum, least] of [
    [20, 60, 20],
    [300, 60, 60],
    [60, 60, 60],
    [0, 60, 0],
    [300, 0, 0],
  ] as const) {
    const worker = serve([rrset('a.z.test.', 'TXT', ['"x"'])], ttl, minimum);
    assert.equal(ask(worker, `nothing.${ZONE}`, 'A').negativeTtl, least);
    assert.equal(ask(worker, `a.${ZONE}`, 'A').negativeTtl, least);
    // Asked for, it has its own.
    assert.deepEqual(ask(worker, ZONE, 'SOA').ttls, [ttl]);
  }
});

test('data of unknown types are served octet by octet (RFC 3597 3, 4)', () => {
  // A name of the zone, a pointer, and all octets: nothing of it is compressed, expanded or looked up.
  const data = [...wireName(`a.${ZONE}`), 0xc0, 0x0c, ...Array.from({ length: 256 }, (_, i) => i)];
  const hex = Buffer.from(data).toString('hex');
  const worker = serve([
    rrset(`a.${ZONE}.`, 'TYPE65280', [`\\# ${data.length} ${hex}`, '\\# 0']),
    rrset(`a.${ZONE}.`, 'A', ['192.0.2.1']),
    rrset(`*.w.${ZONE}.`, 'TYPE731', ['\\# 3 abcdef']),
  ]);
  const { answer, additional } = lookUp(worker, `a.${ZONE}`, 65_280);
  assert.deepEqual(
    answer.map(({ rdata }) => [...rdata]),
    [data, []],
  );
  assert.deepEqual(additional, []);
  const [synthesized] = lookUp(worker, `x.w.${ZONE}`, 731).answer;
  assert.deepEqual([...synthesized!.rdata], [0xab, 0xcd, 0xef]);
  assert.equal(synthesized!.name, `x.w.${ZONE}.`);
  assert.deepEqual(lookUp(worker, `a.${ZONE}`, 65_281).answer, []);
});

test('names in newer types are not compressed, a DNAME’s target neither (RFC 3597 4, 6672 2.5)', () => {
  const target = [...wireName(`target.${ZONE}`)];
  const worker = serve([
    rrset(`s.${ZONE}.`, 'SRV', [`1 2 3 target.${ZONE}.`]),
    rrset(`d.${ZONE}.`, 'DNAME', [`target.${ZONE}.`]),
    rrset(`h.${ZONE}.`, 'SVCB', [`1 target.${ZONE}.`]),
  ]);
  for (const [name, type] of [
    ['s', 33],
    ['d', 39],
    ['h', 64],
  ] as const) {
    const { bytes } = lookUp(worker, `${name}.${ZONE}`, type);
    assert.ok(Buffer.from(bytes).includes(Buffer.from(target)), `type ${type}`);
  }
});

test('wildcards are asterisks that stand alone and first (RFC 4592 2.1.1, 2.2.1, 4.5)', () => {
  const worker = serve([
    rrset(`*.${ZONE}.`, 'TXT', ['"any"']),
    rrset(`*.${ZONE}.`, 'MX', [`10 host1.${ZONE}.`]),
    rrset(`sub.*.${ZONE}.`, 'TXT', ['"this is not a wildcard"']),
    rrset(`a*.w.${ZONE}.`, 'TXT', ['"no asterisk alone"']),
    rrset(`host1.${ZONE}.`, 'A', ['192.0.2.1']),
    rrset(`_ssh._tcp.host1.${ZONE}.`, 'SRV', [`0 0 22 host1.${ZONE}.`]),
    rrset(`*._udp.${ZONE}.`, 'SRV', [`0 0 53 host1.${ZONE}.`]),
    rrset(`cut.${ZONE}.`, 'NS', ['ns.else.test.']),
  ]);
  const rcodeAndCount = (name: string, type: number): readonly number[] => {
    const { answer, rcode } = lookUp(worker, `${name}.${ZONE}`, type);
    return [rcode, answer.length];
  };
  const [MX, TXT, SRV, A] = [15, 16, 33, 1];
  const [DATA, NODATA, NXDOMAIN] = [
    [0, 1],
    [0, 0],
    [3, 0],
  ] as const;
  // The table of RFC 4592 2.2.1 and its neighbours.
  assert.deepEqual(rcodeAndCount('host3', MX), DATA);
  assert.deepEqual(rcodeAndCount('host3', A), NODATA);
  assert.deepEqual(rcodeAndCount('foo.bar', TXT), DATA);
  assert.deepEqual(rcodeAndCount('host1', MX), NODATA, 'the name exists');
  assert.deepEqual(rcodeAndCount('sub.*', MX), NODATA, 'the name exists');
  assert.deepEqual(rcodeAndCount('_telnet._tcp.host1', SRV), NXDOMAIN, '_tcp.host1 exists');
  assert.deepEqual(
    rcodeAndCount('ghost.*', MX),
    NXDOMAIN,
    '* exists, and has no wildcard below it',
  );
  assert.deepEqual(rcodeAndCount('sub.*', TXT), DATA);
  assert.deepEqual(rcodeAndCount('*', TXT), DATA, 'asked for by its own name');
  assert.deepEqual(rcodeAndCount('ab.w', TXT), NXDOMAIN, 'an asterisk in a label is a letter');
  assert.deepEqual(rcodeAndCount('_dns._udp', SRV), DATA);
  const referral = lookUp(worker, `host.cut.${ZONE}`, MX!);
  assert.deepEqual([referral.authoritative, referral.authority[0]?.type], [false, 2]);
});
