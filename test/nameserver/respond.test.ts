import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterSlots } from '../../src/nameserver/counters.ts';
import { DROP } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { createWorkerState } from '../../src/nameserver/worker-state.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import { buildQuery, ecs, opt, option } from '../dns/query-builder.ts';
import {
  type Answered,
  type Ask,
  ask,
  clientAt,
  compiled,
  createConfig,
  decode,
  NOW_MS,
  queryBytes,
  rrset,
  startWorker,
} from './fixture.ts';

const worker = startWorker();
const SOA = 'gslb.example SOA ns1.gslb.example 60';

type Expected = {
  readonly rcode?: string;
  readonly aa?: boolean;
  readonly tc?: boolean;
  readonly answer?: readonly string[];
  readonly authority?: readonly string[];
  readonly additional?: readonly string[];
};

function check(name: string, type: string, expected: Expected, how: Ask = {}): Answered {
  const got = ask(worker, name, type, how);
  const wanted = {
    rcode: 'NOERROR',
    aa: true,
    tc: false,
    answer: [],
    authority: [],
    additional: [],
    ...expected,
  };
  const { rcode, aa, tc, answer, authority, additional } = got;
  assert.deepEqual({ rcode, aa, tc, answer, authority, additional }, wanted, `${name} ${type}`);
  return got;
}

test('respond() answers exact names of every shape', () => {
  check('static.gslb.example', 'A', {
    answer: ['static.gslb.example A 192.0.2.1', 'static.gslb.example A 192.0.2.2'],
  });
  check('mail.gslb.example', 'MX', {
    answer: ['mail.gslb.example MX 10 mx.gslb.example', 'mail.gslb.example MX 20 mx.other.example'],
  });
  check('gslb.example', 'NS', {
    answer: ['gslb.example NS ns1.gslb.example', 'gslb.example NS ns2.gslb.example'],
  });
  check('gslb.example', 'SOA', { answer: [SOA] });
  check('www.gslb.example', 'TXT', {
    answer: ['www.gslb.example TXT beside the steered addresses'],
  });
});

test('respond() makes an NS record of MNAME when the apex has none', () => {
  check('second.test', 'NS', { answer: ['second.test NS ns1.second.test'] });
});

test('respond() keeps the spelling of the question', () => {
  check('StAtIc.GSLB.example', 'TXT', { answer: ['StAtIc.GSLB.example TXT hello'] });
  const got = ask(worker, 'WWW.gslb.EXAMPLE', 'A');
  assert.match(got.answer[0]!, /^WWW\.gslb\.EXAMPLE A /);
});

test('respond() tells NODATA and NXDOMAIN with the SOA at the negative TTL', () => {
  const nodata = check('static.gslb.example', 'AAAA', { authority: [SOA] });
  assert.equal(nodata.negativeTtl, 60);
  check('nothing.gslb.example', 'A', { rcode: 'NXDOMAIN', authority: [SOA] });
  check('a.b.c.static.gslb.example', 'A', { rcode: 'NXDOMAIN', authority: [SOA] });
  check('ent.gslb.example', 'A', { authority: [SOA] });
  check('other.ent.gslb.example', 'A', { rcode: 'NXDOMAIN', authority: [SOA] });
  check('wild.gslb.example', 'A', { authority: [SOA] });
  check('gslb.example', 'MX', { authority: [SOA] });
});

test('respond() synthesizes from wildcards and only where nothing exists', () => {
  check('a.wild.gslb.example', 'A', { answer: ['a.wild.gslb.example A 192.0.2.4'] });
  check('a.b.wild.gslb.example', 'MX', {
    answer: ['a.b.wild.gslb.example MX 5 mx.gslb.example'],
  });
  check('*.wild.gslb.example', 'A', { answer: ['*.wild.gslb.example A 192.0.2.4'] });
  check('a.wild.gslb.example', 'TXT', { authority: [SOA] });
  check('known.wild.gslb.example', 'A', { authority: [SOA] });
  check('below.known.wild.gslb.example', 'A', { rcode: 'NXDOMAIN', authority: [SOA] });
});

