import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { type DecodedMessage, type DecodedRecord, decodeMessage } from '../../src/dns/decode.ts';
import { readWord } from '../../src/dns/message.ts';
import { buildQuery, opt, option } from '../dns/query-builder.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { type Place, parseReplies, type Reply, run, serverWords } from './ask.ts';
import { about, HEADER_FLAGS, RCODES, ROWS, type Row, TYPE_ROWS } from './rfc8906-rows.ts';
import { startWorldNode } from './world-node.ts';

/** A whole node asked all that strangers may ask (RFC 8906), by bytes and by the RFC's own commands. */
const server: Place = { address: loopbackAddress(), port: 5300 };
const fixture = await startWorldNode([`${server.address}:${server.port}`]);
after(fixture.stop);

const RETRY_AFTER_MS = 1000;
const TRIES = 5;

/** One reply over UDP; a lost datagram is sent again. */
async function askUdp(query: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  socket.on('message', resolve);
  socket.on('error', reject);
  let tries = 0;
  const send = (): void => {
    tries += 1;
    if (tries > TRIES) reject(new Error('no reply'));
    else socket.send(query, server.port, server.address);
  };
  const timer = setInterval(send, RETRY_AFTER_MS);
  send();
  try {
    return await promise;
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

/** The replies to all queries of one connection, sent at once (RFC 7766 6.2.1.1), by their IDs. */
async function askTcp(queries: readonly Uint8Array[]): Promise<Map<number, Uint8Array>> {
  const socket = connect(server.port, server.address);
  const framed = queries.flatMap((query) => [
    Buffer.from([query.length >> 8, query.length & 255]),
    query,
  ]);
  socket.write(Buffer.concat(framed));
  const replies = new Map<number, Uint8Array>();
  let held: Buffer = Buffer.alloc(0);
  while (replies.size < queries.length) {
    const [part] = (await once(socket, 'data')) as [Buffer];
    held = Buffer.concat([held, part]);
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const reply = held.subarray(2, 2 + held.readUInt16BE(0));
      assert.ok(!replies.has(reply.readUInt16BE(0)), 'two replies to one query');
      replies.set(reply.readUInt16BE(0), reply);
      held = held.subarray(2 + reply.length);
    }
  }
  socket.destroy();
  return replies;
}

function decode(bytes: Uint8Array): DecodedMessage {
  const decoded = decodeMessage(bytes);
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  return decoded.message;
}

/** All flags but QR, in the order of the alphabet. */
function flagsOf(bytes: Uint8Array): string {
  return Object.entries(HEADER_FLAGS)
    .filter(([, bit]) => (readWord(bytes, 2) & bit) !== 0)
    .map(([name]) => name)
    .join(' ');
}

/** All sixteen flags of OPT, which is the last record here. */
function ednsFlagsOf(bytes: Uint8Array, { edns }: DecodedMessage): number | undefined {
  if (edns === undefined) return undefined;
  const rdata = edns.options.reduce((sum, { value }) => sum + 4 + value.length, 0);
  const start = bytes.length - rdata - 11;
  assert.deepEqual([bytes[start], readWord(bytes, start + 1)], [0, 41], 'OPT is last');
  return readWord(bytes, start + 7);
}

const typesOf = (records: readonly DecodedRecord[]): number[] => records.map(({ type }) => type);

function check({ query, reply }: Row, bytes: Uint8Array, isUdp: boolean): void {
  const message = decode(bytes);
  const { additional = [], answer = [], authority = [], edns, options = [], questions = 1 } = reply;
  assert.ok(message.response);
  assert.equal(message.opcode, ((query.flags ?? 0) >> 11) & 15);
  assert.equal(message.rcode, RCODES[reply.rcode], 'RCODE');
  assert.equal(flagsOf(bytes), reply.flags, 'flags');
  assert.equal(message.question.length, questions, 'questions');
  if (questions === 1) {
    const asked = query.question!;
    assert.deepEqual([...bytes.subarray(12, 12 + asked.length)], asked, 'the question as asked');
  }
  assert.deepEqual(typesOf(message.answer), answer, 'answer');
  assert.deepEqual(typesOf(message.authority), authority, 'authority');
  assert.deepEqual(typesOf(message.additional), additional, 'additional');
  assert.equal(
    ednsFlagsOf(bytes, message),
    edns === undefined ? undefined : edns === 'DO' ? 0x8000 : 0,
  );
  if (message.edns) {
    assert.equal(message.edns.version, 0, 'the highest version that there is');
    assert.ok(message.edns.udpSize >= 512);
  }
  const codes = (message.edns?.options ?? []).map(({ code }) => code);
  assert.deepEqual(
    codes.toSorted((a, b) => a - b),
    options,
    'options',
  );
  if (isUdp) assert.ok(bytes.length <= (edns === undefined ? 512 : 1232), `${bytes.length} octets`);
}

const title = ({ name, section }: Row): string =>
  `${section.startsWith('RFC') ? '' : 'RFC 8906 '}${section}: ${name}`;

for (const row of ROWS.filter(({ over }) => over !== 'TCP')) {
  test(`${title(row)}, over UDP`, async () => {
    check(row, await askUdp(buildQuery(row.query)), true);
  });
}

for (const row of ROWS.filter(({ over }) => over !== 'UDP')) {
  test(`${title(row)}, over TCP`, async () => {
    const replies = await askTcp([buildQuery({ ...row.query, id: 7 })]);
    check(row, replies.get(7)!, false);
  });
}

test('RFC 8906 8.1.2, 7: no type is an error, over UDP', async () => {
  for (const row of TYPE_ROWS) check(row, await askUdp(buildQuery(row.query)), true);
});

test('RFC 8906 6, RFC 7766 6.2.1.1: all at once on one connection, none gets what another asked for', async () => {
  const rows = [...ROWS, ...TYPE_ROWS, ...ROWS].filter(({ over }) => over !== 'UDP');
  const replies = await askTcp(rows.map(({ query }, id) => buildQuery({ ...query, id })));
  for (const [id, row] of rows.entries()) check(row, replies.get(id)!, false);
});

test('RFC 7873 5.2.5: a cookie that was made over UDP is good over TCP, and comes back as it is', async () => {
  const ask = (cookie: Uint8Array): Uint8Array =>
    buildQuery({ id: 3, flags: 0, question: about(6), records: [opt(option(10, [...cookie]))] });
  const client = Uint8Array.from([8, 7, 6, 5, 4, 3, 2, 1]);
  const made = decode(await askUdp(ask(client))).edns?.cookie;
  assert.equal(made?.length, 24);
  assert.deepEqual([...made.subarray(0, 8)], [...client]);
  const again = decode((await askTcp([ask(made)])).get(3)!);
  assert.deepEqual([again.rcode, again.edns?.cookie], [0, made]);
  assert.deepEqual(decode(await askUdp(ask(made))).edns?.cookie, made);
});

test('RFC 1035 4.1.1: what is itself a response, or less than a header, gets none', async () => {
  const socket = createSocket('udp4');
  for (const row of ROWS) {
    const { flags = 0 } = row.query;
    socket.send(
      buildQuery({ ...row.query, id: 1, flags: flags | 0x8000 }),
      server.port,
      server.address,
    );
  }
  socket.send(buildQuery().subarray(0, 11), server.port, server.address);
  socket.send(buildQuery({ id: 2, flags: 0, question: about(6) }), server.port, server.address);
  const [reply] = (await once(socket, 'message')) as [Buffer];
  assert.equal(readWord(reply, 0), 2);
  socket.close();
});

type Command = {
  readonly section: string;
  readonly words: readonly string[];
  readonly status: string;
  readonly flags: string;
  readonly hasSoa?: boolean;
  readonly edns?: boolean;
};
const PLAIN = ['+noedns', '+noad', '+norec'];
const SOA = ['SOA', 'gslb.example'];
const edns = (version: number, ...words: readonly string[]): readonly string[] => [
  ...['+nocookie', `+edns=${version}`, '+noednsnegotiation', '+noad', '+norec', ...words, ...SOA],
];
const WELL = { status: 'NOERROR', flags: 'qr aa', hasSoa: true };
const BADVERS = { status: 'BADVERS', flags: 'qr', edns: true };

/** The commands that RFC 8906 8 gives, and what it expects of each. */
const COMMANDS: readonly Command[] = [
  { section: '8.1.1', words: [...PLAIN, ...SOA], ...WELL },
  {
    section: '8.1.2',
    words: [...PLAIN, 'TYPE1000', 'gslb.example'],
    status: 'NOERROR',
    flags: 'qr aa',
  },
  { section: '8.1.3.1', words: [...PLAIN, '+cd', ...SOA], ...WELL, flags: 'qr aa cd' },
  { section: '8.1.3.2', words: ['+noedns', '+norec', '+ad', ...SOA], ...WELL },
  { section: '8.1.3.3', words: [...PLAIN, '+zflag', ...SOA], ...WELL },
  { section: '8.1.3.4', words: ['+noedns', '+noad', '+rec', ...SOA], ...WELL, flags: 'qr aa rd' },
  {
    section: '8.1.4',
    words: [...PLAIN, '+opcode=15', '+header-only'],
    status: 'NOTIMP',
    flags: 'qr',
  },
  { section: '8.1.5', words: [...PLAIN, '+tcp', ...SOA], ...WELL },
  { section: '8.2.1', words: edns(0), ...WELL, edns: true },
  { section: '8.2.2', words: edns(1), ...BADVERS },
  { section: '8.2.3', words: edns(0, '+ednsopt=100'), ...WELL, edns: true },
  { section: '8.2.4', words: edns(0, '+ednsflags=0x40'), ...WELL, edns: true },
  { section: '8.2.5', words: edns(1, '+ednsflags=0x40'), ...BADVERS },
  { section: '8.2.6', words: edns(1, '+ednsopt=100'), ...BADVERS },
  {
    section: '8.2.7',
    words: [
      ...['+norec', '+nocookie', '+dnssec', '+bufsize=512', '+ignore', 'TXT', 'big.gslb.example'],
    ],
    status: 'NOERROR',
    flags: 'qr aa tc',
    edns: true,
  },
  { section: '8.2.8', words: edns(0, '+dnssec'), ...WELL, edns: true },
  { section: '8.2.9', words: edns(1, '+dnssec'), ...BADVERS },
  {
    section: '8.2.10',
    words: [
      ...['+edns=0', '+noad', '+norec', '+cookie', '+nsid', '+expire', '+subnet=0/0'],
      ...SOA,
    ],
    ...WELL,
    edns: true,
  },
];

async function runDig(words: readonly string[]): Promise<{ output: string; reply: Reply }> {
  const { code, output } = await run('dig', [...serverWords(server), ...words]);
  assert.equal(code, 0, output);
  const [reply] = parseReplies(output);
  assert.ok(reply, output);
  return { output, reply };
}

for (const { edns: hasEdns = false, flags, hasSoa = false, section, status, words } of COMMANDS) {
  test(`RFC 8906 ${section}: dig ${words.join(' ')}`, async () => {
    const { output, reply } = await runDig(words);
    assert.deepEqual([reply.status, reply.flags.join(' ')], [status, flags], output);
    assert.equal(reply.hasEdns, hasEdns, output);
    assert.equal(reply.answer.filter((record) => / SOA /.test(record)).length, hasSoa ? 1 : 0);
    // dig's words for a reserved bit that came back, and for an option that it did not expect.
    assert.doesNotMatch(output, /MBZ|^; OPT=100|malformed|mismatch|message has/im);
  });
}

test('RFC 8906 8.2: kdig reads the same of EDNS', async () => {
  for (const { reply, words } of [
    { words: ['+noedns'], reply: ['NOERROR', true] },
    { words: ['+zflag', '+noedns'], reply: ['NOERROR', true] },
    { words: ['+edns=1'], reply: ['BADVERS', false] },
    { words: ['+edns=0', '+ednsopt=100'], reply: ['NOERROR', true] },
    { words: ['+edns=1', '+ednsopt=100'], reply: ['BADVERS', false] },
    { words: ['+edns=1', '+dnssec'], reply: ['BADVERS', false] },
    { words: ['+nsid', '+cookie', '+subnet=0.0.0.0/0', '+dnssec'], reply: ['NOERROR', true] },
  ]) {
    const all = [...serverWords(server), '+norec', ...words, 'gslb.example', 'SOA'];
    const { code, output } = await run('kdig', all);
    assert.equal(code, 0, output);
    const [first] = parseReplies(output);
    const status = /ext-rcode: (\w+)/i.exec(output)?.[1];
    const told = first?.status === 'NOERROR' ? (status ?? 'NOERROR') : first?.status;
    assert.deepEqual(
      [told, (first?.answer.length ?? 0) > 0],
      reply,
      `${words.join(' ')}\n${output}`,
    );
  }
});
