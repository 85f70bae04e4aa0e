import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { readWord } from '../../src/dns/message.ts';
import { parseName } from '../../src/dns/name.ts';
import { signTsig } from '../../src/dns/tsig.ts';
import { buildQuery, ecs, opt, option, word } from '../dns/query-builder.ts';
import { wireName } from '../nameserver/fixture.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { place } from '../node/three-regions.ts';

/**
 * What somebody gets who sends queries in another's name: never more than one datagram for one, never more
 * than 512 octets without EDNS, never more than the query says it takes, and never more than `udpSizeMax`,
 * whatever is asked of the most talkative node that can be configured.
 */
const ZONE = 'gslb.example';
/** As long as they may be. */
const IDENTITY = 'i'.repeat(255);
const LONG = ['a', 'b', 'c'].map((letter) => letter.repeat(63)).join('.');
const AGENT = `${LONG}.${'agent.'.repeat(8)}example`;
const [A, NS, SOA, TXT, MX, DNSKEY, RRSIG, DS, AXFR, ANY] = [1, 2, 6, 16, 15, 48, 46, 43, 252, 255];
const NSID = option(3, []);
const KEEPALIVE = option(11, []);
const PADDING = option(12, Array<number>(64).fill(0));
const CLIENT_COOKIE = [1, 2, 3, 4, 5, 6, 7, 8];
const COOKIE = option(10, CLIENT_COOKIE);
const SUBNET = ecs(2, 56, 0, [0x20, 1, 0xd, 0xb8, 0, 0, 0]);
const KEY = { name: 'key.example.', secret: Buffer.alloc(64, 1).toString('base64') };

const many = (count: number, text: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => text(index));

/** Names lead to names that lead to names, all of them long. */
const chain = Object.fromEntries(
  many(20, (index) => `${index}`).map((index) => [
    `${'c'.repeat(60)}${index}`,
    { CNAME: `${'c'.repeat(60)}${Number(index) + 1}` },
  ]),
);

const records = {
  ns1: { A: '192.0.2.53', AAAA: '2001:db8::53' },
  '@': {
    TXT: many(40, (index) => `"${index} ${'x'.repeat(240)}"`),
    MX: many(40, (index) => `${index} ${'m'.repeat(50)}${index}`),
    CAA: many(20, (index) => `0 issue "${index}${'c'.repeat(60)}.example"`),
  },
  several: { A: many(60, (index) => `192.0.2.${index + 1}`), TXT: 'with a text beside' },
  middle: { TXT: [`"${'y'.repeat(200)}"`, `"${'z'.repeat(200)}"`] },
  '*.wild': { TXT: many(6, (index) => `"${index} ${'w'.repeat(180)}"`) },
  ...chain,
  old: { DNAME: `${'n'.repeat(60)}.${'d'.repeat(60)}` },
  cut: { NS: many(13, (index) => `ns${index}.cut`) },
  ...Object.fromEntries(
    many(13, (index) => `ns${index}.cut`).map((name, index) => [
      name,
      { A: `198.51.100.${index + 1}`, AAAA: `2001:db8::${index + 1}` },
    ]),
  ),
};

type Node = {
  readonly sizeMax: number;
  readonly send: Send;
  readonly metrics: () => Promise<string>;
};
type Send = (query: Uint8Array, mayBeLate?: boolean) => Promise<Uint8Array | undefined>;

async function start(sizeMax: number, isSigned: boolean): Promise<Node> {
  const at = await place();
  const stateDirectory = mkdtempSync(join(tmpdir(), 'meridian-amplification-'));
  const region = { location: 'DE', vips: ['192.0.2.1', '2001:db8::1'] };
  const fixture = await startNodeFixture({
    node: { roles: ['nameserver'], workers: { dns: 1 }, stateDirectory },
    regions: { a: region },
    pools: { web: { endpoints: ['a'] } },
    zones: {
      [ZONE]: {
        nameservers: ['ns1'],
        soa: { rname: `${LONG}.hostmaster` },
        records,
        steered: { www: { pool: 'web', https: { alpn: many(16, (i) => `protocol-${i}`) } } },
        transfer: { allow: ['127.0.0.0/8'] },
        dnssec: isSigned && { keys: 'ksk-zsk', denial: 'nsec' },
      },
    },
    dns: {
      listeners: [at],
      udpSizeMax: sizeMax,
      identity: { id: IDENTITY, version: IDENTITY, reportChannel: AGENT },
      keys: { [KEY.name]: { algorithm: 'hmac-sha512', secret: KEY.secret } },
      explain: { allow: [] },
    },
  });
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(at.port, at.address, resolve));
  after(async () => {
    socket.close();
    await fixture.stop();
    rmSync(stateDirectory, { recursive: true });
  });
  const metrics = async (): Promise<string> => (await fixture.node.plane.metrics()).body;
  return { sizeMax, send: sender(socket), metrics };
}

/**
 * Behind each query a short one that is always answered: what came before its answer is the reply, and
 * what came after it, when a signature had to be made first.
 */