test('respond() follows CNAMEs inside our zones', () => {
  const toStatic = 'alias.gslb.example CNAME static.gslb.example';
  const addresses = ['static.gslb.example A 192.0.2.1', 'static.gslb.example A 192.0.2.2'];
  check('alias.gslb.example', 'A', { answer: [toStatic, ...addresses] });
  check('twice.gslb.example', 'A', {
    answer: ['twice.gslb.example CNAME alias.gslb.example', toStatic, ...addresses],
  });
  check('twice.gslb.example', 'CNAME', {
    answer: ['twice.gslb.example CNAME alias.gslb.example'],
  });
  check('alias.gslb.example', 'AAAA', { answer: [toStatic], authority: [SOA] });
  check('gone.gslb.example', 'A', {
    rcode: 'NXDOMAIN',
    answer: ['gone.gslb.example CNAME missing.gslb.example'],
    authority: [SOA],
  });
  check('away.gslb.example', 'A', {
    answer: ['away.gslb.example CNAME www.elsewhere.test'],
  });
  check('x.star.gslb.example', 'TXT', {
    answer: ['x.star.gslb.example CNAME Static.gslb.example', 'Static.gslb.example TXT hello'],
  });
  check('cross.gslb.example', 'MX', {
    answer: ['cross.gslb.example CNAME host.second.test', 'host.second.test MX 1 mail.second.test'],
  });
  check('cross.gslb.example', 'A', {
    answer: ['cross.gslb.example CNAME host.second.test'],
    authority: ['second.test SOA ns1.second.test 60'],
  });
});

test('respond() ends a loop of CNAMEs after naming each once', () => {
  check('loop.gslb.example', 'A', {
    answer: [
      'loop.gslb.example CNAME pool.gslb.example',
      'pool.gslb.example CNAME loop.gslb.example',
    ],
  });
});

const REFERRAL = {
  aa: false,
  authority: [
    'sub.gslb.example NS ns.sub.gslb.example',
    'sub.gslb.example NS ns1.gslb.example',
    'sub.gslb.example NS ns.else.test',
  ],
  additional: [
    'ns.sub.gslb.example A 192.0.2.60',
    'ns.sub.gslb.example AAAA 2001:db8::60',
    'ns1.gslb.example A 192.0.2.53',
  ],
};

test('respond() refers to delegated zones with glue, and keeps DS for itself', () => {
  check('sub.gslb.example', 'A', REFERRAL);
  check('sub.gslb.example', 'NS', REFERRAL);
  check('a.b.sub.gslb.example', 'TXT', REFERRAL);
  check('ns.sub.gslb.example', 'A', REFERRAL);
  check('a.sub.gslb.example', 'DS', REFERRAL);
  check('into-sub.gslb.example', 'A', {
    ...REFERRAL,
    aa: true,
    answer: ['into-sub.gslb.example CNAME host.sub.gslb.example'],
  });
  const ds = ask(worker, 'sub.gslb.example', 'DS');
  assert.deepEqual([ds.aa, ds.answer.length, ds.authority], [true, 1, []]);
});

test('respond() answers ANY with one RRset', () => {
  check('sub.gslb.example', 'ANY', REFERRAL);
  check('static.gslb.example', 'ANY', {
    answer: ['static.gslb.example A 192.0.2.1', 'static.gslb.example A 192.0.2.2'],
  });
  check('alias.gslb.example', 'ANY', {
    answer: ['alias.gslb.example CNAME static.gslb.example'],
  });
  check('share.gslb.example', 'ANY', { answer: ['share.gslb.example HINFO RFC8482 '] });
  check('ent.gslb.example', 'ANY', { authority: [SOA] });
});

test('respond() refuses what it does not serve', () => {
  const refused = { rcode: 'REFUSED', aa: false };
  check('www.elsewhere.test', 'A', refused);
  check('example', 'A', refused);
  check('.', 'NS', refused);
  check('gslb.example', 'A', refused, { qclass: 3 });
  check('gslb.example', 'A', refused, { qclass: 4 });
  check('gslb.example', 'AXFR', refused, { tcp: true });
  check('gslb.example', 'IXFR', refused);
});

test('respond() tells bad queries what is wrong with them, or nothing', () => {
  const client = clientAt('192.0.2.200');
  const reply = new Uint8Array(512);
  const outcome = (query: Uint8Array): string => {
    const length = respond(worker, client, query, query.length, NOW_MS, reply);
    return length === DROP ? 'silence' : decode(reply.slice(0, length)).rcode;
  };
  const good = queryBytes('www.gslb.example', 'A');
  const withBytes = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = good.slice();
    copy.set(bytes, at);
    return copy;
  };
  assert.equal(outcome(good.slice(0, 11)), 'silence');
  assert.equal(outcome(new Uint8Array(0)), 'silence');
  assert.equal(outcome(withBytes(2, 0x80)), 'silence');
  assert.equal(outcome(withBytes(2, 0x20)), 'NOTIMP');
  assert.equal(outcome(withBytes(2, 0x28)), 'NOTIMP');
  assert.equal(outcome(withBytes(4, 0, 2)), 'FORMERR');
  assert.equal(outcome(withBytes(4, 0, 0)), 'FORMERR');
  assert.equal(outcome(good.slice(0, good.length - 1)), 'FORMERR');
  assert.equal(outcome(withBytes(good.length - 4, 0, 41)), 'FORMERR');
  assert.equal(outcome(withBytes(good.length - 4, 0, 250)), 'NOTIMP');
  const version1 = buildQuery({ records: [opt([], 1232, [0, 1, 0, 0])] });
  assert.equal(outcome(version1), 'BADVERS');
  const badScope = buildQuery({ records: [opt(ecs(1, 24, 1, [80, 0, 0]))] });
  assert.equal(outcome(badScope), 'FORMERR');
});

