/**
 * `npm run bench -- sessions`: what shared sessions cost a Redis in memory and a request in time. The sessions get in
 * and out by the code that serves, over loopback, one Redis without persistence; beside them the same sessions in
 * strings of fixed places, which is the other way to pack them, and a key for each, which is the usual one.
 */

import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import type {
  SessionClock,
  SessionQuestion,
  SessionWire,
} from '../../src/sessions/session-directory.ts';
import { createSessionDirectory, WRITE_BATCH_MAX } from '../../src/sessions/session-directory.ts';
import {
  bucketBitsFor,
  bucketOf,
  KEY_OCTETS,
  VALUE_OCTETS,
  valueOctets,
} from '../../src/sessions/session-record.ts';
import { createSessionTable, findSession, putSession } from '../../src/sessions/session-table.ts';
import { redisOptions, targetOf } from '../../src/store/redis/options.ts';
import { linkSessionDirectory } from '../../src/store/redis/session-directory.ts';
import { closedPort } from '../closed-port.ts';
import { startRedis } from '../store/redis-server.ts';
import { createLatencies } from './latencies.ts';
import { machineFacts, versionOf } from './machine.ts';
import { createRandom } from './random.ts';
import type { Scratch } from './scratch.ts';

export const SESSIONS_SUMMARY = 'sessions shared through Redis: memory, and the time of a look-up';
export const SESSIONS_USAGE = `npm run bench -- sessions [options]

  --sessions N       sessions in Redis (10000000)
  --seconds N        length of each run of look-ups (10)
  --rates N,N,…      look-ups a second of each run (2000,20000)
`;

const TTL_SECONDS = 3600;
const LIMIT_SECONDS = 1800;
/** Batches on their way while Redis is being filled. */
const FILL_BATCHES = 8;
const TICK_MS = 1;
/** At the beginning of each run, not counted: code is being compiled, and what filling left is thrown away. */
const WARM_UP_MS = 1000;
/** A key for each session is measured on a part of them. */
const PLAIN_SHARE = 10;
const MEGABYTE = 2 ** 20;

type Row = { readonly name: string; readonly bytes: number; readonly seconds: number };

const realClock: SessionClock = {
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  afterTurn: (call) => void setImmediate(call),
};

export async function sessionsBench(words: readonly string[], scratch: Scratch): Promise<number> {
  const { rates, seconds, sessions } = readOptions(words);
  scratch.endAfter(LIMIT_SECONDS, 'bench sessions: not finished.');
  const facts = machineFacts(
    [['Redis', versionOf('redis-server', ['--version'])]],
    ['npm run bench -- sessions', ...words].join(' '),
  );
  for (const [name, value] of facts) say(`${name}: ${value}`);
  say('');
  const rows = [
    await withRedis((url) => measureHashes(url, sessions, rates, seconds)),
    await withRedis((url) => measureStrings(url, sessions)),
    await withRedis((url) => measureKeys(url, Math.ceil(sessions / PLAIN_SHARE))),
  ];
  say('');
  for (const { name, bytes, seconds: took } of rows) {
    const total = ((bytes * sessions) / MEGABYTE).toFixed(0);
    say(`${name}: ${bytes.toFixed(1)} octets a session, ${total} MiB for ${sessions}; ${took} s`);
  }
  measureTable(Math.min(sessions, 1_000_000));
  return 0;
}

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      sessions: { type: 'string', default: '10000000' },
      seconds: { type: 'string', default: '10' },
      rates: { type: 'string', default: '2000,20000' },
    },
  });
  const rates = values.rates.split(',').map(Number);
  const [sessions, seconds] = [Number(values.sessions), Number(values.seconds)];
  for (const number of [sessions, seconds, ...rates]) {
    if (!Number.isInteger(number) || number < 1) throw new Error('options are whole numbers');
  }
  return { rates, seconds, sessions };
}

/** A Redis of its own for each layout: what one left behind would count for the next. */
async function withRedis(measure: (url: string) => Promise<Row>): Promise<Row> {
  const ends: (() => unknown)[] = [];
  const port = await closedPort();
  const { url } = await startRedis(
    { after: (end: unknown) => ends.push(end as () => unknown) },
    { port },
  );
  try {
    return await measure(url);
  } finally {
    for (const end of ends) await end();
  }
}

/** Session `index` of a made-up population: any 64 bits will do, the same in every run. */
function keyOf(index: number): SessionQuestion {
  return { high: mixed(index, 0x9e3779b1), low: mixed(index, 0x85ebca77) };
}