function sender(socket: Socket): Send {
  const heard: Uint8Array[] = [];
  let wake = (): void => {};
  socket.on('message', (bytes) => {
    heard.push(bytes);
    wake();
  });
  const mark = buildQuery({ id: MARK_ID, question: [...wireName(ZONE), ...word(SOA!), 0, 1] });
  return async (query, mayBeLate = false) => {
    heard.length = 0;
    socket.send(query);
    socket.send(mark);
    const isMarked = (): boolean => heard.some((bytes) => readWord(bytes, 0) === MARK_ID);
    while (!isMarked() || (mayBeLate && heard.length < 2)) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const replies = heard.filter((bytes) => readWord(bytes, 0) !== MARK_ID);
    assert.ok(replies.length <= 1, `${replies.length} datagrams for one`);
    return replies[0];
  };
}
const MARK_ID = 0xfefe;

const question = (name: string, type: number, qclass = 1): number[] => [
  ...wireName(name),
  ...word(type),
  ...word(qclass),
];

const QUESTIONS: Readonly<Record<string, readonly number[]>> = {
  ANY: question(ZONE, ANY!),
  'ANY of a name': question(`several.${ZONE}`, ANY!),
  'a large TXT': question(ZONE, TXT!),
  'a TXT of 400 octets': question(`middle.${ZONE}`, TXT!),
  'a wildcard': question(`${'q'.repeat(63)}.wild.${ZONE}`, TXT!),
  MX: question(ZONE, MX!),
  'sixty addresses': question(`several.${ZONE}`, A!),
  DNSKEY: question(ZONE, DNSKEY!),
  RRSIG: question(ZONE, RRSIG!),
  'a chain of CNAMEs': question(`${'c'.repeat(60)}0.${ZONE}`, A!),
  'a DNAME': question(`${'q'.repeat(63)}.old.${ZONE}`, A!),
  'a name too long': question(`${LONG.slice(0, 127)}.old.${ZONE}`, A!),
  'a referral': question(`x.cut.${ZONE}`, A!),
  'DS of a cut': question(`cut.${ZONE}`, DS!),
  NS: question(ZONE, NS!),
  SOA: question(ZONE, SOA!),
  'no such name': question(`${'q'.repeat(63)}.${ZONE}`, A!),
  'a steered name': question(`www.${ZONE}`, A!),
  'a steered service': question(`www.${ZONE}`, 65),
  'an explanation': question(`_explain.www.${ZONE}`, TXT!),
  'a transfer': question(ZONE, AXFR!),
  'a zone of others': question('example.com', A!),
  'the version': question('version.bind', TXT!, 3),
  'another class': question(ZONE, A!, 4),
  'the root': question('', NS!),
};
const OPTIONS: Readonly<Record<string, readonly number[]>> = {
  'no options': [],
  NSID,
  'a cookie': COOKIE,
  'all options': [...NSID, ...SUBNET, ...COOKIE, ...KEEPALIVE, ...PADDING],
};
const SIZES = [0, 511, 512, 513, 700, 1232, 1400, 4096, 65_535];

type Kind = { readonly what: string; readonly query: Uint8Array; readonly advertised: number };

function kinds(serverCookie: readonly number[]): Kind[] {
  const withOptions = { ...OPTIONS, 'a good cookie': [...NSID, ...option(10, serverCookie)] };
  const questions = Object.entries(QUESTIONS).flatMap(([what, asked]) => [
    { what, query: buildQuery({ question: asked }), advertised: 0 },
    ...SIZES.flatMap((size) =>
      Object.entries(withOptions).map(([options, bytes]) => ({
        what: `${what}, ${options}, ${size}`,
        query: buildQuery({ question: asked, records: [opt(bytes, size, [0, 0, 0x80, 0])] }),
        advertised: size,
      })),
    ),
  ]);
  return [...questions, ...oddities()];
}

