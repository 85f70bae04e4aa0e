import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type {
  SessionAnswer,
  SessionClock,
  SessionWire,
  SessionWrite,
} from '../../src/sessions/session-directory.ts';
import type { SessionRecord } from '../../src/sessions/session-record.ts';
import { bucketOf, keyOctets } from '../../src/sessions/session-record.ts';
import { redisOptions, targetOf } from '../../src/store/redis/options.ts';
import { linkSessionDirectory } from '../../src/store/redis/session-directory.ts';
import { BUCKET_SESSIONS_MAX } from '../../src/store/redis/session-scripts.ts';
import { type RedisServer, startRedis } from './redis-server.ts';

/** The directory's wire against a real server: what the scripts do, and what happens when it goes away. */
const BITS = 16;
const realClock: SessionClock = {
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
  afterTurn: (call) => void setImmediate(call),
};
const soon = (): number => Math.floor(Date.now() / 1000) + 600;

type Node = {
  readonly wire: () => Promise<SessionWire>;
  readonly lost: () => Promise<void>;
  /** The next attempt that comes to nothing has said why. */
  readonly failed: () => Promise<void>;
  readonly moves: SessionRecord[];
  readonly move: () => Promise<SessionRecord>;
  readonly gaps: () => number;
  readonly problem: () => string | undefined;
};

/** One node's link; `wire` waits for the next connection, `lost` for its end. */
function startNode(t: TestContext, url: string): Node {
  const events = new EventTarget();
  const say = (name: string): void => void events.dispatchEvent(new Event(name));
  const moves: SessionRecord[] = [];
  let wire: SessionWire | undefined;
  let gaps = 0;
  const link = linkSessionDirectory({
    directory: {
      connect(connected) {
        wire = connected;
        say('wire');
      },
      disconnect() {
        wire = undefined;
        say('lost');
      },
    },
    target: targetOf(redisOptions.parse({ url, prefix: 'test' })),
    bucketBits: BITS,
    clock: realClock,
    draw: () => 0,
    onMove(record) {
      moves.push(record);
      say('move');
    },
    onGap: () => {
      gaps++;
    },
  });
  t.after(() => link.close());
  return {
    wire: async () => {
      while (wire === undefined) await once(events, 'wire');
      return wire;
    },
    lost: async () => {
      while (wire !== undefined) await once(events, 'lost');
    },
    failed: async () => {
      await once(events, 'lost');
      await new Promise((resolve) => setImmediate(resolve));
    },
    moves,
    move: async () => {
      while (moves.length === 0) await once(events, 'move');
      return moves.at(-1)!;
    },
    gaps: () => gaps,
    problem: link.problem,
  };
}

const claim = (high: number, low: number, server: number, at = soon()): SessionWrite => ({
  high,
  low,
  server,
  expiresSeconds: at,
  from: undefined,
});

async function readOne(
  wire: SessionWire,
  high: number,
  low: number,
): Promise<SessionAnswer | undefined> {
  return (await wire.read([{ high, low }]))[0];
}

const keyOf = (high: number): string => `{test}:s${BITS}:${bucketOf(high, BITS)}`;

async function fieldCount(redis: RedisServer, high: number): Promise<number> {
  return Number(await redis.cli('hlen', keyOf(high)));
}

test('sessions are written and read, in order, with gaps', async (t) => {
  const redis = await startRedis(t);
  const wire = await startNode(t, redis.url).wire();
  const at = soon();
  const writes = [claim(0, 0, 1, at), claim(0xffff_ffff, 0xffff_ffff, 0xffff_ffff, at)];
  assert.deepEqual(await wire.write(writes), []);
  const found = await wire.read([
    { high: 0xffff_ffff, low: 0xffff_ffff },
    { high: 5, low: 5 },
    { high: 0, low: 0 },
  ]);
  assert.deepEqual(found, [
    { server: 0xffff_ffff, expiresSeconds: at },
    undefined,
    { server: 1, expiresSeconds: at },
  ]);
  assert.equal(await redis.cli('object', 'encoding', keyOf(0)), 'listpack');
});

test('the first claim wins, the second hears of it; who knows the server moves the session', async (t) => {
  const redis = await startRedis(t);
  const [one, two] = [startNode(t, redis.url), startNode(t, redis.url)];
  const [wire, other] = [await one.wire(), await two.wire()];
  const at = soon();
  await wire.write([claim(1, 2, 7, at)]);
  assert.deepEqual(await other.write([claim(1, 2, 8, at + 9)]), [
    { high: 1, low: 2, server: 7, expiresSeconds: at },
  ]);
  const wrong: SessionWrite = { ...claim(1, 2, 9, at), from: 6 };
  assert.equal((await other.write([wrong])).length, 1);
  assert.equal(one.moves.length, 0);
  assert.deepEqual(await other.write([{ ...claim(1, 2, 9, at + 9), from: 7 }]), []);
  assert.deepEqual(await one.move(), { high: 1, low: 2, server: 9, expiresSeconds: at + 9 });
  assert.deepEqual(await readOne(wire, 1, 2), { server: 9, expiresSeconds: at + 9 });
});

test('each session has its own end, and the bucket that of the last one', async (t) => {
  const redis = await startRedis(t);
  const wire = await startNode(t, redis.url).wire();
  const past = Math.floor(Date.now() / 1000) - 1;
  await wire.write([claim(1, 2, 7, past), claim(1, 3, 7, soon())]);
  assert.equal((await readOne(wire, 1, 2))?.expiresSeconds, past);
  // One that is over is no obstacle, whatever server it was on.
  assert.deepEqual(await wire.write([claim(1, 2, 8, soon())]), []);
  assert.equal((await readOne(wire, 1, 2))?.server, 8);
  const ttl = Number(await redis.cli('ttl', keyOf(1)));
  assert.ok(ttl > 590 && ttl <= 600, `${ttl}`);
});

