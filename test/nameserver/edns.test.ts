import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COOKIE_GOOD, checkCookie } from '../../src/dns/cookie.ts';
import { type DecodedMessage, decodeMessage } from '../../src/dns/decode.ts';
import { COOKIE_REPLY_LENGTH } from '../../src/dns/edns-reply.ts';
import { parseName } from '../../src/dns/name.ts';
import {
  TRANSPORT_HTTPS,
  TRANSPORT_TCP,
  TRANSPORT_TLS,
  TRANSPORT_UDP,
  type Transport,
} from '../../src/nameserver/client.ts';
import { PADDING_BLOCK } from '../../src/nameserver/edns-offers.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { createWorkerState, type WorkerState } from '../../src/nameserver/worker-state.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import { buildQuery, opt, option, QUESTION, type QuerySpec } from '../dns/query-builder.ts';
import { clientAt, compiled, createConfig, NOW_MS, startWorker, wireName } from './fixture.ts';

const NSID = 3;
const COOKIE = 10;
const KEEPALIVE = 11;
const PADDING = 12;
const REPORT_CHANNEL = 18;

const SECRET = Uint8Array.from({ length: 16 }, (_, index) => index);
const CLIENT_COOKIE = [1, 2, 3, 4, 5, 6, 7, 8];
const WWW = [...wireName('www.gslb.example'), 0, 1, 0, 1];

type How = QuerySpec & { transport?: Transport; nowMs?: number; worker?: WorkerState };

function send(
  options: readonly number[],
  { nowMs = NOW_MS, transport, worker, ...spec }: How = {},
) {
  const query = buildQuery({ question: WWW, records: [opt(options)], ...spec });
  const client = clientAt('192.0.2.200');
  client.transport = transport ?? TRANSPORT_UDP;
  const reply = new Uint8Array(65_535);
  const length = respond(worker ?? fresh(), client, query, query.length, nowMs, reply);
  const decoded = decodeMessage(reply.slice(0, length));
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.reason);
  return { ...decoded.message, length };
}

function fresh(identity: object = {}): WorkerState {
  const { dns } = createConfig();
  const all = { ...dns.identity, ...identity };
  const worker = startWorker(compiled(createConfig({ dns: { ...dns, identity: all } })));
  worker.cookies = { current: SECRET, others: [] };
  return worker;
}

function optionOf({ edns }: DecodedMessage, code: number): Uint8Array | undefined {
  return edns?.options.find((each) => each.code === code)?.value;
}

test('a client cookie is answered with a server cookie that is good for that client', () => {
  const reply = send(option(COOKIE, CLIENT_COOKIE));
  const cookie = optionOf(reply, COOKIE)!;
  assert.deepEqual([...cookie.subarray(0, 8)], CLIENT_COOKIE);
  const secrets = { current: SECRET, others: [] };
  const address = clientAt('192.0.2.200').address;
  const now = NOW_MS / 1000;
  assert.equal(checkCookie(cookie, 0, cookie.length, secrets, address, 4, now), COOKIE_GOOD);
  const again = send(option(COOKIE, [...cookie]), { nowMs: NOW_MS + 60_000 });
  assert.deepEqual(optionOf(again, COOKIE), cookie, 'a good one is sent back');
  const later = send(option(COOKIE, [...cookie]), { nowMs: NOW_MS + 2_000_000 });
  assert.notDeepEqual(optionOf(later, COOKIE), cookie, 'an old one is renewed');
  const forged = send(option(COOKIE, [...CLIENT_COOKIE, ...new Array<number>(16).fill(9)]));
  assert.deepEqual(optionOf(forged, COOKIE), cookie, 'a bad one is replaced');
  assert.equal(forged.answer.length, 1);
});

test('without secrets nothing is said of cookies', () => {
  const worker = fresh();
  worker.cookies = undefined;
  const reply = send(option(COOKIE, CLIENT_COOKIE), { worker });
  assert.equal(optionOf(reply, COOKIE), undefined);
});