test('respond() answers SERVFAIL before it has a snapshot', () => {
  const empty = createWorkerState(createCounterRow(32));
  assert.equal(ask(empty, 'www.gslb.example', 'A').rcode, 'SERVFAIL');
});

test('respond() copies ID, RD and CD, and never sets RA or AD', () => {
  const { bytes } = ask(worker, 'www.gslb.example', 'A', { flags: 0x01b0 });
  assert.deepEqual([bytes[0], bytes[1], bytes[2], bytes[3]], [0x12, 0x34, 0x85, 0x10]);
});

test('respond() truncates at the smaller of the two sizes and not over TCP', () => {
  const sizes = (how: Ask): readonly (number | boolean)[] => {
    const got = ask(worker, 'big.gslb.example', 'TXT', how);
    return [got.tc, got.answer.length, got.hasOpt];
  };
  assert.deepEqual(sizes({}), [true, 0, false]);
  assert.deepEqual(sizes({ udpSize: 1232 }), [true, 0, true]);
  assert.deepEqual(sizes({ udpSize: 4096 }), [true, 0, true], 'our own limit is 1232');
  assert.deepEqual(sizes({ udpSize: 100 }), [true, 0, true]);
  assert.deepEqual(sizes({ tcp: true }), [false, 30, false]);
  const wide = compiled(createConfig({ dns: { ...createConfig().dns, udpSizeMax: 4096 } }));
  const got = ask(startWorker(wide), 'big.gslb.example', 'TXT', { udpSize: 4096 });
  assert.deepEqual([got.tc, got.answer.length], [false, 30]);
  assert.ok(got.bytes.length > 1232);
});

test('respond() sets TC when in-domain glue does not fit and leaves sibling glue out', () => {
  const names = Array.from({ length: 9 }, (_, i) => `ns${i}.${'n'.repeat(20)}`);
  const config = (zone: string): ReturnType<typeof createConfig> =>
    createConfig({
      zones: {
        'gslb.example': {
          ...createConfig().zones['gslb.example']!,
          steered: [],
          rrsets: [
            rrset(
              'many.gslb.example.',
              'NS',
              names.map((name) => `${name}.${zone}`),
            ),
            ...names.map((name) => rrset(`${name}.${zone}`, 'A', ['192.0.2.1'])),
          ],
        },
      },
    });
  const inDomain = startWorker(compiled(config('many.gslb.example.')));
  const cut = ask(inDomain, 'many.gslb.example', 'A');
  assert.deepEqual([cut.tc, cut.authority.length], [true, 9]);
  assert.ok(cut.additional.length > 0 && cut.additional.length < 9);
  assert.ok(cut.bytes.length <= 512);
  const sibling = ask(startWorker(compiled(config('gslb.example.'))), 'many.gslb.example', 'A');
  assert.deepEqual([sibling.tc, sibling.authority.length], [false, 9]);
  const overTcp = ask(inDomain, 'many.gslb.example', 'A', { tcp: true });
  assert.deepEqual([overTcp.tc, overTcp.additional.length], [false, 9]);
});

test('respond() echoes OPT exactly when the query has one', () => {
  assert.equal(ask(worker, 'static.gslb.example', 'A').hasOpt, false);
  assert.equal(ask(worker, 'static.gslb.example', 'A', { edns: true }).hasOpt, true);
  assert.equal(ask(worker, 'nothing.test', 'A', { edns: true }).hasOpt, true);
  const cookie = buildQuery({ records: [opt(option(10, [1, 2, 3, 4, 5, 6, 7, 8]))] });
  const reply = new Uint8Array(512);
  const length = respond(worker, clientAt('::1'), cookie, cookie.length, NOW_MS, reply);
  assert.equal(decode(reply.slice(0, length)).rcode, 'REFUSED');
});

