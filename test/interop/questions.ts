import assert from 'node:assert/strict';
import type { Reply } from './ask.ts';

/**
 * What a nameserver must say about the zone of world-node.ts, whoever asks over whatever transport.
 * Owners and data are written relative to the zone where they end in `~`.
 */
export type Question = {
  readonly name: string;
  readonly type: string;
  readonly status?: string;
  /** Sections as sets of `owner type data`; the TTL is checked where it is told: `owner ttl type …`. */
  readonly answer?: readonly string[];
  readonly authority?: readonly string[];
  readonly additional?: readonly string[];
  readonly authoritative?: boolean;
};

const SOA = '~ SOA ns1~ hostmaster~ 7 3600 600 1209600 60';
const GLUE = ['ns.sub~ A 192.0.2.55', 'ns.sub~ AAAA 2001:db8::55', 'ns2.sub~ A 192.0.2.56'];
const REFERRAL = ['sub~ NS ns.sub~', 'sub~ NS ns2.sub~'];

export const QUESTIONS: readonly Question[] = [
  { name: '~', type: 'SOA', answer: [SOA] },
  { name: '~', type: 'NS', answer: ['~ NS ns1~', '~ NS ns2~'] },
  { name: '~', type: 'MX', answer: ['~ MX 10 mail~', '~ MX 20 mail.backup.example.'] },
  { name: '~', type: 'TXT', answer: ['~ TXT "v=spf1 mx -all"'] },
  { name: 'caa~', type: 'CAA', answer: ['caa~ CAA 0 issue "ca.example"'] },
  { name: 'mail~', type: 'A', answer: ['mail~ A 192.0.2.25'] },
  { name: 'mail~', type: 'AAAA', answer: ['mail~ AAAA 2001:db8::25'] },
  {
    name: 'several~',
    type: 'A',
    answer: ['several~ A 192.0.2.80', 'several~ A 192.0.2.81', 'several~ A 192.0.2.82'],
  },
  { name: '_sip._tcp~', type: 'SRV', answer: ['_sip._tcp~ SRV 10 60 5060 mail~'] },
  { name: 'ptr~', type: 'PTR', answer: ['ptr~ PTR mail~'] },
  { name: 'text~', type: 'TXT', answer: ['text~ TXT "one \\"two\\"" "three; four"'] },
  { name: 'outside~', type: 'CNAME', answer: ['outside~ CNAME www.elsewhere.example.'] },
  { name: 'outside~', type: 'A', answer: ['outside~ CNAME www.elsewhere.example.'] },
  {
    name: 'static-alias~',
    type: 'A',
    answer: ['static-alias~ CNAME mail~', 'mail~ A 192.0.2.25'],
  },
  // Wildcards: any depth below, any type that is there, nothing for others (RFC 4592).
  { name: 'x.wild~', type: 'A', answer: ['x.wild~ A 192.0.2.9'] },
  { name: 'y.x.wild~', type: 'TXT', answer: ['y.x.wild~ TXT "any name below wild"'] },
  { name: 'x.wild~', type: 'AAAA', authority: [SOA] },
  { name: 'wild~', type: 'A', authority: [SOA] },
  // An empty non-terminal exists, and has nothing (RFC 8020).
  { name: 'ent~', type: 'A', authority: [SOA] },
  { name: 'below.ent~', type: 'A', answer: ['below.ent~ A 192.0.2.10'] },
  { name: 'other.ent~', type: 'A', status: 'NXDOMAIN', authority: [SOA] },
  { name: 'nothing~', type: 'A', status: 'NXDOMAIN', authority: [SOA] },
  { name: 'mail~', type: 'MX', authority: [SOA] },
  { name: 'www~', type: 'TXT', authority: [SOA] },
  { name: 'v4~', type: 'AAAA', authority: [SOA] },
  {
    name: 'sub~',
    type: 'NS',
    authority: REFERRAL,
    additional: GLUE,
    authoritative: false,
  },
  { name: 'a.b.sub~', type: 'A', authority: REFERRAL, additional: GLUE, authoritative: false },
  { name: 'elsewhere.example.', type: 'A', status: 'REFUSED', authoritative: false },
  { name: '.', type: 'NS', status: 'REFUSED', authoritative: false },
];

const APEX = 'gslb.example.';
export const absolute = (text: string): string =>
  text.replaceAll(/(^| )~/g, `$1${APEX}`).replaceAll('~', `.${APEX}`);

/** Words of a command that asks them all. */
export const questionWords = (questions: readonly Question[]): string[] =>
  questions.flatMap(({ name, type }) => [absolute(name), type]);

export function checkReply(question: Question, reply: Reply): void {
  const { answer = [], authority = [], additional = [], name, type } = question;
  const what = `${name} ${type}`;
  assert.equal(reply.question, `${absolute(name)} IN ${type}`, what);
  assert.equal(reply.status, question.status ?? 'NOERROR', what);
  assert.equal(reply.flags.includes('aa'), question.authoritative ?? true, `${what}: aa`);
  assert.ok(!reply.flags.includes('tc') && !reply.flags.includes('ra'), `${what}: tc, ra`);
  const sorted = (records: readonly string[]): string[] => records.map(absolute).sort();
  assert.deepEqual(withoutTtl(reply.answer), sorted(answer), what);
  assert.deepEqual(withoutTtl(reply.authority), sorted(authority), what);
  assert.deepEqual(withoutTtl(reply.additional), sorted(additional), what);
  for (const record of reply.authority) {
    if (/ SOA /.test(record)) assert.match(record, / 60 IN SOA /, `${what}: negative TTL`);
  }
}

function withoutTtl(records: readonly string[]): string[] {
  return records.map((record) => record.replace(/^(\S+) \d+ IN /, '$1 ')).sort();
}