test('a query without a question is for a cookie, or malformed (RFC 7873 5.4)', () => {
  const counts = [0, 0, 0, 1] as const;
  const asked = send(option(COOKIE, CLIENT_COOKIE), { question: [], counts });
  assert.equal(asked.rcode, 0);
  assert.equal(optionOf(asked, COOKIE)?.length, 24);
  assert.deepEqual([asked.question, asked.answer], [[], []]);
  const good = [...optionOf(asked, COOKIE)!];
  assert.equal(send(option(COOKIE, good), { question: [], counts }).rcode, 0);
  const bad = send(option(COOKIE, good.with(20, good[20]! ^ 1)), { question: [], counts });
  assert.equal(bad.rcode, 23, 'BADCOOKIE');
  assert.deepEqual([...optionOf(bad, COOKIE)!], good, 'with one that is good');
  assert.equal(send([], { question: [], counts }).rcode, 1);
  assert.equal(send([], { question: [], counts: [0, 0, 0, 0], records: [] }).rcode, 1);
});

test('cookies of a wrong length are FORMERR (RFC 7873 5.2.2)', () => {
  for (const length of [0, 7, 9, 15, 41]) {
    const cookie = new Array<number>(length).fill(1);
    assert.equal(send(option(COOKIE, cookie)).rcode, 1, `${length} octets`);
  }
});

test('NSID says which node answers, when asked and unless it is hidden (RFC 5001)', () => {
  assert.equal(Buffer.from(optionOf(send(option(NSID, [])), NSID)!).toString(), 'node-1');
  assert.equal(optionOf(send([]), NSID), undefined);
  const hidden = send(option(NSID, []), { worker: fresh({ id: undefined }) });
  assert.equal(optionOf(hidden, NSID), undefined);
});

test('the report channel goes with every reply that has OPT (RFC 9567)', () => {
  const worker = fresh({ reportChannel: 'errors.example.' });
  const reply = send([], { worker });
  assert.deepEqual(optionOf(reply, REPORT_CHANNEL), parseName('errors.example.'));
  assert.equal(optionOf(send([]), REPORT_CHANNEL), undefined);
  assert.equal(send([], { worker, records: [], counts: [1, 0, 0, 0] }).edns, undefined);
});

test('keepalive is told over streams of DNS, in units of 100 ms (RFC 7828)', () => {
  const asked = option(KEEPALIVE, []);
  assert.deepEqual(
    optionOf(send(asked, { transport: TRANSPORT_TCP }), KEEPALIVE),
    Uint8Array.of(0, 123),
  );
  assert.deepEqual(
    optionOf(send(asked, { transport: TRANSPORT_TLS }), KEEPALIVE),
    Uint8Array.of(0, 123),
  );
  for (const transport of [TRANSPORT_UDP, TRANSPORT_HTTPS] as const) {
    assert.equal(optionOf(send(asked, { transport }), KEEPALIVE), undefined);
  }
  assert.equal(optionOf(send([], { transport: TRANSPORT_TCP }), KEEPALIVE), undefined);
});

test('encrypted replies are padded to blocks when the query was padded (RFC 8467)', () => {
  const padded = option(PADDING, new Array<number>(50).fill(0));
  for (const transport of [TRANSPORT_TLS, TRANSPORT_HTTPS] as const) {
    const reply = send([...padded, ...option(NSID, [])], { transport });
    assert.equal(reply.length, PADDING_BLOCK);
    assert.ok(optionOf(reply, PADDING)!.every((octet) => octet === 0));
    assert.equal(Buffer.from(optionOf(reply, NSID)!).toString(), 'node-1');
    assert.ok(send([], { transport }).length < PADDING_BLOCK);
  }
  assert.ok(send(padded).length < PADDING_BLOCK);
});

