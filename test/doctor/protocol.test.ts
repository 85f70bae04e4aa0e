import { test } from 'node:test';
import type { DecodedOption } from '../../src/dns/decode.ts';
import type { NameserverSights } from '../../src/doctor/observation.ts';
import {
  expectFindings,
  healthy,
  NOW_SECONDS,
  nsLines,
  parentServer,
  seen,
  silent,
  soaLine,
  withAll,
  withLast,
} from './observation-fixture.ts';

test('edns: what comes back, and what must not', () => {
  const answer = [soaLine()];
  const subnet = { code: 8, value: Uint8Array.of(0, 1, 0, 0) };
  expectFindings('edns', [
    ['silence', withLast({ soa: silent() }), /^bad .*does not answer queries with EDNS: no reply/],
    [
      'FORMERR',
      withLast({ soa: seen({ rcode: 1, edns: undefined }) }),
      /^bad .*answers FORMERR to queries with EDNS/,
    ],
    [
      'no OPT',
      withLast({ soa: seen({ answer, edns: undefined }) }),
      /^bad .*no OPT record comes back/,
    ],
    [
      'version 1 taken',
      withLast({ nextVersion: seen({ answer }) }),
      /^warn .*answers NOERROR to EDNS version 1, not BADVERS/,
    ],
    [
      'version 1 dropped',
      withLast({ nextVersion: silent() }),
      /^warn .*does not answer a query with EDNS version 1/,
    ],
    [
      'OPT unasked',
      withLast({ plain: seen({ answer }) }),
      /^warn .*sends OPT to a client that sent none/,
    ],
    [
      'a subnet unasked',
      withLast({ soa: seen({ answer, edns: { options: [subnet] } }) }),
      /^warn .*client subnet to a client that sent none/,
    ],
    [
      'large',
      withLast({ soa: seen({ answer, edns: { udpSize: 4096 } }) }),
      /^warn .*UDP size of 4096/,
    ],
    [
      'small',
      withLast({ soa: seen({ answer, edns: { udpSize: 100 } }) }),
      /^warn .*UDP size of 100/,
    ],
    ['too long', withLast({ soa: seen({ answer }, 1233) }), /^bad .*more than the 1232 octets/],
    [
      'too long without',
      withLast({ plain: seen({ answer, edns: undefined }, 513) }),
      /^bad .*more than 512 octets/,
    ],
    ['TCP only is another matter', withLast({ soa: silent(), plain: silent() })],
  ]);
});

