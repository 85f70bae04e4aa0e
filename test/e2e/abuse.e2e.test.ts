import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { parseName } from '../../src/dns/name.ts';
import { signTsig } from '../../src/dns/tsig.ts';
import type { RunningNode } from '../../src/node/start-node.ts';
import { buildQuery, opt, option, word } from '../dns/query-builder.ts';
import { wireName } from '../nameserver/fixture.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { startNodeFixture } from '../node/node-fixture.ts';
import { type Place, place } from '../node/three-regions.ts';
import { until } from '../node/until.ts';

/** Limits against those who ask in another's name or too much, on real sockets, and the counters that tell of it. */
const DEADLINE_MS = 20_000;
const ZONE = 'gslb.example';
const PER_SECOND = 5;
const BURST = 60;
const [A, TXT, AXFR] = [1, 16, 252];
const COOKIE = 10;
/** A slipped reply is as short as the query, but for the cookie that lets its client prove itself. */
const SERVER_COOKIE_OCTETS = 16;
const CLIENT_COOKIE = [8, 7, 6, 5, 4, 3, 2, 1];

type Nameserver = { readonly at: Place; readonly node: RunningNode };

async function start(t: TestContext, dns: Readonly<Record<string, unknown>>): Promise<Nameserver> {
  const at = await place();
  const { node, stop } = await startNodeFixture({
    node: { roles: ['nameserver'], workers: { dns: 1 } },
    zones: {
      [ZONE]: {
        nameservers: ['ns.else.test.'],
        records: {
          static: { TXT: 'x'.repeat(200) },
          other: { TXT: 'y'.repeat(200) },
          '*.wild': { TXT: 'z'.repeat(200) },
          cut: { NS: 'ns.else.test.' },
          out: { DNAME: 'else.test.' },
        },
        transfer: { allow: ['192.0.2.0/24'] },
      },
    },
    dns: { ...dns, listeners: [at] },
  });
  t.after(stop);
  return { at, node };
}

/** Counters by `name value`, without the program's prefix. */
async function counters({ node }: Nameserver): Promise<(name: string) => number> {
  const { body } = await node.plane.metrics();
  const found = [...body.matchAll(/^meridian_(dns_\w+)(?:\{\w+="(\w+)"\})? (\d+)$/gm)];
  const byName = new Map(found.map(([, name, value = '', count]) => [`${name} ${value}`, count]));
  return (name) => {
    const count = byName.get(name.includes(' ') ? name : `${name} `);
    assert.ok(count !== undefined, `no counter ${name}`);
    return Number(count);
  };
}

type Asked = {
  readonly name: string;
  readonly type?: number;
  readonly options?: readonly number[];
};

const queryOf = ({ name, type = TXT!, options }: Asked, id = 0): Uint8Array =>
  buildQuery({
    id,
    flags: 0,
    question: [...wireName(name), ...word(type), 0, 1],
    records: options === undefined ? [] : [opt(options)],
  });

type Burst = {
  readonly replies: readonly DecodedMessage[];
  readonly full: number;
  readonly slipped: number;
  readonly withheld: number;
  /** The most that the limit allows while the burst lasted. */
  readonly fullMax: number;
};

/** Many queries at once from one address; ends when the node has counted all of them. */
async function burst(
  nameserver: Nameserver,
  from: string,
  asked: (index: number) => Asked,
): Promise<Burst> {
  const { at } = nameserver;
  const before = await counters(nameserver);
  const socket = createSocket('udp4').unref();
  await new Promise<void>((resolve) => socket.bind(0, from, resolve));
  const replies: DecodedMessage[] = [];
  socket.on('message', (bytes) => {
    const decoded = decodeMessage(bytes);
    assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
    replies.push(decoded.message);
    if (decoded.message.truncated) {
      const sent = queryOf(asked(decoded.message.id), decoded.message.id).length;
      const limit = sent + (decoded.message.edns?.cookie === undefined ? 0 : SERVER_COOKIE_OCTETS);
      assert.ok(bytes.length <= limit, `slipped ${bytes.length} octets for ${sent}`);
    }
  });
  const startedMs = performance.now();
  for (let index = 0; index < BURST; index += 1) {
    socket.send(queryOf(asked(index), index), at.port, at.address);
  }
  let now = before;
  const grown = (name: string): number => now(name) - before(name);
  const isCounted = async (): Promise<boolean> => {
    now = await counters(nameserver);
    return grown('dns_queries_total udp') === BURST;
  };
  await until(isCounted, DEADLINE_MS, 'all queries are counted');
  const withheld = grown('dns_rate_limited_total withheld');
  await until(() => replies.length === BURST - withheld, DEADLINE_MS, 'all replies came');
  const seconds = (performance.now() - startedMs) / 1000;
  socket.close();
  const slipped = replies.filter(({ truncated }) => truncated).length;
  assert.equal(slipped, grown('dns_rate_limited_total slipped'));
  const full = replies.length - slipped;
  return { replies, full, slipped, withheld, fullMax: Math.ceil(PER_SECOND * (1 + seconds)) };
}