test('respond() gives the same bytes when it answers in place', () => {
  for (const name of [
    'www.gslb.example',
    'twice.gslb.example',
    'sub.gslb.example',
    'no.gslb.example',
  ]) {
    const query = queryBytes(name, 'A', { subnet: '80.0.0.0/24' });
    const apart = new Uint8Array(4096);
    const slot = new Uint8Array(4096);
    slot.set(query);
    const client = clientAt('192.0.2.200');
    const length = respond(worker, client, query, query.length, NOW_MS, apart);
    assert.equal(respond(worker, client, slot, query.length, NOW_MS, slot), length);
    assert.deepEqual(slot.subarray(0, length), apart.subarray(0, length), name);
  }
});

test('respond() writes nothing behind the length that it returns', () => {
  const query = queryBytes('twice.gslb.example', 'A', { edns: true });
  const reply = new Uint8Array(1500).fill(0xee);
  const length = respond(worker, clientAt('192.0.2.200'), query, query.length, NOW_MS, reply);
  assert.ok(reply.subarray(length).every((byte) => byte === 0xee));
});

test('respond() counts', () => {
  const counted = startWorker();
  const asked: readonly (readonly [string, string, Ask])[] = [
    ['www.gslb.example', 'A', { subnet: '80.0.0.0/24' }],
    ['no.gslb.example', 'TXT', {}],
    ['sub.gslb.example', 'A', {}],
    ['big.gslb.example', 'TXT', {}],
  ];
  let received = 0;
  let sent = 0;
  for (const [name, type, how] of asked) {
    received += queryBytes(name, type, how).length;
    sent += ask(counted, name, type, how).bytes.length;
  }
  ask(counted, 'www.gslb.example', 'AAAA', { tcp: true });
  const reply = new Uint8Array(512);
  const bad = buildQuery({ question: [], counts: [0, 0, 0, 0] });
  for (const bytes of [new Uint8Array(3), bad]) {
    received += bytes.length;
    sent += respond(counted, clientAt('::1'), bytes, bytes.length, NOW_MS, reply);
  }
  const counts = Object.fromEntries(
    counterSlots.map(({ slot, metric, value }) => [`${metric} ${value}`, counted.counters[slot]]),
  );
  assert.deepEqual(counts, {
    'dns_queries_total udp': 6,
    'dns_queries_total tcp': 1,
    'dns_queries_total tls': 0,
    'dns_queries_total https': 0,
    'dns_denied_total ': 0,
    'dns_not_allowed_total ': 0,
    'dns_http_refused_total ': 0,
    'dns_unsent_total ': 0,
    ...Object.fromEntries(
      ['1', '3', '7', '15', '31', '32'].map((size) => [`dns_batches_total ${size}`, 0]),
    ),
    'dns_dnstap_events_total written': 0,
    'dns_dnstap_events_total lost': 0,
    'dns_dnstap_events_total dropped': 0,
    'dns_connections_closed_total handshake': 0,
    'dns_questions_total a': 2,
    'dns_questions_total aaaa': 1,
    'dns_questions_total other': 2,
    'dns_responses_total noerror': 4,
    'dns_responses_total formerr': 1,
    'dns_responses_total servfail': 0,
    'dns_responses_total nxdomain': 1,
    'dns_responses_total notimp': 0,
    'dns_responses_total refused': 0,
    'dns_responses_total yxdomain': 0,
    'dns_responses_total other': 0,
    'dns_truncated_total ': 1,
    'dns_dropped_total ': 1,
    'dns_client_subnet_total ': 1,
    'dns_delegations_total ': 1,
    'dns_signed_on_demand_total busy': 0,
    'dns_signed_on_demand_total taken': 0,
    'dns_sorry_total ': 0,
    'dns_explain_queries_total taken': 0,
    'dns_explain_queries_total dropped': 0,
    'dns_updates_total taken': 0,
    'dns_updates_total dropped': 0,
    'dns_notifies_total taken': 0,
    'dns_notifies_total dropped': 0,
    'dns_rate_limited_total slipped': 0,
    'dns_rate_limited_total withheld': 0,
    'dns_cookies_total good': 0,
    'dns_cookies_total bad': 0,
    'dns_udp_bytes_total received': received,
    'dns_udp_bytes_total sent': sent,
    'dns_connections_total taken': 0,
    'dns_connections_total refused': 0,
    'dns_connections_closed_total idle': 0,
    'dns_connections_closed_total garbage': 0,
    'dns_connections_closed_total room': 0,
    'dns_stream_limited_total ': 0,
    'dns_transfers_total taken': 0,
    'dns_transfers_total refused': 0,
    'dns_signed_queries_total good': 0,
    'dns_signed_queries_total bad': 0,
  });
});
