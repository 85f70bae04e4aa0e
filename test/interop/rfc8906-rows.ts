import { ecs, opt, option, type QuerySpec, record } from '../dns/query-builder.ts';

/**
 * What strangers may ask of a nameserver, and what it must reply whoever they are: the tests of RFC 8906 8,
 * those that ISC's genreport adds (its names are in quotes), and the neighbouring rules. About `gslb.example`
 * of world-node.ts.
 */
export type Row = {
  readonly name: string;
  /** Of RFC 8906 where no other is named. */
  readonly section: string;
  readonly query: QuerySpec;
  readonly reply: ReplySpec;
  /** Only over this one; both by default. */
  readonly over?: 'UDP' | 'TCP';
};

/** All that is not said must not be there. */
export type ReplySpec = {
  readonly rcode: keyof typeof RCODES;
  /** All flags of the header but QR, in the order of the alphabet. */
  readonly flags: string;
  /** How many questions: 1 by default. */
  readonly questions?: number;
  /** Types of the records. */
  readonly answer?: readonly number[];
  readonly authority?: readonly number[];
  readonly additional?: readonly number[];
  /** OPT of version 0 must be there, with these flags: `DO` or nothing. */
  readonly edns?: 'DO' | '';
  /** Codes of its options, in the order of the numbers. */
  readonly options?: readonly number[];
};

