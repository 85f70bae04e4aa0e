import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config, RrsetConfig } from '../../src/config/config.ts';
import { withOverlays, type ZoneOverlay } from '../../src/config/overlay.ts';
import { writeServerCookie } from '../../src/dns/cookie.ts';
import { packetMemory } from '../../src/dns/packet-memory.ts';
import { DOWN } from '../../src/health/health-word.ts';
import type { Client } from '../../src/nameserver/client.ts';
import { answerFast } from '../../src/nameserver/fast-path.ts';
import { createPacketCache } from '../../src/nameserver/packet-cache.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import {
  addSignatures,
  learn,
  setHealth,
  setSnapshot,
  type WorkerState,
} from '../../src/nameserver/worker-state.ts';
import { buildQuery, ecs, opt, option, word } from '../dns/query-builder.ts';
import {
  allUp,
  clientAt,
  compiled,
  createConfig,
  healthOf,
  NOW_MS,
  RECORDS,
  rrset,
  STEERED,
  startWorker,
  TYPES,
  wireName,
} from '../nameserver/fixture.ts';
import { signedWorld } from '../signing/signed-world.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Two workers get the same queries, health, snapshots and signatures; only one has the fast path. What they answer
 * and what they count must be the same to the last octet, whatever came before.
 */
const SEED = fuzzSeed(20_261_122);
const ITERATIONS = fuzzRuns(40_000);
const SIGNED_ITERATIONS = fuzzRuns(8000);

/** Questions that are asked again and again. */
const USUAL = 24;
const PLACE = 4096;
const GUARD = 0xee;
const ZONE = 'gslb.example';
/** Answers of all lengths, so that what a reply may carry besides is short of room now and then. */
const SIZED: readonly RrsetConfig[] = [10, 14, 18, 22, 26, 30, 40, 55].flatMap((count) => {
  const addresses = Array.from({ length: count }, (_, at) => `192.0.2.${at}`);
  const texts = Array.from({ length: count }, (_, at) => `"${at}"`);
  const owner = `size${count}.${ZONE}.`;
  return [rrset(owner, 'A', addresses), rrset(owner, 'TXT', texts)];
});
const NAMES = [...RECORDS, ...STEERED, ...SIZED].map(({ owner }) => owner);
const ADDRESSES = ['80.1.1.1', '20.1.1.7', '2001:db8:1000::1', '127.0.0.1', '::ffff:20.1.1.1'];
const SECRET = Uint8Array.from({ length: 16 }, (_, index) => index);
const OTHER_SECRET = new Uint8Array(16).fill(7);
const COOKIES = { current: SECRET, others: [OTHER_SECRET] };
/** So long that there is not always room. */
const REPORT_CHANNEL = `${`${'r'.repeat(60)}.`.repeat(3)}test.`;

type Draw = (below: number) => number;

function createDraw(seed: number): Draw {
  let state = seed >>> 0 || 1;
  return (below) => {
    // xorshift32; zero is its only fixed point.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) % 0x7fffffff) % below;
  };
}

function pick<T>(draw: Draw, list: readonly T[]): T {
  return list[draw(list.length)]!;
}

type Question = { readonly name: readonly number[]; readonly type: number };

function drawQuestion(draw: Draw): Question {
  const prefix = pick(draw, [
    '',
    '',
    '',
    'a.',
    'x.y.',
    `${'l'.repeat(60)}.`,
    '_explain.',
    '_explain.',
  ]);
  const type = draw(3) > 0 ? pick(draw, [1, 28, 65, 16]) : pick(draw, Object.values(TYPES));
  return {
    name: wireName(`${prefix}${pick(draw, NAMES)}`),
    type: prefix === '_explain.' ? TYPES['TXT']! : type,
  };
}

/** Of a few questions most of the time, so that they were asked before; spelled as some resolvers do (0x20). */
function createQueries(draw: Draw): (client: Client, nowMs: number) => Uint8Array {
  const usual = Array.from({ length: USUAL }, () => drawQuestion(draw));
  return (client, nowMs) => {
    if (draw(100) === 0) usual[draw(USUAL)] = drawQuestion(draw);
    const { name, type } = draw(8) === 0 ? drawQuestion(draw) : pick(draw, usual);
    const spelled = [...name];
    if (draw(3) === 0) {
      for (const [at, octet] of name.entries()) {
        if (octet >= 0x61 && octet <= 0x7a && draw(2) === 0) spelled[at] = octet - 0x20;
      }
    }
    const records = draw(5) === 0 ? [] : [drawOpt(draw, client, nowMs)];
    const question = [...spelled, ...word(type), 0, draw(20) === 0 ? 3 : 1];
    const flags = pick(draw, [0, 0x0100, 0x0110, 0x0120, 0x0100, draw(0x10000)]);
    return buildQuery({ id: draw(0x10000), flags, question, records });
  };
}

