import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import { DOWN } from '../../src/health/health-word.ts';
import { DROP } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { setHealth, type WorkerState } from '../../src/nameserver/worker-state.ts';
import {
  allUp,
  clientAt,
  compiled,
  healthOf,
  NOW_MS,
  queryBytes,
  RECORDS,
  STEERED,
  startWorker,
  TYPES,
} from '../nameserver/fixture.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Garbage and damaged queries through `respond`: it never throws, never writes outside of what it
 * returns, keeps to the client's limit, and whatever it says decodes and matches the query.
 */
const SEED = fuzzSeed(20_260_601);
const ITERATIONS = fuzzRuns(20_000);

const UDP_LIMIT = 1232;
const GUARD = 0xee;
const snapshot = compiled();

function createDraw(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    // xorshift32; zero is its only fixed point.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % 0x7fffffff) % below;
  };
}

type Draw = (below: number) => number;

function pick<T>(draw: Draw, list: readonly T[]): T {
  return list[draw(list.length)]!;
}

const NAMES = [...RECORDS, ...STEERED].map(({ owner }) => owner);
const SUBNETS = [
  '80.1.2.0/24',
  '10.0.0.0/8',
  '::/0',
  '2001:db8:2000::/48',
  '20.1.2.3/32',
  undefined,
];

function drawQuery(draw: Draw): Uint8Array {
  const prefix = pick(draw, ['', '', 'a.', 'x.y.', `${'l'.repeat(63)}.`, '*.']);
  const subnet = pick(draw, SUBNETS);
  const size = pick(draw, [0, 512, 700, 1232, 4096, 65535]);
  return queryBytes(`${prefix}${pick(draw, NAMES)}`, pick(draw, Object.keys(TYPES)), {
    edns: draw(2) === 0 || subnet !== undefined,
    udpSize: size,
    flags: pick(draw, [0, 0x0100, 0x0110]),
    ...(subnet !== undefined && { subnet }),
  });
}

function damage(draw: Draw, query: Uint8Array): Uint8Array {
  const bytes = query.slice();
  for (let edits = draw(4); edits > 0; edits--) {
    const at = draw(bytes.length);
    bytes[at] = pick(draw, [0, 1, 0x3f, 0x40, 0xc0, 0xff, draw(256), bytes[at]! ^ (1 << draw(8))]);
  }
  if (draw(4) === 0) return bytes.slice(0, draw(bytes.length + 1));
  if (draw(8) === 0)
    return Uint8Array.from([...bytes, ...Array.from({ length: draw(40) }, () => draw(256))]);
  return bytes;
}

function garbage(draw: Draw): Uint8Array {
  const bytes = Uint8Array.from({ length: draw(80) }, () => draw(256));
  if (bytes.length > 5 && draw(2) === 0) bytes.set([0, 0, 0, 1], 2);
  return bytes;
}

const reply = new Uint8Array(70_000);

function check(worker: WorkerState, query: Uint8Array, address: string, tcp: boolean): number {
  const before = query.slice();
  reply.fill(GUARD, 0, 8192);
  const client = clientAt(address, tcp);
  const length = respond(worker, client, query, query.length, NOW_MS, reply);
  assert.deepEqual(query, before, 'the query is only read');
  if (length === DROP) return length;
  assert.ok(length >= 12 && length <= (tcp ? 65_535 : UDP_LIMIT), `length ${length}`);
  // What did not fit stays behind a truncated reply, within its limit.
  const end = (reply[2]! & 2) !== 0 && !tcp ? UDP_LIMIT : length;
  assert.equal(reply[end], GUARD, 'nothing is written behind the reply');
  const packet = dnsPacket.decode(Buffer.from(reply.slice(0, length)));
  assert.equal(dnsPacket.decode.bytes, length, 'the reply is one whole message');
  assert.deepEqual([reply[0], reply[1]], [query[0], query[1]], 'ID');
  assert.deepEqual([packet.flag_qr, packet.flag_ra], [true, false]);
  if (packet.answers?.length) assert.equal(packet.questions?.length, 1);
  return length;
}

test('respond() survives damaged queries and garbage', () => {
  const draw = createDraw(SEED);
  const worker = startWorker(snapshot);
  const words = allUp(snapshot);
  let answered = 0;
  for (let i = 0; i < ITERATIONS; i++) {
    if (i % 500 === 0) {
      words[draw(words.length)] = pick(draw, [DOWN, 60]) >>> 0;
      setHealth(worker, healthOf(words), snapshot.generation);
    }
    const kind = draw(10);
    const query =
      kind === 0 ? garbage(draw) : kind < 4 ? drawQuery(draw) : damage(draw, drawQuery(draw));
    const address = pick(draw, ['80.1.1.1', '2001:db8:1000::1', '::ffff:20.1.1.1', '127.0.0.1']);
    try {
      if (check(worker, query, address, draw(4) === 0) > 0) answered++;
    } catch (error) {
      const hex = Buffer.from(query).toString('hex');
      throw new Error(`FUZZ_SEED=${SEED}, iteration ${i}, query ${hex}`, { cause: error });
    }
  }
  assert.ok(answered > ITERATIONS / 2, `${answered} answered`);
});