const LIMITED = {
  rateLimit: {
    answersPerSecond: PER_SECOND,
    negativesPerSecond: PER_SECOND,
    errorsPerSecond: PER_SECOND,
    exempt: [],
  },
};

test('responses to one network are limited, every second one leads to TCP', async (t) => {
  const nameserver = await start(t, LIMITED);
  const kinds: Readonly<Record<string, (index: number) => Asked>> = {
    'one answer': () => ({ name: `static.${ZONE}` }),
    'one answer, with EDNS': () => ({ name: `static.${ZONE}`, options: [] }),
    'names of a wildcard': (index) => ({ name: `n${index}.wild.${ZONE}` }),
    'names of a DNAME': (index) => ({ name: `n${index}.out.${ZONE}` }),
    'names that are not there': (index) => ({ name: `n${index}.${ZONE}` }),
    referrals: (index) => ({ name: `n${index}.cut.${ZONE}`, type: A! }),
  };
  for (const [what, asked] of Object.entries(kinds)) {
    const { full, fullMax, slipped, withheld } = await burst(nameserver, loopbackAddress(), asked);
    assert.ok(full >= PER_SECOND && full <= fullMax, `${what}: ${full} of ${fullMax}`);
    assert.ok(Math.abs(slipped - withheld) <= 1, `${what}: ${slipped} slipped, ${withheld} not`);
    t.diagnostic(`${what}: ${full} whole, ${slipped} truncated, ${withheld} withheld`);
  }
});

test('many names do not get around the limit: all responses to one network have one too', async (t) => {
  const { rateLimit } = LIMITED;
  const names = ['static', 'other', 'a.wild', 'x.out', 'missing', 'n.cut'];
  const asked = (index: number): Asked => ({ name: `${names[index % names.length]}.${ZONE}` });
  const open = await start(t, LIMITED);
  const all = await burst(open, loopbackAddress(), asked);
  assert.ok(all.full > all.fullMax, `${all.full} of ${all.fullMax}: each name has its own`);
  const closed = await start(t, { rateLimit: { ...rateLimit, responsesPerSecond: PER_SECOND } });
  const { full, fullMax, slipped, withheld } = await burst(closed, loopbackAddress(), asked);
  assert.ok(full >= PER_SECOND && full <= fullMax, `${full} of ${fullMax}`);
  assert.ok(Math.abs(slipped - withheld) <= 1, `${slipped} slipped, ${withheld} not`);
});

test('errors are limited, and have nothing that could be fetched over TCP', async (t) => {
  const nameserver = await start(t, LIMITED);
  for (const name of [() => 'elsewhere.test', (index: number) => `n${index}.elsewhere.test`]) {
    const from = loopbackAddress();
    const { full, fullMax, slipped } = await burst(nameserver, from, (index) => ({
      name: name(index),
    }));
    assert.ok(full >= PER_SECOND && full <= fullMax, `${full} of ${fullMax}`);
    assert.equal(slipped, 0);
  }
});

