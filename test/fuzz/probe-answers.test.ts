import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Packet } from 'dns2';
import fc from 'fast-check';
import { dns, readReply } from '../../src/probe/dns.ts';
import { REASON_LENGTH_MAX } from '../../src/probe/failure.ts';
import { GRPC_BYTES_MAX, readCheck } from '../../src/probe/grpc.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import { probeKinds } from '../../src/probe/registry.ts';
import { a, answeringDns, answerTo, serveUdp } from '../probe/dns-server.ts';
import { answering, HTTP_OK, serve } from '../probe/fixture-server.ts';
import { answerGrpc, healthFrame, speakingHttp2 } from '../probe/grpc-server.ts';
import { overTls } from '../probe/tls-server.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * What a hostile server may answer: nothing makes a probe throw, hang beyond its signal, or say "ok"
 * without what it asked for. Parsers are given bytes by the thousand; over sockets, real answers are
 * bent at random places, so that what is hostile lies behind a part that is right.
 */
const SEED = fuzzSeed(20260714);
const QUESTION = { name: 'x.example', type: 'A' };

const mutation = fc.record({
  at: fc.nat(),
  octet: fc.nat(255),
  how: fc.constantFrom('flip', 'cut', 'insert', 'repeat'),
});
type Mutation = { readonly at: number; readonly octet: number; readonly how: string };

function bent(bytes: Buffer, mutations: readonly Mutation[]): Buffer {
  let now = bytes;
  for (const { at, how, octet } of mutations) {
    const place = at % (now.length + 1);
    const [head, tail] = [now.subarray(0, place), now.subarray(place)];
    if (how === 'flip') now = Buffer.concat([head, Buffer.from([octet]), tail.subarray(1)]);
    else if (how === 'cut') now = head;
    else if (how === 'insert') now = Buffer.concat([head, Buffer.from([octet, octet]), tail]);
    else now = Buffer.concat([head, now.subarray(0, 2000)]);
  }
  return now;
}

test('readReply() takes any bytes for what they are', () => {
  const query = new Packet();
  query.header = new Packet.Header({ id: 7 });
  query.questions.push(new Packet.Question({ name: QUESTION.name, type: 1, class: 1 }));
  const right = answerTo(query.toBuffer(), { records: [a('192.0.2.1'), a('192.0.2.2')] });
  assert.notEqual(typeof readReply(right, 7, QUESTION), 'string');
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.array(mutation, { minLength: 1, maxLength: 4 }).map((each) => bent(right, each)),
  );
  const property = fc.property(bytes, (each) => {
    const reply = readReply(each, 7, QUESTION);
    assert.notEqual(reply, '');
    if (typeof reply === 'string') return;
    assert.equal(reply.id, 7);
    assert.equal(reply.response, true);
    assert.ok(reply.rcode !== 0 || reply.question.length === 1);
  });
  fc.assert(property, { numRuns: fuzzRuns(3000), seed: SEED });
});

test('readCheck() takes any bytes for what they are', () => {
  const framed = fc.uint8Array({ maxLength: 60 }).map((body) => {
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(body.length, 1);
    return Buffer.concat([frame, body]);
  });
  const bytes = fc.oneof(framed, fc.uint8Array({ maxLength: GRPC_BYTES_MAX }));
  const property = fc.property(bytes, (each) => {
    const status = readCheck(each);
    if (typeof status === 'string') assert.notEqual(status, '');
    else assert.ok(Number.isInteger(status) && status >= 0);
  });
  fc.assert(property, { numRuns: fuzzRuns(3000), seed: SEED });
  assert.equal(readCheck(healthFrame(1)), 1);
});

const HTTP = answering(HTTP_OK) as (socket: Duplex) => void;
const GRPC = speakingHttp2((stream) => answerGrpc(stream, healthFrame(1)));
const DNS = answeringDns({ records: [a('192.0.2.1')] });
const VERIFY = { verify: false };
const TALKS = [
  { kind: 'http', options: { body: 'fit' }, talk: HTTP },
  { kind: 'dns', options: { name: 'x.example', transport: 'tcp' }, talk: DNS },
  { kind: 'grpc', options: {}, talk: GRPC },
  { kind: 'tls', options: VERIFY, talk: overTls(() => undefined) },
  { kind: 'https', options: { tls: VERIFY }, talk: overTls(HTTP) },
  { kind: 'grpc', options: { tls: VERIFY }, talk: overTls(GRPC) },
] as const;
/** Far more than an answer takes here; less than anybody wants to wait for one that hangs. */
const PATIENCE_MS = 120;
/** How much later than its signal a probe may settle on a busy machine. */
const SETTLE_MAX_MS = 2000;

for (const { kind: name, options, talk } of TALKS) {
  const kind: ProbeKind = probeKinds.find((each) => each.kind === name)!;
  test(`${name} ${JSON.stringify(options)}: run() survives bent answers`, async (t) => {
    const lists = fc.sample(fc.array(mutation, { maxLength: 3 }), {
      numRuns: fuzzRuns(24),
      seed: SEED,
    });
    const inner = await serve(t, talk as (socket: Socket) => void);
    const parsed = kind.options.parse(options);
    for (const mutations of [[], ...lists]) {
      const about = `seed ${SEED}, ${JSON.stringify(mutations)}`;
      const outer = await serve(t, (socket) => relay(socket, inner.port, mutations));
      const startMs = performance.now();
      const signal = AbortSignal.timeout(mutations.length === 0 ? SETTLE_MAX_MS : PATIENCE_MS);
      const result = await kind.run({ address: '127.0.0.1', port: outer.port }, parsed, signal);
      assert.ok(performance.now() - startMs < PATIENCE_MS + SETTLE_MAX_MS, about);
      assert.notEqual(result.reason, '', about);
      assert.ok(result.reason.length <= REASON_LENGTH_MAX, about);
      assert.notEqual(result.local, true, `${about}: ${result.reason}`);
      if (mutations.length === 0) assert.equal(result.ok, true, result.reason);
      await outer.idle();
    }
  });
}

/** Passes on what both sides say; each part of the answer is bent by the next mutation. */
function relay(socket: Socket, port: number, mutations: readonly Mutation[]): void {
  const server = connect(port, '127.0.0.1');
  let left = mutations;
  server.on('error', () => socket.destroy());
  server.on('data', (chunk: Buffer) => {
    socket.write(bent(chunk, left.slice(0, 1)));
    left = left.slice(1);
  });
  server.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => server.write(chunk));
  socket.on('close', () => server.destroy());
}

test('dns over UDP: run() survives bent answers', async (t) => {
  const lists = fc.sample(fc.array(mutation, { minLength: 1, maxLength: 3 }), {
    numRuns: fuzzRuns(60),
    seed: SEED,
  });
  let left = lists;
  const server = await serveUdp(t, (query, reply) => {
    const [mutations = [], ...others] = left;
    left = others;
    reply(bent(answerTo(query, { records: [a('192.0.2.1')] }), mutations));
  });
  const options = dns.options.parse({ name: 'x.example' });
  for (const mutations of lists) {
    const signal = AbortSignal.timeout(40);
    const result = await dns.run({ address: '127.0.0.1', port: server.port }, options, signal);
    const about = `seed ${SEED}, ${JSON.stringify(mutations)}: ${result.reason}`;
    assert.ok(result.reason !== '' && result.reason.length <= REASON_LENGTH_MAX, about);
    assert.notEqual(result.local, true, about);
  }
});