test('sessions that are over are taken out while others come in', async (t) => {
  const redis = await startRedis(t);
  const wire = await startNode(t, redis.url).wire();
  const past = Math.floor(Date.now() / 1000) - 1;
  const old = Array.from({ length: 14 }, (_, low) => claim(1, low, 7, past));
  await wire.write([claim(1, 1000, 7), ...old]);
  assert.equal(await fieldCount(redis, 1), 15);
  await wire.write([claim(1, 2000, 7)]);
  assert.equal(await fieldCount(redis, 1), 2);
});

test('a full bucket stays one piece of memory: the session nearest its end leaves', async (t) => {
  const redis = await startRedis(t);
  const wire = await startNode(t, redis.url).wire();
  const at = soon();
  for (let low = 0; low < BUCKET_SESSIONS_MAX; low++) {
    await wire.write([claim(1, low, 7, low === 300 ? at - 1 : at)]);
  }
  await wire.write([claim(1, 9999, 7, at)]);
  assert.equal(await fieldCount(redis, 1), BUCKET_SESSIONS_MAX);
  assert.equal(await readOne(wire, 1, 300), undefined);
  assert.equal((await readOne(wire, 1, 9999))?.server, 7);
  assert.equal(await redis.cli('object', 'encoding', keyOf(1)), 'listpack');
});

test('what others wrote into a bucket is no session and no obstacle', async (t) => {
  const redis = await startRedis(t);
  const wire = await startNode(t, redis.url).wire();
  await wire.write([claim(1, 1, 7)]);
  await redis.cli('hset', keyOf(1), 'x', 'y');
  const field = keyOctets(1, 2).subarray(2);
  // redis-cli cannot send a zero octet in a word; a script can.
  const digits = [...field].map((octet) => `\\${octet}`).join('');
  await redis.cli('eval', `return redis.call('HSET', KEYS[1], '${digits}', 'z')`, '1', keyOf(1));
  assert.equal(await readOne(wire, 1, 2), undefined);
  assert.deepEqual(await wire.write([claim(1, 2, 8)]), []);
  assert.equal((await readOne(wire, 1, 2))?.server, 8);
});

test('a server that goes away is noticed, and found again, with a gap in the news', async (t) => {
  const redis = await startRedis(t);
  const node = startNode(t, redis.url);
  await node.wire();
  assert.equal(node.problem(), undefined);
  assert.equal(node.gaps(), 1);
  await redis.kill();
  await node.lost();
  await redis.restart();
  const wire = await node.wire();
  assert.equal(node.gaps(), 2);
  assert.deepEqual(await wire.write([claim(1, 2, 7)]), []);
});

test('the rights that the manuals name are enough, and none of them is too many', async (t) => {
  const redis = await startRedis(t);
  const manual = (name: string): string =>
    readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
  const line = /^ACL SETUSER meridian on >PASSWORD (.*)$/m.exec(manual('STORE.md'))?.[1] ?? '';
  const more = /needs `([^`]*)` besides what \[STORE\.md\]/.exec(manual('SESSIONS.md'))?.[1] ?? '';
  const rights = [...line.replaceAll('{meridian}', '{test}').split(' '), ...more.split(' ')];
  await redis.cli('ACL', 'SETUSER', 'meridian', 'on', '>word', ...rights);
  const url = redis.url.replace('//', '//meridian:word@');
  const node = startNode(t, url);
  const wire = await node.wire();
  // A bucket that is swept, and a session that moves.
  const many = Array.from({ length: 20 }, (_, low) => claim(7, low, 5, soon()));
  assert.deepEqual(await wire.write(many), []);
  const moved = { ...claim(7, 3, 6), from: 5 };
  assert.deepEqual(await wire.write([moved]), []);
  assert.equal((await node.move()).server, 6);
  assert.equal((await readOne(wire, 7, 3))?.server, 6);
  assert.equal((await wire.read([moved, many[1]!])).length, 2);
  for (const right of more.split(' ')) {
    await redis.cli(
      'ACL',
      'SETUSER',
      'meridian',
      'reset',
      'on',
      '>word',
      ...rights,
      `-${right.slice(1)}`,
    );
    const other = startNode(t, url);
    const isRefused = async (): Promise<boolean> => {
      const wireOfOther = await Promise.race([other.wire(), other.failed().then(() => undefined)]);
      if (wireOfOther === undefined) return true;
      const fresh = Array.from({ length: 20 }, (_, low) => claim(9, low, 5, soon()));
      return wireOfOther.write(fresh).then(
        () => false,
        () => true,
      );
    };
    assert.ok(await isRefused(), right);
    await redis.cli('FLUSHALL');
  }
});

test('a server that forgot the scripts, or takes no writes, is left and tried again', async (t) => {
  const redis = await startRedis(t);
  const node = startNode(t, redis.url);
  const wire = await node.wire();
  await redis.cli('script', 'flush');
  assert.deepEqual(await wire.read([{ high: 1, low: 2 }]), [undefined], 'one needs none');
  const two = [1, 3].map((high) => ({ high, low: 2 }));
  await assert.rejects(wire.read(two), /NOSCRIPT/);
  await node.lost();
  assert.match(node.problem() ?? '', /NOSCRIPT/);
  assert.equal(await readOne(await node.wire(), 1, 2), undefined);
});

test('without a server it says why, and finds it when it comes', async (t) => {
  const redis = await startRedis(t, { isRunning: false });
  const node = startNode(t, redis.url);
  await node.failed();
  assert.match(node.problem() ?? '', /ECONNREFUSED/);
  await redis.restart();
  await node.wire();
  assert.equal(node.problem(), undefined);
});