/** One to one on 32 bits for each factor, so that no two sessions are one. */
function mixed(index: number, factor: number): number {
  let hash = Math.imul(index ^ (index >>> 15), factor);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const serverOf = (index: number): number => 1 + (index % 500) * 8_000_009;
const endOf = (): number => Math.floor(Date.now() / 1000) + TTL_SECONDS;

/** As it is served: buckets of hashes, written by script. */
async function measureHashes(
  url: string,
  sessions: number,
  rates: readonly number[],
  seconds: number,
): Promise<Row> {
  const redis = new Redis(url);
  const before = await usedBytes(redis);
  const directory = createSessionDirectory(realClock, () => {});
  let onWire: (wire: SessionWire) => void = () => {};
  const connected = new Promise<SessionWire>((resolve) => {
    onWire = resolve;
  });
  const link = linkSessionDirectory({
    directory: {
      connect(wire) {
        directory.connect(wire);
        onWire(wire);
      },
      disconnect: directory.disconnect,
    },
    target: targetOf(redisOptions.parse({ url })),
    bucketBits: bucketBitsFor(sessions),
    clock: realClock,
    draw: Math.random,
    onMove() {},
    onGap() {},
  });
  const wire = await connected;
  const startedMs = performance.now();
  await inParallel(sessions, WRITE_BATCH_MAX, (from, to) => {
    const expiresSeconds = endOf();
    const writes = Array.from({ length: to - from }, (_, place) => ({
      ...keyOf(from + place),
      server: serverOf(from + place),
      expiresSeconds,
      from: undefined,
    }));
    return wire.write(writes);
  });
  const took = Math.round((performance.now() - startedMs) / 1000);
  const bytes = ((await usedBytes(redis)) - before) / sessions;
  say(`hashes: ${await memoryWords(redis)}`);
  for (const rate of rates) say(await measureLookups(directory, redis, sessions, rate, seconds));
  await link.close();
  redis.disconnect();
  return { name: 'hashes', bytes, seconds: took };
}

/** Look-ups at a fixed rate, and a tenth as many new sessions beside them. */
async function measureLookups(
  directory: ReturnType<typeof createSessionDirectory>,
  redis: Redis,
  sessions: number,
  rate: number,
  seconds: number,
): Promise<string> {
  const latencies = createLatencies();
  const pings = createLatencies();
  const random = createRandom(rate);
  let before = { ...directory.counters };
  let sent = 0;
  let sentBefore = 0;
  let cpuBefore = Promise.resolve(0);
  let wrong = 0;
  let highestUs = 0;
  const startedMs = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startedMs;
      if (sentBefore === 0 && elapsedMs >= WARM_UP_MS) {
        before = { ...directory.counters };
        sentBefore = sent;
        cpuBefore = cpuOf(redis);
      }
      if (elapsedMs >= WARM_UP_MS + 1000 * seconds) {
        clearInterval(timer);
        resolve();
        return;
      }
      // What a question costs that Redis need not think about: the machine's share in the rest.
      const pingedMs = performance.now();
      const isCounted = sentBefore > 0;
      void redis.ping().then(() => {
        if (isCounted) pings.add(1000 * (performance.now() - pingedMs));
      });
      for (const due = (elapsedMs * rate) / 1000; sent < due; sent++) {
        const index = random() % sessions;
        const askedMs = performance.now();
        directory.find(keyOf(index), (found) => {
          const us = 1000 * (performance.now() - askedMs);
          if (isCounted) latencies.add(us);
          if (isCounted) highestUs = Math.max(highestUs, us);
          if (found !== undefined && found.server !== serverOf(index)) wrong++;
        });
        if (sent % 10 === 0) {
          const fresh = keyOf(sessions + (random() >>> 8));
          directory.write({ ...fresh, server: 1, expiresSeconds: endOf(), from: undefined });
        }
      }
    }, TICK_MS);
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  if (wrong > 0) throw new Error(`${wrong} look-ups found another session`);
  const { asked, found, late, skipped } = directory.counters;
  const usEach = ((await cpuOf(redis)) - (await cpuBefore)) / (sent - sentBefore);
  return [
    `look-ups, ${rate}/s: p50 ${inMs(latencies.p50())}, p99 ${inMs(latencies.p99())}`,
    `p99.9 ${inMs(latencies.p999())}, longest ${inMs(highestUs)}`,
    `a PING beside them p50 ${inMs(pings.p50())}, p99 ${inMs(pings.p99())}`,
    `${found - before.found} of ${asked - before.asked} found, ${late - before.late} late, ${skipped - before.skipped} not asked`,
    `${usEach.toFixed(1)} µs of Redis each, with the writes`,
  ].join('; ');
}

