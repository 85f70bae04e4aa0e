import assert from 'node:assert/strict';
import type { Reply } from '../ask.ts';
import { REGIONS, type Region } from '../world-node.ts';
import { LONG_TEXTS, PLAIN_ZONE } from './meridian.ts';
import { CHILD_ADDRESS, SIGNED_ADDRESS, SIGNED_NAME } from './parents.ts';

/** What a client of any resolver must get for each kind of name; `~` stands for the zone. */
export type Expected = {
  readonly name: string;
  readonly type: string;
  readonly status?: 'NXDOMAIN';
  /** Data of the answer section as a set; none: the answer is negative. */
  readonly data?: readonly string[];
  /** What the resolver must say of its security, whatever becomes of the zone; default: the zone's. */
  readonly security?: Security;
};
/** `secure` is the AD bit (RFC 4035 3.2.3). */
export type Security = 'secure' | 'insecure';

/** Stand for the addresses of the region that is nearest to the client. */
export const VIP = { A: '(VIP)', AAAA: '(VIP6)' } as const;

export const EXPECTED: readonly Expected[] = [
  { name: 'www~', type: 'A', data: [VIP.A] },
  { name: 'www~', type: 'AAAA', data: [VIP.AAAA] },
  { name: 'alias~', type: 'A', data: ['www~', VIP.A] },
  { name: 'a.b.wild-steered~', type: 'A', data: [VIP.A] },
  { name: 'www~', type: 'TXT' },
  { name: 'mail~', type: 'A', data: ['192.0.2.25'] },
  { name: 'mail~', type: 'AAAA', data: ['2001:db8::25'] },
  { name: 'several~', type: 'A', data: ['192.0.2.80', '192.0.2.81', '192.0.2.82'] },
  { name: '~', type: 'SOA', data: ['ns1~ hostmaster~ (SERIAL) 3600 600 1209600 60'] },
  { name: '~', type: 'NS', data: ['ns1~', 'ns2~'] },
  { name: '~', type: 'MX', data: ['10 mail~', '20 mail.elsewhere.test.'] },
  { name: '~', type: 'TXT', data: ['"v=spf1 mx -all"'] },
  { name: 'caa~', type: 'CAA', data: ['0 issue "ca.example"'] },
  { name: '_sip._tcp~', type: 'SRV', data: ['10 60 5060 mail~'] },
  { name: 'service~', type: 'HTTPS', data: ['1 . alpn="h2,h3" ipv4hint=192.0.2.80'] },
  { name: 'big~', type: 'TXT', data: LONG_TEXTS.map((text) => `"${text}"`) },
  { name: 'static-alias~', type: 'A', data: ['mail~', '192.0.2.25'] },
  { name: 'x.wild-alias~', type: 'A', data: ['mail~', '192.0.2.25'] },
  { name: 'outside~', type: 'A', data: [SIGNED_NAME, SIGNED_ADDRESS] },
  {
    name: 'neighbour~',
    type: 'A',
    data: [`www.${PLAIN_ZONE}`, '192.0.2.40'],
    security: 'insecure',
  },
  { name: 'dangling~', type: 'A', status: 'NXDOMAIN', data: ['nothing~'] },
  { name: 'host.old~', type: 'A', data: ['new~', 'host.new~', '192.0.2.11'] },
  {
    name: 'www.moved~',
    type: 'A',
    data: [PLAIN_ZONE, `www.${PLAIN_ZONE}`, '192.0.2.40'],
    security: 'insecure',
  },
  { name: 'x.old~', type: 'A', status: 'NXDOMAIN', data: ['new~', 'x.new~'] },
  // Wildcards: any depth below, any type that is there, nothing for others (RFC 4592).
  { name: 'x.wild~', type: 'A', data: ['192.0.2.9'] },
  { name: 'z.y.x.wild~', type: 'TXT', data: ['"any name below wild"'] },
  { name: 'x.wild~', type: 'AAAA' },
  // An empty non-terminal exists, and has nothing (RFC 8020).
  { name: 'ent~', type: 'A' },
  { name: 'below.ent~', type: 'A', data: ['192.0.2.10'] },
  { name: 'other.ent~', type: 'A', status: 'NXDOMAIN' },
  { name: 'nothing~', type: 'A', status: 'NXDOMAIN' },
  { name: 'a.b.c.nothing~', type: 'AAAA', status: 'NXDOMAIN' },
  { name: 'mail~', type: 'MX' },
  { name: 'a.sub~', type: 'A', data: [CHILD_ADDRESS], security: 'insecure' },
  { name: 'b.sub~', type: 'A', status: 'NXDOMAIN', security: 'insecure' },
  { name: `www.${PLAIN_ZONE}`, type: 'A', data: ['192.0.2.40'], security: 'insecure' },
  { name: `nothing.${PLAIN_ZONE}`, type: 'A', status: 'NXDOMAIN', security: 'insecure' },
  // Not of Meridian: that the resolver validates at all.
  { name: SIGNED_NAME, type: 'A', data: [SIGNED_ADDRESS], security: 'secure' },
];

export const absolute = (text: string, zone: string): string =>
  text.replaceAll(/(^| )~/g, `$1${zone}`).replaceAll('~', `.${zone}`);

export type Circumstances = {
  /** What `~` stands for, and whether it is secure. */
  readonly zone: string;
  readonly security: Security;
  /** Compact proofs: what is not there is told as if it had no such records (RFC 9824 3.1). */
  readonly hidesAbsence: boolean;
  /** Whose addresses the steered names may have. */
  readonly regions: readonly Region[];
  /** NXDOMAIN may come with nothing that could be secure or not. */
  readonly hasBareNegatives: boolean;
};

export function checkReply(
  expected: Expected,
  reply: Reply,
  { hidesAbsence, security, regions, hasBareNegatives, zone }: Circumstances,
): void {
  const { name, type, data = [] } = expected;
  const what = `${name} ${type}: ${JSON.stringify(reply)}`;
  const isSecure = (expected.security ?? security) === 'secure';
  // Some resolvers find out what is meant.
  const mayHide = hidesAbsence && isSecure && reply.status === 'NOERROR';
  if (!mayHide) assert.equal(reply.status, expected.status ?? 'NOERROR', what);
  const isBare = reply.answer.length + reply.authority.length === 0;
  if (hasBareNegatives && expected.status === 'NXDOMAIN' && isBare) return;
  assert.equal(reply.flags.includes('ad'), isSecure, `AD of ${what}`);
  const vips = regions.map((region) => REGIONS[region].vips);
  const got = dataOf(reply).map((text) => {
    if (type === 'SOA') return withoutSerial(text);
    if (vips.some(([vip]) => text === vip)) return VIP.A;
    return vips.some(([, vip]) => text === vip) ? VIP.AAAA : text;
  });
  assert.deepEqual(got.sort(), data.map((text) => absolute(text, zone)).sort(), what);
  const isNegative = data.length === 0 || expected.status !== undefined;
  if (isNegative) assert.match(reply.authority.join('\n'), / SOA ns/i, what);
}

/** It counts the weeks of a signed zone. */
const withoutSerial = (text: string): string => text.replace(/ \d+/, ' (SERIAL)');

/** Data of the answer, lower-cased: which case names have is the resolver's business. */
export const dataOf = ({ answer }: Reply): string[] =>
  answer.map((record) => record.replace(/^\S+ \d+ IN \S+ /, '').toLowerCase());