test('clock: what cookies say', () => {
  const withClock = (aheadSeconds: number, cookie = serverCookie(aheadSeconds)) => ({
    soa: seen({ answer: [soaLine()], edns: { cookie } }),
  });
  const other = serverCookie(900);
  other[8] = 2;
  expectFindings('clock', [
    ['right', withAll(withClock(-2))],
    [
      'behind',
      withLast(withClock(-60)),
      /^warn The clock of ns2\S+ \(\S+\) is 60 s behind this machine's\.$/,
    ],
    ['far ahead', withLast(withClock(301)), /^bad .* 301 s ahead of/],
    ['all alike', withAll(withClock(40)), /^warn All 3 clocks are 40 s ahead of this machine's\.$/],
    ['another version', withLast(withClock(0, other))],
    ['no server cookie', withLast(withClock(0, other.subarray(0, 8)))],
    ['beyond 2106', { ...withAll({ ...withClock(2 ** 32 - NOW_SECONDS), soaAtSeconds: 2 ** 32 }) }],
  ]);
});

/** A cookie option with both cookies (RFC 9018 4). */
function serverCookie(aheadSeconds: number): Uint8Array {
  const cookie = Buffer.alloc(24);
  cookie[8] = 1;
  cookie.writeUInt32BE((NOW_SECONDS + aheadSeconds) % 2 ** 32, 12);
  return cookie;
}

test('ttl: of the delegation and of what is not there', () => {
  const withNegative = (ttl: number, minimum: number) =>
    withAll({ absent: seen({ rcode: 3, authority: [soaLine(7, ttl, minimum)] }) });
  const servers = (ttl: number) => [
    parentServer({ ns: seen({ authoritative: false, authority: nsLines(undefined, ttl) }) }),
  ];
  expectFindings('ttl', [
    [
      'short at the parent',
      healthy({ parent: { name: undefined, servers: servers(600) } }),
      /^warn NS records at the parent have a TTL of 600 s\.$/,
    ],
    [
      'days',
      healthy({ parent: { name: undefined, servers: servers(604_800) } }),
      /^warn NS records at the parent have a TTL of 604800 s\.$/,
    ],
    [
      'short in the zone',
      withLast({ ns: seen({ answer: nsLines(undefined, 30) }) }),
      /^warn NS records in the zone have a TTL of 30 s\.$/,
    ],
    [
      'long negatives',
      withNegative(86_400, 7200),
      /^warn Resolvers keep for 7200 s that a name is not there\.$/,
    ],
    ['the lesser of both', withNegative(300, 86_400)],
    ['none kept', withNegative(300, 0), /^warn Resolvers do not keep/],
    ['without SOA', withLast({ absent: seen({ rcode: 3 }) }), /^bad .*without the zone's SOA/],
    [
      'REFUSED',
      withLast({ absent: seen({ rcode: 5 }) }),
      /^bad .*answers REFUSED for a name that is not there/,
    ],
    ['a wildcard', withAll({ absent: seen({ answer: ['x.gslb.example. 60 A 192.0.2.1'] }) })],
    ['silence', withLast({ absent: silent() })],
  ]);
});

type Walk = NameserverSights['walk'];
/** Answers by client network: data, scope; a scope of undefined sends no client subnet back. */
function walked(
  ...steps: readonly (readonly [network: string, data: string, scope?: number])[]
): Walk {
  return steps.map(([network, data, scope]) => {
    const [text = '', length] = network.split('/');
    const bytes = Uint8Array.from([...text.split('.').map(Number)]);
    const ecs = { family: 1, source: Number(length), scope: scope ?? 0, address: text };
    const options: DecodedOption[] = [{ code: 8, value: Uint8Array.of(0, 1, 24, 0) }];
    return {
      client: { address: { family: 4, bytes }, length: Number(length) },
      reply: seen({
        answer: data === '' ? [] : [`www.gslb.example. 30 A ${data}`],
        edns: scope === undefined ? {} : { ecs, options },
      }),
    };
  });
}

test('client-subnet: what clients get, and for whom a resolver may keep it', () => {
  const walk = { name: 'www.gslb.example.', type: 1 };
  const [A, B] = ['192.0.2.0/24', '198.51.100.0/24'];
  const good = walked([A, '203.0.113.1', 24], [B, '203.0.113.2', 24]);
  const all = (steps: Walk) => ({ ...withAll({ walk: steps }), walk });
  const last = (steps: Walk) => {
    const { nameservers } = withAll({ walk: good });
    const changed = { ...nameservers.at(-1)!, walk: steps };
    return healthy({ walk, nameservers: [...nameservers.slice(0, -1), changed] });
  };
  const [step] = good;
  const echoed = walked(['192.0.0.0/24', '203.0.113.1', 24])[0]!.reply;
  expectFindings('client-subnet', [
    ['well', all(good)],
    ['not asked for', withAll({ walk: [] })],
    [
      'no echo',
      last(walked([A, '203.0.113.1'], [B, '203.0.113.2'])),
      /^bad ns2\S+ \(\S+\) does not send the client subnet back \(2 of 2/,
    ],
    [
      'another echo',
      last([{ ...step!, reply: echoed }]),
      /^bad .*another client subnet back than 192\.0\.2\.0\/24/,
    ],
    [
      'too wide a scope',
      all(walked([A, '203.0.113.1', 0], [B, '203.0.113.2', 24])),
      /^warn/,
      /^warn/,
      /^warn .* for all of 0\.0\.0\.0\/0, but 198\.51\.100\.0\/24 in it gets 203\.0\.113\.2/,
    ],
    [
      'nothing for some',
      last(walked([A, '', 0], [B, '203.0.113.2', 24])),
      /^bad .*no A records of www\S+ for 192\.0\.2\.0\/24, and has some for others/,
      /^warn/,
    ],
    [
      'nothing for anybody',
      last(walked([A, '', 0], [B, '', 0])),
      /^warn .*for anybody/,
      /^warn The nameservers do not agree for 2 of 2/,
    ],
    [
      'nodes differ',
      last(walked([A, '203.0.113.2', 24], [B, '203.0.113.2', 24])),
      /^warn The nameservers do not agree for 1 of 2 client networks; 192\.0\.2\.0\/24 gets 203\.0\.113\.1 from 192\.0\.2\.1, 2001:db8:1::1; 203\.0\.113\.2 from 198\.51\.100\.1\.$/,
    ],
    ['silence', last([{ ...step!, reply: silent() }]), /^warn .*without an answer: no reply/],
    [
      'NXDOMAIN',
      last([{ ...step!, reply: seen({ rcode: 3 }) }]),
      /^bad .*answers NXDOMAIN for www/,
    ],
    [
      'a long TTL',
      all([{ ...step!, reply: longLived(step!.reply) }]),
      /^warn Answers for www\S+ have a TTL of 900 s\.$/,
    ],
  ]);
});

function longLived(reply: Walk[number]['reply']): Walk[number]['reply'] {
  if (!reply.ok) return reply;
  const answer = reply.message.answer.map((one) => ({ ...one, ttlSeconds: 900 }));
  return { ...reply, message: { ...reply.message, answer } };
}