export const RCODES = {
  NOERROR: 0,
  FORMERR: 1,
  NOTIMP: 4,
  REFUSED: 5,
  NOTAUTH: 9,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

/** Bits of the header's second word; Z is the one that is still reserved. */
export const HEADER_FLAGS = {
  aa: 0x400,
  ad: 0x20,
  cd: 0x10,
  ra: 0x80,
  rd: 0x100,
  tc: 0x200,
  z: 0x40,
} as const;
const { aa, ad, cd, ra, rd, tc, z } = HEADER_FLAGS;
const opcode = (number: number): number => number << 11;

const [A, NS, SOA, TXT, DNSKEY, TSIG, IXFR, AXFR] = [1, 2, 6, 16, 48, 250, 251, 252];
const [NSID, CLIENT_SUBNET, EXPIRE, COOKIE, KEEPALIVE, EDE, UNKNOWN] = [3, 8, 9, 10, 11, 15, 100];
/** In letters of both cases, which come back as they are (RFC 4343 4.1). */
const APEX = [4, ...Buffer.from('gslb'), 7, ...Buffer.from('eXaMplE'), 0];
const [CLASS_IN, CLASS_ANY] = [1, 255];

/** A question about the zone, or a name in it. */
export function about(type: number, label = '', qclass = CLASS_IN): number[] {
  const owner = label === '' ? APEX : [label.length, ...Buffer.from(label), ...APEX];
  return [...owner, type >> 8, type & 255, qclass >> 8, qclass & 255];
}

type Edns = {
  readonly options?: readonly number[];
  readonly version?: number;
  readonly flags?: number;
  readonly udpSize?: number;
};
const DO = 0x8000;
const edns = ({ flags = 0, options = [], udpSize = 4096, version = 0 }: Edns = {}): number[] =>
  opt(options, udpSize, [0, version, flags >> 8, flags & 255]);

const COOKIE_BYTES = [1, 2, 3, 4, 5, 6, 7, 8];
const nsid = option(NSID, []);
const subnet = ecs(1, 0, 0, []);
const expire = option(EXPIRE, []);
const cookie = option(COOKIE, COOKIE_BYTES);
const unknown = option(UNKNOWN, []);

/** A query for the zone's SOA, with nothing or with these flags and this OPT. */
const soa = (flags = 0, records: readonly (readonly number[])[] = []): QuerySpec => ({
  flags,
  question: about(SOA),
  records,
});
const good = (flags = 'aa'): ReplySpec => ({ rcode: 'NOERROR', flags, answer: [SOA] });
const goodEdns = (options: readonly number[] = [], flags: 'DO' | '' = ''): ReplySpec => ({
  ...good(),
  edns: flags,
  options,
});
const refusedVersion = (flags: 'DO' | '' = ''): ReplySpec => ({
  rcode: 'BADVERS',
  flags: '',
  edns: flags,
});
const noData: ReplySpec = { rcode: 'NOERROR', flags: 'aa', authority: [SOA] };
const formErr: ReplySpec = { rcode: 'FORMERR', flags: '' };
const notImp: ReplySpec = { rcode: 'NOTIMP', flags: '' };
const refused: ReplySpec = { rcode: 'REFUSED', flags: '' };
const header = (flags: number): QuerySpec => ({ flags, question: [], counts: [0, 0, 0, 0] });

/** The key `.` of 32 zeros, which nobody has; nothing is said by the MAC. */
const unknownKey = [
  ...[0, TSIG >> 8, TSIG & 255, 0, CLASS_ANY, 0, 0, 0, 0, 0, 61],
  ...[11, ...Buffer.from('hmac-sha256'), 0],
  ...[0, 0, 0x6a, 0, 0, 0, 0x01, 0x2c, 0, 32, ...Array<number>(32).fill(0)],
  ...[0x12, 0x34, 0, 0, 0, 0],
];

const BASIC: readonly Row[] = [
  { name: '"dns"', section: '8.1.1', query: soa(), reply: good() },
  { name: '"type666"', section: '8.1.2', query: { flags: 0, question: about(666) }, reply: noData },
  { name: 'TYPE1000', section: '8.1.2', query: { flags: 0, question: about(1000) }, reply: noData },
  { name: '"cd"', section: '8.1.3.1, RFC 4035 3.1.6', query: soa(cd), reply: good('aa cd') },
  { name: '"ad"', section: '8.1.3.2, RFC 6840 5.7', query: soa(ad), reply: good() },
  { name: '"zflag"', section: '8.1.3.3, RFC 1035 4.1.1', query: soa(z), reply: good() },
  { name: '"rd"', section: '8.1.3.4, RFC 1035 4.1.1', query: soa(rd), reply: good('aa rd') },
  { name: '"aa"', section: 'RFC 1035 4.1.1', query: soa(aa), reply: good() },
  { name: '"ra"', section: 'RFC 1035 4.1.1', query: soa(ra), reply: good() },
  { name: '"tc"', section: 'RFC 1035 4.1.1', query: soa(tc), reply: good() },
  {
    name: '"opcode"',
    section: '8.1.4',
    query: header(opcode(15)),
    reply: { ...notImp, questions: 0 },
  },
  {
    name: '"opcodeflg"',
    section: '8.1.4',
    query: header(opcode(15) | aa | ad | cd | ra | rd | tc | z),
    reply: { ...notImp, questions: 0 },
  },
  ...[1, 2, 3, 4, 5, 6, 15].map((number) => ({
    name: `opcode ${number} about a zone`,
    section: '3.1.4, RFC 1035 4.1.1',
    query: soa(opcode(number)),
    reply: notImp,
  })),
  {
    // Keepalive of a DSO session, as a client that knows RFC 8490 tries it.
    name: 'DSO, which has no question',
    section: 'RFC 8490 5.1',
    query: {
      flags: opcode(6),
      question: [],
      counts: [0, 0, 0, 0],
      records: [[0, 1, 0, 8, 0, 0, 0x3a, 0x98, 0, 0, 0x3a, 0x98]],
    },
    reply: { ...notImp, questions: 0 },
  },
  {
    name: 'an opcode with OPT',
    section: '3.1.4, RFC 6891 6.1.1',
    query: soa(opcode(15), [edns()]),
    reply: { ...notImp, edns: '', options: [EDE] },
  },
  {
    name: 'a class that nobody has',
    section: '4, RFC 1035 4.1.1',
    query: { flags: 0, question: about(SOA, '', 666) },
    reply: refused,
  },
  {
    name: 'a zone of others',
    section: 'RFC 1035 4.1.1',
    query: { flags: 0, question: [5, ...Buffer.from('other'), 0, 0, SOA, 0, CLASS_IN] },
    reply: refused,
  },
  ...[AXFR, IXFR].map((type) => ({
    name: `a transfer by ${type === AXFR ? 'AXFR' : 'IXFR'}`,
    section: '7, RFC 5936 2.2.1',
    query: { flags: 0, question: about(type!) },
    reply: refused,
  })),
];

const EXTENDED: readonly Row[] = [
  { name: '"edns"', section: '8.2.1', query: soa(0, [edns()]), reply: goodEdns() },
  {
    name: '"edns1"',
    section: '8.2.2, RFC 6891 6.1.3',
    query: soa(0, [edns({ version: 1 })]),
    reply: refusedVersion(),
  },
  {
    name: 'the last version',
    section: '8.2.2, RFC 6891 6.1.3',
    query: soa(0, [edns({ version: 255 })]),
    reply: refusedVersion(),
  },
  {
    name: '"ednsopt"',
    section: '8.2.3, RFC 6891 6.1.2',
    query: soa(0, [edns({ options: unknown })]),
    reply: goodEdns(),
  },
  ...[0x40, 0x80, 0x7fff].map((flags) => ({
    name: `"ednsflags" 0x${flags.toString(16)}`,
    section: '8.2.4, RFC 6891 6.1.4',
    query: soa(0, [edns({ flags })]),
    reply: goodEdns(),
  })),
  {
    name: 'version 1 with a flag',
    section: '8.2.5',
    query: soa(0, [edns({ version: 1, flags: 0x40 })]),
    reply: refusedVersion(),
  },
  {
    name: '"edns1opt"',
    section: '8.2.6',
    query: soa(0, [edns({ version: 1, options: unknown })]),
    reply: refusedVersion(),
  },
  {
    name: 'version 1 with an option and flags',
    section: '8.2.5, 8.2.6',
    query: soa(0, [edns({ version: 1, options: unknown, flags: 0x7fff })]),
    reply: refusedVersion(),
  },
  {
    name: '"edns@512"',
    section: '8.2.7',
    query: {
      flags: 0,
      question: about(DNSKEY),
      records: [edns({ udpSize: 512, flags: DO })],
    },
    reply: { ...noData, edns: 'DO' },
  },
  {
    name: '"edns@512" that does not fit',
    section: '8.2.7',
    query: {
      flags: 0,
      question: about(TXT, 'middle'),
      records: [edns({ udpSize: 512, flags: DO })],
    },
    reply: { rcode: 'NOERROR', flags: 'aa tc', edns: 'DO' },
    over: 'UDP',
  },
  {
    name: 'more than 512 octets without EDNS',
    section: 'RFC 1035 4.2.1',
    query: { flags: 0, question: about(TXT, 'middle') },
    reply: { rcode: 'NOERROR', flags: 'aa tc' },
    over: 'UDP',
  },
  {
    name: 'a size below 512',
    section: 'RFC 6891 6.2.3',
    query: soa(0, [edns({ udpSize: 0 })]),
    reply: goodEdns(),
  },
  {
    name: '"ednstcp"',
    section: '3.2.7',
    query: {
      flags: 0,
      question: about(TXT, 'middle'),
      records: [edns({ udpSize: 512, flags: DO })],
    },
    reply: { rcode: 'NOERROR', flags: 'aa', answer: [TXT, TXT, TXT, TXT], edns: 'DO' },
    over: 'TCP',
  },
  {
    name: '"do"',
    section: '8.2.8, RFC 3225 3',
    query: soa(0, [edns({ flags: DO })]),
    reply: goodEdns([], 'DO'),
  },
  {
    name: '"docd"',
    section: '8.2.8, RFC 4035 3.1.6',
    query: soa(cd, [edns({ flags: DO })]),
    reply: { ...goodEdns([], 'DO'), flags: 'aa cd' },
  },
  {
    name: '"edns1do"',
    section: '8.2.9',
    query: soa(0, [edns({ version: 1, flags: DO })]),
    reply: refusedVersion('DO'),
  },
  {
    name: '"optlist"',
    section: '8.2.10',
    query: soa(0, [edns({ options: [...nsid, ...subnet, ...expire, ...cookie] })]),
    reply: goodEdns([NSID, CLIENT_SUBNET, COOKIE]),
  },
];

const OPTIONS: readonly Row[] = [
  ...(
    [
      ['nsid', 'RFC 5001 2.2', nsid, [NSID]],
      ['cookie', 'RFC 7873 5.2.3', cookie, [COOKIE]],
      // RFC 7314 3: who has no expiry to tell leaves it out.
      ['expire', 'RFC 7314 3', expire, []],
      ['subnet', 'RFC 7871 7.2.1', subnet, [CLIENT_SUBNET]],
    ] as const
  ).flatMap(([name, section, options, replied]) => [
    {
      name: `"edns${name}"`,
      section,
      query: soa(0, [edns({ options })]),
      reply: goodEdns(replied),
    },
    {
      name: `"edns1${name}"`,
      section: '8.2.6, RFC 6891 6.1.3',
      query: soa(0, [edns({ version: 1, options })]),
      reply: refusedVersion(),
    },
  ]),
  {
    name: 'NSID with something in it',
    section: 'RFC 5001 2.2',
    query: soa(0, [edns({ options: option(NSID, [1, 2, 3]) })]),
    reply: goodEdns([NSID]),
  },
  {
    name: '"bind11"',
    section: '8.2.10',
    query: soa(0, [edns({ flags: DO, options: cookie })]),
    reply: goodEdns([COOKIE], 'DO'),
  },
  {
    name: '"dig11"',
    section: '8.2.10',
    query: soa(rd | ad, [edns({ options: cookie })]),
    reply: { ...goodEdns([COOKIE]), flags: 'aa rd' },
  },
  {
    name: 'a server cookie that nobody made',
    section: 'RFC 7873 5.2.4',
    query: soa(0, [
      edns({ options: option(COOKIE, [...COOKIE_BYTES, ...Array<number>(16).fill(9)]) }),
    ]),
    reply: goodEdns([COOKIE]),
  },
  ...[0, 7, 9, 15, 41].map((length) => ({
    name: `a cookie of ${length} octets`,
    section: 'RFC 7873 5.2.2',
    query: soa(0, [edns({ options: option(COOKIE, Array<number>(length).fill(9)) })]),
    reply: { ...formErr, edns: '' } as const,
  })),
  {
    name: 'no question but a cookie',
    section: 'RFC 7873 5.4, RFC 9619 4',
    query: {
      flags: 0,
      question: [],
      counts: [0, 0, 0, 1],
      records: [edns({ options: cookie })],
    },
    reply: { rcode: 'NOERROR', flags: '', questions: 0, edns: '', options: [COOKIE] },
  },
  {
    name: 'no question but a server cookie that nobody made',
    section: 'RFC 7873 5.4',
    query: {
      flags: 0,
      question: [],
      counts: [0, 0, 0, 1],
      records: [edns({ options: option(COOKIE, [...COOKIE_BYTES, ...Array<number>(16).fill(9)]) })],
    },
    reply: { rcode: 'BADCOOKIE', flags: '', questions: 0, edns: '', options: [COOKIE] },
  },
  {
    name: 'no question, and OPT without a cookie',
    section: 'RFC 9619 4',
    query: { flags: 0, question: [], counts: [0, 0, 0, 1], records: [edns()] },
    reply: { ...formErr, questions: 0, edns: '' },
  },
  {
    name: 'keepalive',
    section: 'RFC 7828 3.3.2',
    query: soa(0, [edns({ options: option(KEEPALIVE, []) })]),
    reply: goodEdns([KEEPALIVE]),
    over: 'TCP',
  },
  {
    name: 'keepalive',
    section: 'RFC 7828 3.3.1',
    query: soa(0, [edns({ options: option(KEEPALIVE, []) })]),
    reply: goodEdns(),
    over: 'UDP',
  },
  {
    name: 'a client subnet with a scope',
    section: 'RFC 7871 7.2.1',
    query: soa(0, [edns({ options: ecs(1, 24, 24, [192, 0, 2]) })]),
    reply: { ...formErr, edns: '' },
  },
  {
    name: 'a zone of others, with EDNS',
    section: 'RFC 8914 4.21',
    query: {
      flags: 0,
      question: [5, ...Buffer.from('other'), 0, 0, SOA, 0, CLASS_IN],
      records: [edns({ options: subnet })],
    },
    reply: { ...refused, edns: '', options: [CLIENT_SUBNET, EDE] },
  },
];

const BROKEN: readonly Row[] = [
  {
    name: 'two OPT records',
    section: 'RFC 6891 6.1.1',
    query: soa(0, [edns(), edns()]),
    reply: { ...formErr, edns: '' },
  },
  {
    name: 'an OPT record that the root does not own',
    section: 'RFC 6891 6.1.2',
    query: soa(0, [record([1, 0x61, 0], 41, [])]),
    reply: formErr,
  },
  {
    name: 'an option that is longer than OPT',
    section: 'RFC 6891 6.1.2',
    query: soa(0, [edns({ options: [0, UNKNOWN!, 0, 9, 1] })]),
    reply: { ...formErr, edns: '' },
  },
  {
    name: 'two questions',
    section: 'RFC 9619 4',
    query: {
      flags: 0,
      question: [...about(A), ...about(NS)],
      counts: [2, 0, 0, 0],
    },
    reply: { ...formErr, questions: 0 },
  },
  {
    name: 'no question',
    section: 'RFC 9619 4',
    query: header(0),
    reply: { ...formErr, questions: 0 },
  },
  {
    name: 'a question that ends too soon',
    section: 'RFC 1035 4.1.1',
    query: { flags: 0, question: about(SOA).slice(0, -1) },
    reply: { ...formErr, questions: 0 },
  },
  {
    name: '"dnswkk"',
    section: 'RFC 8945 5.2.1',
    query: soa(0, [unknownKey]),
    reply: { rcode: 'NOTAUTH', flags: '', additional: [TSIG!] },
  },
];

/** Types that genreport asks of a zone by themselves; most zones have few of them. */
const TYPES = [
  ...Array.from({ length: 40 }, (_, index) => index + 1),
  ...[42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 55, 59, 60, 61, 62, 63, 64, 65],
  ...[99, 104, 105, 106, 107, 108, 109, 256, 257, 258, 259, 32768, 32769, 65280, 65534],
];

export const ROWS: readonly Row[] = [...BASIC, ...EXTENDED, ...OPTIONS, ...BROKEN];

/** One reply per type: data or none, but never an error (8.1.2, 7). */
export const TYPE_ROWS: readonly Row[] = TYPES.map((type) => {
  const count = { [NS!]: 2, [SOA!]: 1, 15: 2, [TXT!]: 1 }[type];
  const answer = Array<number>(count ?? 0).fill(type);
  return {
    name: `TYPE${type}`,
    section: '8.1.2, 7',
    query: { flags: 0, question: about(type) },
    reply: count === undefined ? noData : { rcode: 'NOERROR', flags: 'aa', answer },
  };
});
