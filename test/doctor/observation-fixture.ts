import assert from 'node:assert/strict';
import type { DecodedEdns, DecodedMessage, DecodedRecord } from '../../src/dns/decode.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';
import { typeNumber } from '../../src/dns/type-names.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import type {
  Host,
  NameserverSights,
  Observation,
  ParentServerSights,
  Sight,
} from '../../src/doctor/observation.ts';
import { diagnose } from '../../src/doctor/registry.ts';

/** A delegation in which all is well, put together by hand, and ways to spoil it. */
export const ZONE = 'gslb.example.';
export const NOW_SECONDS = 1_800_000_000;
export const NAMES = [`ns1.${ZONE}`, `ns2.${ZONE}`];

/** A record from a line of a master file: `owner ttl type data`. */
export function record(line: string): DecodedRecord {
  const [name = '', ttl, kind = '', ...data] = line.split(' ');
  const text = data.join(' ');
  const result = parseRdata(kind, text);
  assert.ok(result.ok, line);
  const type = typeNumber(kind)!;
  return { name, type, class: 1, ttlSeconds: Number(ttl), rdata: result.rdata, text };
}

type Sections = Partial<
  Record<'answer' | 'authority' | 'additional', readonly string[]> &
    Pick<DecodedMessage, 'rcode' | 'authoritative'>
> & { readonly edns?: Partial<DecodedEdns> | undefined };

/** A reply as it was seen; with authority and EDNS unless it says otherwise. */
export function seen(sections: Sections = {}, sizeBytes = 100): Sight {
  const { additional = [], answer = [], authority = [], edns, ...more } = sections;
  const opt = { udpSize: 1232, version: 0, dnssecOk: false, options: [], extendedErrors: [] };
  const hasEdns = !('edns' in sections) || edns !== undefined;
  return {
    ok: true,
    sizeBytes,
    rttMs: 1,
    message: {
      id: 1,
      response: true,
      opcode: 0,
      authoritative: true,
      truncated: false,
      recursionDesired: false,
      recursionAvailable: false,
      authenticData: false,
      checkingDisabled: false,
      rcode: 0,
      question: [],
      answer: answer.map(record),
      authority: authority.map(record),
      additional: additional.map(record),
      ...more,
      ...(hasEdns ? { edns: { ...opt, ...edns } } : {}),
    },
  };
}

export const silent = (reason = 'no reply within 3 s'): Sight => ({ ok: false, reason });
export const unreachable: Sight = { ok: false, reason: 'no way', isLocal: true };

export const soaLine = (serial = 7, ttl = 300, minimum = 60): string =>
  `${ZONE} ${ttl} SOA ns1.${ZONE} hostmaster.${ZONE} ${serial} 3600 600 1209600 ${minimum}`;
export const nsLines = (names: readonly string[] = NAMES, ttl = 3600): readonly string[] =>
  names.map((name) => `${ZONE} ${ttl} NS ${name}`);

export function nameserver(
  host: string,
  address: string,
  more: Partial<NameserverSights> = {},
): NameserverSights {
  return {
    host,
    address,
    soa: seen({ answer: [soaLine()] }),
    soaAtSeconds: NOW_SECONDS,
    plain: seen({ answer: [soaLine()], edns: undefined }),
    tcp: seen({ answer: [soaLine()] }),
    nextVersion: seen({ rcode: 16 }),
    ns: seen({ answer: nsLines() }),
    keys: seen({ authority: [soaLine()] }),
    absent: seen({ rcode: 3, authority: [soaLine()] }),
    walk: [],
    ...more,
  };
}

/** What the parent's server says: the delegation to both, with glue. */
export function parentServer(more: Partial<ParentServerSights> = {}): ParentServerSights {
  const additional = [
    `ns1.${ZONE} 3600 A 192.0.2.1`,
    `ns1.${ZONE} 3600 AAAA 2001:db8:1::1`,
    `ns2.${ZONE} 3600 A 198.51.100.1`,
  ];
  return {
    address: '203.0.113.1',
    ns: seen({ authoritative: false, authority: nsLines(), additional }),
    ds: seen(),
    ...more,
  };
}

export const ADDRESSES = { ns1: ['192.0.2.1', '2001:db8:1::1'], ns2: ['198.51.100.1'] } as const;
export const host = (
  name: string,
  addresses: readonly string[],
  more: Partial<Host> = {},
): Host => ({ name, addresses, glue: addresses, isAlias: false, problem: undefined, ...more });

export function healthy(more: Partial<Observation> = {}): Observation {
  return {
    zone: ZONE,
    parent: { name: 'example.', servers: [parentServer()] },
    hosts: [host(NAMES[0]!, ADDRESSES.ns1), host(NAMES[1]!, ADDRESSES.ns2)],
    nameservers: [
      nameserver(NAMES[0]!, ADDRESSES.ns1[0]),
      nameserver(NAMES[0]!, ADDRESSES.ns1[1]),
      nameserver(NAMES[1]!, ADDRESSES.ns2[0]),
    ],
    walk: undefined,
    ...more,
  };
}

/** The healthy one with its last nameserver's sights changed. */
export function withLast(more: Partial<NameserverSights>): Observation {
  const { nameservers } = healthy();
  const last = { ...nameservers.at(-1)!, ...more };
  return healthy({ nameservers: [...nameservers.slice(0, -1), last] });
}

/** The healthy one with all nameservers' sights changed. */
export function withAll(more: Partial<NameserverSights>): Observation {
  const { nameservers } = healthy();
  return healthy({ nameservers: nameservers.map((one) => ({ ...one, ...more })) });
}

/** One case: what was seen, and each finding of one check that is not `ok`, as `severity message`. */
export type Case = readonly [
  what: string,
  observation: Observation,
  ...expected: readonly RegExp[],
];

/** Finds exactly what each case expects of the check, in order; all findings have what they need. */
export function expectFindings(check: string, cases: readonly Case[]): void {
  for (const [what, observation, ...expected] of cases) {
    const all = diagnose(observation);
    for (const finding of all) assertReadable(finding);
    const texts = all
      .filter((finding) => finding.check === check && finding.severity !== 'ok')
      .map(({ message, severity }) => `${severity} ${message}`);
    assert.equal(texts.length, expected.length, `${what}: ${texts.join(' | ')}`);
    for (const [index, pattern] of expected.entries()) assert.match(texts[index]!, pattern, what);
  }
}

function assertReadable(finding: Finding): void {
  assert.match(finding.message, /^\S.*[^.][.]$/s, finding.check);
  if (finding.severity !== 'ok') assert.match(finding.hint, /^\S.{10,}/s, finding.message);
}