test('all options together leave room for the answer, and never exceed the limit', () => {
  const everything = [NSID, KEEPALIVE, PADDING].flatMap((code) => option(code, []));
  const cookie = option(COOKIE, CLIENT_COOKIE);
  const subnet = option(8, [0, 1, 24, 0, 20, 1, 2]);
  const question = [...wireName('big.gslb.example'), 0, 16, 0, 1];
  const id = 'x'.repeat(255);
  const small = send([...everything, ...cookie, ...subnet], {
    question,
    records: [opt([...everything, ...cookie, ...subnet], 512)],
    worker: fresh({ id }),
  });
  assert.ok(small.truncated && small.length <= 512);
  assert.equal(optionOf(small, COOKIE)?.length, 24);
  assert.equal(optionOf(small, NSID)?.length, 255);
});

test('CHAOS tells version and identity to those who ask by name, unless hidden', () => {
  const chaos = (name: string, type = 16, worker = fresh()) =>
    send([], { question: [...wireName(name), 0, type, 0, 3], worker });
  for (const name of ['version.bind', 'VERSION.Server']) {
    assert.deepEqual(
      chaos(name).answer.map(({ text }) => text),
      ['"Meridian"'],
    );
  }
  for (const name of ['id.server', 'hostname.bind']) {
    const { answer, authoritative } = chaos(name);
    assert.deepEqual(
      answer.map(({ text, class: of, ttlSeconds }) => [text, of, ttlSeconds]),
      [['"node-1"', 3, 0]],
    );
    assert.ok(authoritative);
  }
  const hidden = fresh({ id: undefined, version: undefined });
  for (const [name, type, worker] of [
    ['version.bind', 16, hidden],
    ['id.server', 16, hidden],
    ['authors.bind', 16, undefined],
    ['version.bind', 1, undefined],
    ['gslb.example', 16, undefined],
  ] as const) {
    const refused = chaos(name, type, worker);
    assert.equal(refused.rcode, 5);
    assert.deepEqual(refused.edns!.extendedErrors, [{ code: 18, text: '' }]);
  }
});

test('odd answers say why (RFC 8914)', () => {
  const at = (type: number, recordClass = 1, name = 'www.gslb.example') =>
    send([], { question: [...wireName(name), type >> 8, type & 0xff, 0, recordClass] });
  const cases: readonly (readonly [number, number, number, number])[] = [
    [252, 1, 5, 18],
    [251, 1, 5, 18],
    [250, 1, 4, 30],
    [41, 1, 1, 30],
    [128, 1, 1, 30],
    [1, 4, 5, 21],
  ];
  for (const [type, recordClass, rcode, code] of cases) {
    const reply = at(type, recordClass);
    assert.equal(reply.rcode, rcode, `type ${type}, class ${recordClass}`);
    assert.deepEqual(reply.edns!.extendedErrors, [{ code, text: '' }]);
  }
  const elsewhere = at(1, 1, 'elsewhere.test');
  assert.deepEqual([elsewhere.rcode, elsewhere.edns!.extendedErrors[0]?.code], [5, 20]);
  // Before there is anything to serve: another server may have it.
  const early = send([], { worker: createWorkerState(createCounterRow(64)) });
  assert.deepEqual([early.rcode, early.edns!.extendedErrors[0]?.code], [2, 14]);
});

test('CD is copied, AD is not (RFC 4035 3)', () => {
  const reply = send([], { flags: 0x0130 });
  assert.deepEqual(
    [reply.checkingDisabled, reply.authenticData, reply.recursionDesired, reply.recursionAvailable],
    [true, false, true, false],
  );
  assert.equal(send([], { flags: 0, question: [...QUESTION] }).checkingDisabled, false);
});