/** What is no query, or is none of ours. */
function oddities(): Kind[] {
  const asked = question(`${LONG}.${ZONE}`, A!);
  const edns = opt([...NSID, ...COOKIE], 65_535);
  const longest = parseName(`${LONG}.${'e'.repeat(61)}.`)!;
  const signature = [...word(250), 0, 255, 0, 0, 0, 0];
  const rdata = [...longest, 0, 0, 0, 0, 0, 0, 1, 0x2c, 0, 32, ...Array<number>(32).fill(9)];
  const unknown = [...longest, ...signature, ...word(rdata.length + 6), ...rdata, 0, 1, 0, 0, 0, 0];
  const signed = (secret: number, nowSeconds: number, records: readonly number[][]) => {
    const key = { name: parseName(KEY.name)!, algorithm: 'hmac-sha512' as const };
    const plain = buildQuery({ question: QUESTIONS['a large TXT']!, records });
    return signTsig(plain, { ...key, secret: new Uint8Array(64).fill(secret) }, nowSeconds).message;
  };
  const now = Math.floor(Date.now() / 1000);
  const cases: readonly (readonly [string, Uint8Array, number])[] = [
    ...[1, 2, 4, 5, 6, 15].flatMap((opcode) => [
      [`opcode ${opcode}`, buildQuery({ flags: opcode << 11, question: asked }), 0] as const,
      [
        `opcode ${opcode} with EDNS`,
        buildQuery({ flags: opcode << 11, question: asked, records: [edns] }),
        65_535,
      ] as const,
    ]),
    ['version 1', buildQuery({ question: asked, records: [opt(NSID, 4096, [0, 1, 0, 0])] }), 4096],
    ['two questions', buildQuery({ question: [...asked, ...asked], counts: [2, 0, 0, 0] }), 0],
    ['two OPT', buildQuery({ question: asked, records: [edns, edns] }), 65_535],
    ['a broken option', buildQuery({ question: asked, records: [opt([0, 3, 0, 9, 1])] }), 1232],
    ['an unfinished name', buildQuery({ question: asked.slice(0, 100) }), 0],
    ['a header', buildQuery({ question: [], counts: [0, 0, 0, 0] }), 0],
    ['counts of 65535', buildQuery({ question: asked, counts: [1, 65_535, 65_535, 65_535] }), 0],
    ['only a cookie', buildQuery({ question: [], counts: [0, 0, 0, 1], records: [edns] }), 65_535],
    ['a signature of nobody', buildQuery({ question: asked, records: [unknown] }), 0],
    [
      'a signature of nobody, EDNS',
      buildQuery({ question: asked, records: [edns, unknown] }),
      65_535,
    ],
    ['a wrong signature', signed(2, now, []), 0],
    ['a late signature', signed(1, now - 4000, []), 0],
    ['a good signature', signed(1, now, []), 0],
    ['a good signature, EDNS', signed(1, now, [opt(NSID, 600)]), 600],
  ];
  return cases.map(([what, query, advertised]) => ({ what, query, advertised }));
}

/** Silence is the right answer to these. */
const UNSOLICITED: Readonly<Record<string, Uint8Array>> = {
  'a response': buildQuery({ flags: 0x8180, question: QUESTIONS['a large TXT']! }),
  'a response with EDNS': buildQuery({
    flags: 0x8400,
    question: QUESTIONS['ANY']!,
    records: [opt(COOKIE)],
  }),
  'a response of another opcode': buildQuery({ flags: 0xa000, question: QUESTIONS['SOA']! }),
  'a header and no more, as a response': buildQuery({
    flags: 0x8000,
    question: [],
    counts: [0, 0, 0, 0],
  }),
  'eleven octets': new Uint8Array(11),
  nothing: new Uint8Array(0),
};

const VARIANTS = [
  { sizeMax: 512, isSigned: false },
  { sizeMax: 1232, isSigned: false },
  { sizeMax: 4096, isSigned: false },
  { sizeMax: 1232, isSigned: true },
];
for (const { isSigned, sizeMax } of VARIANTS) {
  const how = `udpSizeMax ${sizeMax}${isSigned ? ' and signatures' : ''}`;
  test(`no response over UDP is larger than it may be, with ${how}`, async (t) => {
    const node = await start(sizeMax, isSigned);
    const first = await node.send(
      buildQuery({ question: QUESTIONS['SOA']!, records: [opt(COOKIE, 4096)] }),
    );
    const made = decodeMessage(first!);
    assert.ok(made.ok && made.message.edns?.cookie?.length === 24);
    let worst = { what: '', factor: 0, octets: 0 };
    let truncated = 0;
    for (const { what, query, advertised } of kinds([...made.message.edns.cookie])) {
      const reply = await node.send(query, isSigned);
      assert.ok(reply, `${what}: no reply`);
      const limit = Math.min(sizeMax, Math.max(512, advertised));
      assert.ok(reply.length <= limit, `${what}: ${reply.length} octets of ${limit}`);
      const decoded = decodeMessage(reply);
      assert.ok(decoded.ok, `${what}: ${decoded.ok ? '' : decoded.reason}`);
      if (decoded.message.truncated) truncated += 1;
      const factor = reply.length / query.length;
      if (factor > worst.factor) worst = { what, factor, octets: reply.length };
    }
    assert.ok(truncated > 0);
    if (isSigned) await checkSignatures(node);
    t.diagnostic(`worst: ${worst.factor.toFixed(1)} times, ${worst.octets} octets (${worst.what})`);
    for (const [what, bytes] of Object.entries(UNSOLICITED)) {
      assert.equal(await node.send(bytes), undefined, what);
    }
    const dropped = /^meridian_dns_dropped_total (\d+)/m.exec(await node.metrics())?.[1];
    assert.equal(dropped, `${Object.keys(UNSOLICITED).length}`);
  });
}

/** Else nothing was shown of signatures. */
async function checkSignatures({ send }: Node): Promise<void> {
  const wantsThem = opt([], 1232, [0, 0, 0x80, 0]);
  for (const asked of [
    QUESTIONS['SOA']!,
    QUESTIONS['no such name']!,
    QUESTIONS['a steered name']!,
  ]) {
    const decoded = decodeMessage(
      (await send(buildQuery({ question: asked, records: [wantsThem] }), true))!,
    );
    assert.ok(decoded.ok && !decoded.message.truncated);
    const { answer, authority } = decoded.message;
    assert.ok([...answer, ...authority].some(({ type }) => type === RRSIG));
  }
}