function drawOpt(draw: Draw, client: Client, nowMs: number): number[] {
  const options: number[] = [];
  const network = pick(draw, [
    [80, 1, 2],
    [20, 1, 3],
    [10, 0, 0],
    [110, 9, draw(256)],
  ]);
  if (draw(2) === 0) options.push(...ecs(1, 24, 0, network));
  if (draw(8) === 0) options.push(...ecs(2, 48, 0, [0x20, 1, 0x0d, 0xb8, 0x20 + draw(32), 0]));
  if (draw(3) === 0) options.push(...option(10, drawCookie(draw, client, nowMs)));
  if (draw(6) === 0) options.push(...option(3, []));
  if (draw(9) === 0) options.push(...option(pick(draw, [12, 11, 65001]), [1, 2]));
  const size = pick(draw, [0, 512, 560, 700, 1232, 4096]);
  return opt(options, size, [0, draw(40) === 0 ? 1 : 0, pick(draw, [0, 0x80, 0xc0, 0x40]), 0]);
}

/** Of the client alone, or with one of the server that is good, of another secret, or nonsense. */
function drawCookie(draw: Draw, client: Client, nowMs: number): number[] {
  const cookie = new Uint8Array(24).fill(5);
  const secret = pick(draw, [SECRET, OTHER_SECRET, new Uint8Array(16)]);
  const length = client.family === 4 ? 4 : 16;
  const age = pick(draw, [0, 60, 2000, 4000]);
  const made = Math.floor(nowMs / 1000) - age;
  writeServerCookie(cookie, 8, cookie, 0, secret, client.address, length, made);
  return [...cookie.subarray(0, pick(draw, [8, 24, 24, 24, 9, 16]))];
}

function damage(draw: Draw, query: Uint8Array): Uint8Array {
  const bytes = query.slice();
  for (let edits = draw(4); edits > 0; edits -= 1) {
    const at = draw(bytes.length);
    bytes[at] = pick(draw, [0, 1, 0x3f, 0x40, 0xc0, 0xff, draw(256), bytes[at]! ^ (1 << draw(8))]);
  }
  if (draw(4) === 0) return bytes.slice(0, draw(bytes.length + 1));
  if (draw(4) === 0) return Uint8Array.from([...bytes, ...Array.from({ length: 9 }, () => 0)]);
  return bytes;
}

/** The memory of a batch: what others asked before lies about behind the query. */
const memory = new ArrayBuffer(4 * PLACE);
const bytes = new Uint8Array(memory);
const packets = packetMemory(memory);
const TO = 2 * PLACE;
let fast = 0;

/** As io/udp-batch does it. */
function answerBoth(worker: WorkerState, client: Client, query: Uint8Array, nowMs: number) {
  bytes.set(query, PLACE);
  bytes.fill(GUARD, 0, PLACE);
  bytes.fill(GUARD, TO + PLACE);
  const behind = bytes.slice(PLACE + query.length, TO);
  let length = answerFast(worker, client, packets, PLACE, query.length, nowMs, TO);
  if (length >= 0) fast += 1;
  else {
    const packet = bytes.subarray(PLACE, TO);
    length = respond(worker, client, packet, query.length, nowMs, bytes.subarray(TO, TO + PLACE));
  }
  assert.deepEqual(bytes.slice(PLACE, PLACE + query.length), query, 'the query is only read');
  assert.deepEqual(bytes.slice(PLACE + query.length, TO), behind, 'and what is behind it');
  assert.ok(
    bytes.subarray(0, PLACE).every((octet) => octet === GUARD),
    'nothing before it',
  );
  assert.ok(
    bytes.subarray(TO + PLACE).every((octet) => octet === GUARD),
    'nothing behind',
  );
  return { length, reply: length > 0 ? bytes.slice(TO, TO + length) : undefined };
}

function answerSlowly(worker: WorkerState, client: Client, query: Uint8Array, nowMs: number) {
  const reply = new Uint8Array(PLACE);
  const length = respond(worker, client, query, query.length, nowMs, reply);
  return { length, reply: length > 0 ? reply.slice(0, length) : undefined };
}

function pairOf(snapshot: Snapshot): readonly [WorkerState, WorkerState] {
  const pair = [startWorker(snapshot), startWorker(snapshot)] as const;
  for (const worker of pair) worker.cookies = COOKIES;
  pair[0].cache = createPacketCache();
  return pair;
}

function compare(
  [quick, slow]: readonly [WorkerState, WorkerState],
  client: Client,
  query: Uint8Array,
  nowMs: number,
): number {
  const got = answerBoth(quick, client, query, nowMs);
  const wanted = answerSlowly(slow, client, query, nowMs);
  assert.deepEqual(got, wanted);
  assert.deepEqual([...quick.counters], [...slow.counters], 'counters');
  return wanted.length;
}

function repeat(
  draw: Draw,
  iterations: number,
  once: (nowMs: number, round: number) => void,
): void {
  let nowMs = NOW_MS;
  for (let round = 0; round < iterations; round += 1) {
    if (draw(3) === 0) nowMs += draw(60);
    once(nowMs, round);
  }
}

