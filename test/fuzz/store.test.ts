import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { createWatchBook } from '../../src/store/contract/watch-book.ts';
import { memory } from '../../src/store/memory.ts';
import { parseSentinelReply, redirection } from '../../src/store/redis/locate.ts';
import { parseNotice, parseRaw } from '../../src/store/redis/notice.ts';
import { parseRedisUrl, parseServer } from '../../src/store/redis/options.ts';
import {
  parseDeletions,
  parseEntry,
  parseLog,
  parsePage,
  parseTick,
  parseWritten,
} from '../../src/store/redis/replies.ts';
import { createRemoteClock } from '../../src/store/remote-clock.ts';
import { sqlite } from '../../src/store/sqlite.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { createMovedClock, type MovedClock, settle } from '../monitoring/moved-clock.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/** Whatever a server, or somebody in its place, says; and random work on two stores that must agree. */
const parameters = (runs: number) => ({ seed: fuzzSeed(20_261_103), numRuns: fuzzRuns(runs) });

const nearNotice = fc
  .tuple(
    fc.constantFrom('+', '-', '.', '*', ''),
    fc.bigInt({ min: -1n, max: 10n ** 18n }),
    fc.bigInt({ min: -1n, max: 10n ** 18n }),
    fc.oneof(fc.constant('-'), fc.bigInt({ min: -1n, max: 10n ** 18n }).map(String)),
    fc.string(),
    fc.string(),
  )
  .map(
    ([sign, before, version, due, key, value]) =>
      `${sign} ${before} ${version} ${due}\n${key}\n${value}`,
  );

test('parseNotice() makes sense of any text or of none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearNotice), (message) => {
      const notice = parseNotice(message);
      if (notice === undefined) return;
      for (const number of [notice.before, notice.version, notice.dueMs ?? 0]) {
        assert.ok(Number.isSafeInteger(number) && number >= 0);
      }
      if (notice.change) {
        assert.notEqual(notice.change.key, '');
        assert.equal(notice.change.version, notice.version);
      }
    }),
    parameters(3000),
  );
});

test('parseNotice() reads back what the scripts write', () => {
  const key = fc.string({ minLength: 1 }).filter((text) => !text.includes('\n'));
  const number = fc.nat(2 ** 31 - 1);
  fc.assert(
    fc.property(
      key,
      fc.string({ unit: 'grapheme' }),
      number,
      number,
      (name, value, before, version) => {
        const notice = parseNotice(`+ ${before} ${version} 7\n${name}\n${value}`);
        assert.deepEqual(notice, {
          change: { key: name, value, version },
          before,
          version,
          dueMs: 7,
        });
      },
    ),
    parameters(500),
  );
});

test('replies that are not of our scripts are errors or nothing, never a surprise', () => {
  const word = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constant(null),
    fc.constant('0'),
    fc.constant('1'),
  );
  const reply = fc.oneof(word, fc.array(word), fc.array(fc.array(fc.oneof(word, fc.array(word)))));
  const expected = (run: () => unknown): void => {
    try {
      run();
    } catch (error) {
      assert.equal((error as Error).message, 'the store answered nonsense');
    }
  };
  fc.assert(
    fc.property(reply, (said) => {
      expected(() => parsePage(said));
      expected(() => parseWritten(said));
      expected(() => parseDeletions(['a', 'b'], said));
      expected(() => parseLog(said));
      expected(() => parseTick(said));
      parseEntry('a', said);
      parseSentinelReply(said);
      redirection(String(said), { host: 'h', port: 1 });
      parseRaw(String(said));
      parseServer(String(said), 1);
      parseRedisUrl(`redis://${String(said)}`);
    }),
    parameters(2000),
  );
});

test('createRemoteClock() stays within the errors of what it was told', () => {
  const observation = fc.record({
    gapMs: fc.nat(5000),
    tripMs: fc.nat(900),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(
      fc.array(observation, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: -1e9, max: 1e9 }),
      (list, offsetMs) => {
        const clock = createRemoteClock();
        let nowMs = 1_700_000_000_000;
        let bestMs = Infinity;
        for (const { gapMs, tripMs, share } of list) {
          nowMs += gapMs;
          clock.observe(nowMs, nowMs + tripMs, Math.floor(nowMs + tripMs * share + offsetMs));
          nowMs += tripMs;
          bestMs = Math.min(bestMs, tripMs);
          assert.ok(Math.abs(clock.nowMs(nowMs)! - offsetMs - nowMs) <= tripMs / 2 + 3);
        }
      },
    ),
    parameters(300),
  );
});