/** What Redis has used of its processor, in microseconds: reading from sockets and writing to them, too. */
async function cpuOf(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = (name: string): number =>
    Number(new RegExp(`used_cpu_${name}:([0-9.]+)`).exec(info)?.[1]);
  return 1e6 * (seconds('user') + seconds('sys'));
}

/** Strings of fixed places, 6 octets of the key and the value in each, written at the next free place. */
async function measureStrings(url: string, sessions: number): Promise<Row> {
  const redis = new Redis(url);
  const before = await usedBytes(redis);
  const bits = bucketBitsFor(sessions);
  const counts = new Uint16Array(2 ** bits);
  const expiresSeconds = endOf();
  const startedMs = performance.now();
  await inParallel(sessions, WRITE_BATCH_MAX, async (from, to) => {
    const pipeline = redis.pipeline();
    for (let index = from; index < to; index++) {
      const { high, low } = keyOf(index);
      const bucket = bucketOf(high, bits);
      const place = Buffer.alloc(KEY_OCTETS - 2 + VALUE_OCTETS);
      place.writeUInt16BE(high & 0xffff, 0);
      place.writeUInt32BE(low, 2);
      valueOctets(serverOf(index), expiresSeconds).copy(place, 6);
      pipeline.setrange(`{meridian}:s${bits}:${bucket}`, counts[bucket]! * place.length, place);
      counts[bucket]!++;
    }
    await pipeline.exec();
  });
  const took = Math.round((performance.now() - startedMs) / 1000);
  const bytes = ((await usedBytes(redis)) - before) / sessions;
  say(`strings: ${await memoryWords(redis)}`);
  redis.disconnect();
  return { name: 'strings', bytes, seconds: took };
}

async function measureKeys(url: string, sessions: number): Promise<Row> {
  const redis = new Redis(url);
  const before = await usedBytes(redis);
  const startedMs = performance.now();
  await inParallel(sessions, WRITE_BATCH_MAX, async (from, to) => {
    const pipeline = redis.pipeline();
    for (let index = from; index < to; index++) {
      const { high, low } = keyOf(index);
      const key = `meridian:session:${high.toString(16)}${low.toString(16)}`;
      pipeline.set(key, `web${index % 500}`, 'EX', TTL_SECONDS);
    }
    await pipeline.exec();
  });
  const took = Math.round((performance.now() - startedMs) / 1000);
  const bytes = ((await usedBytes(redis)) - before) / sessions;
  redis.disconnect();
  return { name: `a key each (measured with ${sessions})`, bytes, seconds: took };
}

function measureTable(sessions: number): void {
  const table = createSessionTable(sessions);
  const now = Math.floor(Date.now() / 1000);
  for (let index = 0; index < sessions; index++) {
    const { high, low } = keyOf(index);
    putSession(table, high, low, serverOf(index), now + TTL_SECONDS, now);
  }
  const keys = Array.from({ length: 2 ** 16 }, (_, place) => keyOf((place * 7919) % sessions));
  const rounds = 50;
  const startedMs = performance.now();
  let found = 0;
  for (let round = 0; round < rounds; round++) {
    for (const { high, low } of keys) if (findSession(table, high, low, now) >= 0) found++;
  }
  const ns = ((performance.now() - startedMs) * 1e6) / (rounds * keys.length);
  const bytes = (table.servers.length * 17) / sessions;
  say(
    `local table of ${sessions}: ${bytes.toFixed(1)} octets a session, ${ns.toFixed(0)} ns a look-up, ${table.counters.evicted} had to leave, ${found} found`,
  );
}

/** Calls for each range of at most `size`, several at a time. */
async function inParallel(
  count: number,
  size: number,
  call: (from: number, to: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const from = next;
      next = Math.min(count, from + size);
      await call(from, next);
    }
  };
  await Promise.all(Array.from({ length: FILL_BATCHES }, work));
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

/** All that Redis holds, and what the operating system gave it for that. */
async function memoryWords(redis: Redis): Promise<string> {
  const memory = await redis.info('memory');
  const value = (name: string): string =>
    (Number(new RegExp(`${name}:(\\d+)`).exec(memory)?.[1]) / MEGABYTE).toFixed(0);
  return `${value('used_memory')} MiB used, ${value('used_memory_rss')} MiB resident`;
}

const inMs = (microseconds: number): string => `${(microseconds / 1000).toFixed(2)} ms`;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