function withSized(config: Config): Config {
  const zone = config.zones[ZONE]!;
  const rrsets = [...zone.rrsets, ...SIZED];
  return { ...config, zones: { ...config.zones, [ZONE]: { ...zone, rrsets } } };
}

/** Whose own records come from a primary that was not heard of for too long, and are answered nevertheless. */
function withStaleCopy(config: Config): Config {
  const written = config.zones[ZONE]!;
  const primary = { servers: [{ address: '192.0.2.1', port: 53 }], whenExpired: 'answer' } as const;
  const zone = { ...written, rrsets: [], primary };
  const { rrsets, soa } = written;
  const copy: ZoneOverlay = { zone: ZONE, soa, soaTtl: 77, rrsets, isExpired: true };
  return withOverlays({ ...config, zones: { ...config.zones, [ZONE]: zone } }, [copy]);
}

/** Whose every reply has room for the name of an agent. */
function withReports(config: Config): Config {
  const { dns } = config;
  const identity = { ...dns.identity, reportChannel: REPORT_CHANNEL };
  return { ...config, dns: { ...dns, identity } };
}

/** And with other records. */
function withLimits(config: Config): Config {
  const { dns } = config;
  const rateLimit = { ...dns.rateLimit, answersPerSecond: 4, negativesPerSecond: 3 };
  const limits = {
    ...rateLimit,
    errorsPerSecond: 20,
    responsesPerSecond: 200,
    exempt: ['127.0.0.0/8'],
  };
  const access = { allow: [], deny: ['20.1.1.7/32'] };
  const zones = Object.entries(config.zones).map(([name, zone]) => {
    const rrsets = zone.rrsets.map((each) => ({ ...each, ttl: each.ttl + 1 }));
    return [name, { ...zone, rrsets }] as const;
  });
  return {
    ...config,
    dns: { ...dns, rateLimit: limits, access },
    zones: Object.fromEntries(zones),
  };
}

test('the fast path answers and counts what respond() does, octet for octet', () => {
  const draw = createDraw(SEED);
  const queries = createQueries(draw);
  const usual = withSized(createConfig());
  const worlds = [
    usual,
    withLimits(usual),
    withStaleCopy(usual),
    withReports(usual),
    withReports(withLimits(usual)),
  ].map((config, index) => compiled(config, index + 1));
  let snapshot = worlds[0]!;
  const pair = pairOf(snapshot);
  const words = allUp(snapshot);
  fast = 0;
  repeat(draw, ITERATIONS, (nowMs, round) => {
    if (draw(300) === 0) {
      words[draw(words.length)] = pick(draw, [DOWN, 60, 60, 5]) >>> 0;
      for (const worker of pair) setHealth(worker, healthOf(words), snapshot.generation);
    }
    if (draw(700) === 0) {
      snapshot = pick(draw, worlds);
      for (const worker of pair) setSnapshot(worker, snapshot, healthOf(words));
    }
    // A worker that was told no secret yet.
    if (draw(2000) === 0) {
      const cookies = pair[0].cookies === undefined ? COOKIES : undefined;
      for (const worker of pair) worker.cookies = cookies;
    }
    const client = clientAt(pick(draw, ADDRESSES));
    client.port = draw(30) === 0 ? pick(draw, [7, 19, 53, 123]) : 40_000;
    const drawn = queries(client, nowMs);
    const query = draw(4) === 0 ? damage(draw, drawn) : drawn;
    try {
      compare(pair, client, query, nowMs);
    } catch (error) {
      const hex = Buffer.from(query).toString('hex');
      throw new Error(`FUZZ_SEED=${SEED}, round ${round}, query ${hex}`, { cause: error });
    }
  });
  assert.ok(fast > ITERATIONS / 12, `${fast} of ${ITERATIONS} were fast`);
});

test('so it does where zones are signed', () => {
  for (const denial of ['nsec', 'compact'] as const) {
    const draw = createDraw(SEED + 1);
    const queries = createQueries(draw);
    const world = signedWorld(denial);
    const { noted, signer, snapshot } = world;
    const pair = pairOf(snapshot);
    fast = 0;
    repeat(draw, SIGNED_ITERATIONS, (nowMs, round) => {
      const client = clientAt(pick(draw, ADDRESSES));
      client.port = 40_000;
      const query = queries(client, nowMs);
      try {
        // The signer is not asked at once.
        if (compare(pair, client, query, nowMs) < 0 && draw(4) === 0) {
          answerSlowly(signer, client, query, nowMs);
          for (const worker of pair) learn(worker, snapshot.generation, noted);
        }
        if (draw(2000) === 0) {
          const { signatures, prepared } = snapshot;
          for (const worker of pair) {
            addSignatures(worker, snapshot.generation, signatures, prepared[0]!);
          }
        }
      } catch (error) {
        const hex = Buffer.from(query).toString('hex');
        throw new Error(`FUZZ_SEED=${SEED}, ${denial}, round ${round}, query ${hex}`, {
          cause: error,
        });
      }
    });
    assert.ok(fast > SIGNED_ITERATIONS / 8, `${fast} of ${SIGNED_ITERATIONS} were fast`);
  }
});