test('a forged client gets the same answer so often; a proved one, TCP and the exempt are not limited', () => {
  const { dns } = createConfig();
  const rateLimit = { ...dns.rateLimit, answersPerSecond: 3, slip: 2, exempt: ['198.51.100.0/24'] };
  const worker = startWorker(compiled(createConfig({ dns: { ...dns, rateLimit } })));
  worker.cookies = { current: SECRET, others: [] };
  const one = (
    from: string,
    options: readonly number[] = [],
    transport: Transport = TRANSPORT_UDP,
  ) => {
    const query = buildQuery({ question: WWW, records: [opt(options)] });
    const client = clientAt(from);
    client.transport = transport;
    const reply = new Uint8Array(65_535);
    const length = respond(worker, client, query, query.length, NOW_MS, reply);
    if (length === 0) return 'withheld';
    const decoded = decodeMessage(reply.slice(0, length));
    assert.ok(decoded.ok && decoded.message.edns !== undefined);
    const { answer, truncated } = decoded.message;
    return `${answer.length}${truncated ? ' TC' : ''}`;
  };
  const forged = Array.from({ length: 7 }, (_, index) => one(`192.0.2.${index}`));
  assert.deepEqual(forged, ['1', '1', '1', 'withheld', '0 TC', 'withheld', '0 TC']);
  assert.equal(one('192.0.2.1', [], TRANSPORT_TCP), '1');
  const first = send(option(COOKIE, CLIENT_COOKIE), { worker, transport: TRANSPORT_TCP });
  assert.equal(one('192.0.2.200', option(COOKIE, [...optionOf(first, COOKIE)!])), '1');
  assert.equal(one('192.0.2.201', option(COOKIE, [...optionOf(first, COOKIE)!])), 'withheld');
  for (let index = 0; index < 9; index += 1) assert.equal(one('198.51.100.7'), '1');
});

test('what slips through a limit is no longer than its query, but for the cookie that would lift the limit', () => {
  const { dns } = createConfig();
  const rateLimit = { ...dns.rateLimit, answersPerSecond: 1, slip: 1 };
  const identity = { ...dns.identity, id: 'n'.repeat(255), reportChannel: 'agent.example' };
  const worker = startWorker(compiled(createConfig({ dns: { ...dns, identity, rateLimit } })));
  worker.cookies = { current: SECRET, others: [] };
  const query = buildQuery({
    question: WWW,
    records: [opt([...option(NSID, []), ...option(COOKIE, CLIENT_COOKIE)])],
  });
  const reply = new Uint8Array(512);
  const lengths = [1, 2, 3].map(() => {
    return respond(worker, clientAt('192.0.2.200'), query, query.length, NOW_MS, reply);
  });
  assert.ok(lengths[0]! > query.length + 255);
  const room = COOKIE_REPLY_LENGTH - CLIENT_COOKIE.length;
  assert.ok(lengths[1]! <= query.length + room && lengths[2] === lengths[1]);
  const slipped = decodeMessage(reply.slice(0, lengths[2]));
  assert.ok(slipped.ok && slipped.message.truncated);
  assert.equal(slipped.message.edns?.cookie?.length, COOKIE_REPLY_LENGTH);
});

test('names that one wildcard or DNAME makes are limited as one', () => {
  const { dns } = createConfig();
  const rateLimit = { ...dns.rateLimit, answersPerSecond: 3, slip: 0 };
  const sentOf = (names: readonly string[], type = 1): number => {
    const worker = startWorker(compiled(createConfig({ dns: { ...dns, rateLimit } })));
    return names.filter((name) => {
      const query = buildQuery({ question: [...wireName(name), 0, type, 0, 1] });
      const reply = new Uint8Array(512);
      const client = clientAt('192.0.2.200');
      return respond(worker, client, query, query.length, NOW_MS, reply) > 0;
    }).length;
  };
  const drawn = (zone: string): string[] => Array.from({ length: 9 }, (_, i) => `n${i}.${zone}`);
  assert.equal(sentOf(drawn('wild.gslb.example')), 3, 'a wildcard');
  assert.equal(sentOf(drawn('app.gslb.example')), 3, 'a steered one');
  assert.equal(sentOf(drawn('star.gslb.example')), 3, 'a CNAME');
  assert.equal(sentOf(drawn('out.gslb.example')), 3, 'a DNAME');
  assert.equal(sentOf(['www.gslb.example', 'v4.gslb.example', 'static.gslb.example']), 3);
  const each = [
    'www.gslb.example',
    'static.gslb.example',
    'share.gslb.example',
    'x.new.gslb.example',
  ];
  assert.equal(sentOf([...each, ...each]), 8, 'others have their own');
});