const KEYS = ['a', 'a/b', 'a/c', 'b', 'é'];
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key: fc.constantFrom(...KEYS), value: fc.string() }),
  fc.record({ do: fc.constant('delete' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ do: fc.constant('conflict' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({
    do: fc.constant('lease' as const),
    key: fc.constantFrom(...KEYS),
    ttlMs: fc.integer({ min: 1, max: 400 }),
  }),
  fc.record({ do: fc.constant('append' as const), limit: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 300 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

test('memory and sqlite do the same, step by step, also seen from another process', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-sqlite-'));
  let files = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        files += 1;
        const file = join(directory, `${files}.db`);
        const clock = createMovedClock();
        const stores = [
          await memory.open({}, clock),
          await sqlite.open({ file }, clock),
          await sqlite.open({ file }, clock),
        ] as const;
        const traces: string[][] = stores.map(() => []);
        stores.forEach((store, at) => {
          store.watch('a', ({ key, value }) => traces[at]!.push(JSON.stringify([key, value])));
        });
        for (const one of steps) {
          const results = [await perform(stores[0], one), await perform(stores[1], one)];
          assert.equal(results[1], results[0]);
          await pass(clock, one);
        }
        // All leases have run out and everybody has looked.
        await clock.advance(600);
        const states = await Promise.all(stores.map(stateOf));
        assert.equal(states[1], states[0]);
        assert.equal(states[2], states[0]);
        for (const key of KEYS) {
          const of = (trace: readonly string[]) =>
            trace.filter((line) => line.startsWith(`["${key}",`));
          assert.deepEqual(of(traces[1]!), of(traces[0]!));
          assert.deepEqual(of(traces[2]!), of(traces[0]!));
        }
        await Promise.all(stores.map((store) => store.close()));
      }),
      parameters(40),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

async function perform(store: Store, one: Step): Promise<string> {
  switch (one.do) {
    case 'set':
    case 'delete': {
      const { version = 0 } = (await store.get(one.key)) ?? {};
      const value = one.do === 'set' ? one.value : undefined;
      return `${(await store.compareAndSet(one.key, version, value)).ok}`;
    }
    case 'conflict':
      return `${(await store.compareAndSet(one.key, -1, 'x')).ok}`;
    case 'lease':
      await store.lease(one.key, 'leased', one.ttlMs);
      return 'leased';
    case 'append':
      await store.append('log', 'x', one.limit);
      return `${(await store.read('log', '', 10)).length}`;
    case 'pass':
      return 'passed';
  }
}

/** Every process looks before the next step, so that each sees leases begin at the same time. */
async function pass(clock: MovedClock, one: Step): Promise<void> {
  await clock.advance(one.do === 'pass' ? one.ms : 0);
}

async function stateOf(store: Store): Promise<string> {
  return JSON.stringify((await store.list('')).map(({ key, value }) => [key, value]));
}

test('createWatchBook() ends with what is true, however notices and lists mix', async () => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constant('write' as const),
      key: fc.constantFrom(...KEYS),
      isDeletion: fc.boolean(),
    }),
    fc.constant({ kind: 'list' as const }),
    fc.constant({ kind: 'listed' as const }),
    fc.record({ kind: fc.constant('deliver' as const), isLost: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60 }), async (events) => {
      const world = createWorld();
      for (const one of events) {
        if (one.kind === 'write') world.write(one.key, one.isDeletion);
        else if (one.kind === 'list') world.list();
        else if (one.kind === 'listed') world.listed();
        else world.deliver(one.isLost);
      }
      world.settle();
      await settle();
      assert.deepEqual(world.told(), world.truth());
    }),
    parameters(1500),
  );
});

/** A server, a list on its way, notices in their order of which some get lost, and one watcher. */
function createWorld() {
  const truth = new Map<string, number>();
  const deletions = new Map<string, number>();
  const told = new Map<string, number>();
  const book = createWatchBook();
  const heard: Change[] = [];
  const watcher = book.add('', (change) => heard.push(change), undefined, 0);
  let last = 0;
  let notices: Change[] = [];
  let listing: Parameters<typeof watcher.finish> | undefined;
  const listed = (): void => {
    if (listing) watcher.finish(...listing);
    listing = undefined;
  };
  const deliver = (isLost: boolean): void => {
    const [notice] = notices.splice(0, 1);
    if (notice && !isLost) book.hear(notice);
  };
  const list = (): void => {
    if (listing) return;
    watcher.begin();
    const entries = [...truth].map(([key, version]) => ({ key, value: 'x', version }));
    listing = [{ entries, last }, new Map(deletions)];
  };
  return {
    write(key: string, isDeletion: boolean): void {
      if (isDeletion && !truth.has(key)) return;
      last += 1;
      if (isDeletion) {
        truth.delete(key);
        deletions.set(key, last);
      } else truth.set(key, last);
      notices.push({ key, value: isDeletion ? undefined : 'x', version: last });
    },
    list,
    listed,
    deliver,
    /** What a gap leads to: whatever is on its way arrives, then all is listed. */
    settle(): void {
      while (notices.length > 0) deliver(false);
      listed();
      list();
      listed();
      notices = [];
    },
    truth: () => new Map([...truth].toSorted()),
    told(): Map<string, number> {
      // Replaying what was told is what a caller does.
      for (const { key, value, version } of heard) {
        if (value === undefined) told.delete(key);
        else told.set(key, version);
      }
      return new Map([...told].toSorted());
    },
  };
}