test('a client with our cookie is not limited; a cookie of nobody, or of another, helps nobody', async (t) => {
  const nameserver = await start(t, LIMITED);
  const [proved, other, thief] = [loopbackAddress(), loopbackAddress(), loopbackAddress()];
  const name = `static.${ZONE}`;
  const first = await burst(nameserver, proved, () => ({
    name,
    options: option(COOKIE, CLIENT_COOKIE),
  }));
  assert.ok(first.full <= first.fullMax, 'a client cookie alone proves nothing');
  const cookie = first.replies[0]!.edns!.cookie!;
  const made = { name, options: option(COOKIE, [...cookie]) };
  const good = await burst(nameserver, proved, () => made);
  assert.deepEqual([good.full, good.slipped, good.withheld], [BURST, 0, 0]);
  const forged = option(COOKIE, [...CLIENT_COOKIE, ...Array<number>(16).fill(1)]);
  for (const [from, asked] of [
    [other, { name, options: forged }],
    [thief, made],
  ] as const) {
    const bad = await burst(nameserver, from, () => asked);
    assert.ok(bad.full <= bad.fullMax && bad.withheld > 0, `${bad.full} of ${bad.fullMax}`);
  }
  const count = await counters(nameserver);
  assert.deepEqual(
    [count('dns_cookies_total good'), count('dns_cookies_total bad')],
    [BURST, 2 * BURST],
  );
});

test('TCP is open to a network that is limited, and exempt networks are not', async (t) => {
  const exempt = loopbackAddress();
  const rateLimit = { ...LIMITED.rateLimit, exempt: [exempt] };
  const nameserver = await start(t, { rateLimit });
  const asked = { name: `static.${ZONE}` };
  const from = loopbackAddress();
  assert.ok((await burst(nameserver, from, () => asked)).withheld > 0);
  const client = await open(t, nameserver.at, from);
  for (let id = 0; id < 3; id += 1) client.send(queryOf(asked, id));
  await until(() => client.replies().length === 3, DEADLINE_MS, 'answers over TCP');
  assert.ok(client.replies().every(({ answer, truncated }) => answer.length === 1 && !truncated));
  assert.equal((await burst(nameserver, exempt, () => asked)).full, BURST);
});

test('octets in both directions are counted, so that amplification can be seen', async (t) => {
  const nameserver = await start(t, {});
  const asked = { name: `static.${ZONE}` };
  const { full } = await burst(nameserver, loopbackAddress(), () => asked);
  const count = await counters(nameserver);
  const query = queryOf(asked).length;
  assert.equal(count('dns_udp_bytes_total received'), BURST * query);
  // The answer is the question, and a record whose owner points at it.
  assert.equal(count('dns_udp_bytes_total sent'), full * (query + 12 + 201));
});

type Client = {
  send(message: Uint8Array): void;
  replies(): readonly DecodedMessage[];
  isClosed(): boolean;
};

async function open(
  t: TestContext,
  { address, port }: Place,
  localAddress: string,
): Promise<Client> {
  const socket = connect({ host: address, port, localAddress });
  t.after(() => socket.destroy());
  const replies: DecodedMessage[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let closed = false;
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      const decoded = decodeMessage(rest.subarray(2, end));
      assert.ok(decoded.ok);
      replies.push(decoded.message);
      rest = rest.subarray(end);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  await once(socket, 'connect');
  return {
    send: (message) =>
      void socket.write(Buffer.concat([Buffer.from(word(message.length)), message])),
    replies: () => replies,
    isClosed: () => closed,
  };
}

test('connections and queries of one source are limited, and what is refused is counted', async (t) => {
  const tcp = { perClientMax: 2, connectionsMax: 3, queriesPerSecond: 20, idleTimeout: '5s' };
  const nameserver = await start(t, { tcp });
  const [one, two, three] = [loopbackAddress(), loopbackAddress(), loopbackAddress()];
  const asked = { name: `static.${ZONE}` };
  const greedy = await open(t, nameserver.at, one);
  const grown = async (name: string, to: number): Promise<void> => {
    const isThere = async () => (await counters(nameserver))(name) === to;
    await until(isThere, DEADLINE_MS, `${name} is ${to}`);
  };
  await grown('dns_connections_total taken', 1);
  const second = await open(t, nameserver.at, one);
  await grown('dns_connections_total taken', 2);
  const third = await open(t, nameserver.at, one);
  await until(third.isClosed, DEADLINE_MS, 'the third of one client is closed');
  await grown('dns_connections_total refused', 1);
  const garbage = await open(t, nameserver.at, two);
  await grown('dns_connections_total taken', 3);
  greedy.send(queryOf(asked, 1));
  await until(() => greedy.replies().length === 1, DEADLINE_MS, 'an answer');
  const beyond = await open(t, nameserver.at, three);
  await grown('dns_connections_total taken', 4);
  await until(second.isClosed, DEADLINE_MS, 'the fourth of all takes the place of the idle one');
  await grown('dns_connections_closed_total room', 1);
  const response = queryOf(asked);
  response[2]! |= 0x80;
  garbage.send(response);
  await until(garbage.isClosed, DEADLINE_MS, 'who sends responses is closed');
  assert.deepEqual(garbage.replies(), []);
  await grown('dns_connections_closed_total garbage', 1);
  for (let id = 0; id < 40; id += 1) greedy.send(queryOf(asked, id));
  await until(() => greedy.replies().length === 41, DEADLINE_MS, 'all are answered, later');
  assert.equal(beyond.isClosed() && beyond.replies().length > 0, false);
  assert.ok((await counters(nameserver))('dns_stream_limited_total') > 0);
  await grown('dns_connections_closed_total idle', 2);
});

test('transfers and signatures of strangers are refused and counted', async (t) => {
  const secret = Buffer.alloc(32, 1).toString('base64');
  const nameserver = await start(t, { keys: { 'key.example': { secret } } });
  const client = await open(t, nameserver.at, loopbackAddress());
  client.send(queryOf({ name: ZONE, type: AXFR! }, 1));
  await until(() => client.replies().length === 1, DEADLINE_MS, 'a word');
  assert.deepEqual([client.replies()[0]!.rcode, client.replies()[0]!.answer], [5, []]);
  const now = Math.floor(Date.now() / 1000);
  for (const [index, fill] of [1, 2].entries()) {
    const key = {
      name: parseName('key.example.')!,
      algorithm: 'hmac-sha256' as const,
      secret: new Uint8Array(32).fill(fill),
    };
    client.send(signTsig(queryOf({ name: `static.${ZONE}` }, 2 + index), key, now).message);
  }
  await until(() => client.replies().length === 3, DEADLINE_MS, 'answers');
  assert.deepEqual(
    client.replies().map(({ rcode }) => rcode),
    [5, 0, 9],
  );
  const count = await counters(nameserver);
  assert.equal(count('dns_transfers_total refused'), 1);
  assert.equal(count('dns_transfers_total taken'), 0);
  assert.equal(count('dns_signed_queries_total good'), 1);
  assert.equal(count('dns_signed_queries_total bad'), 1);
});

test('denied networks hear nothing, and others that they are not allowed', async (t) => {
  const [friend, foe, stranger] = ['127.66.1.1', '127.66.2.1', '127.67.0.1'];
  const access = { allow: ['127.66.0.0/16'], deny: ['127.66.2.0/24'] };
  const { at, node } = await start(t, { access });
  const asked = { name: `static.${ZONE}` };
  const one = await open(t, at, friend);
  one.send(queryOf(asked, 1));
  await until(() => one.replies().length === 1, DEADLINE_MS, 'a friend is answered');
  const denied = await open(t, at, foe);
  await until(denied.isClosed, DEADLINE_MS, 'a foe is closed');
  const other = await open(t, at, stranger);
  other.send(queryOf(asked, 2));
  await until(() => other.replies().length === 1, DEADLINE_MS, 'a stranger is told');
  assert.deepEqual([one.replies()[0]!.rcode, other.replies()[0]!.rcode], [0, 5]);
  const udp = createSocket('udp4');
  t.after(() => udp.close());
  await new Promise<void>((done) => udp.bind(0, foe, done));
  udp.on('message', () => assert.fail('a foe was answered'));
  udp.send(queryOf(asked, 3), at.port, at.address);
  const count = await counters({ at, node });
  assert.ok(count('dns_denied_total') >= 1);
  const isCounted = async (): Promise<boolean> => {
    const now = await counters({ at, node });
    return now('dns_denied_total') === 2 && now('dns_not_allowed_total') === 1;
  };
  await until(isCounted, DEADLINE_MS, 'all are counted');
});
