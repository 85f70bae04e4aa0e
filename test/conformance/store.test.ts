import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { systemClock } from '../../src/control/clock.ts';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../src/store/contract/limits.ts';
import { storeKinds } from '../../src/store/registry.ts';
import type { Store, StoreClock } from '../../src/store/store.ts';
import { createMovedClock } from '../monitoring/moved-clock.ts';
import { type RedisServer, startRedis } from '../store/redis-server.ts';
import { until, watching } from '../store/watching.ts';

/**
 * What every store promises. A kind needs a setting that opens an empty store, and a way to let time
 * pass: a store that lives by its own clock (a server) says how.
 */
type Subject = {
  readonly options: unknown;
  readonly clock: StoreClock;
  pass(ms: number): Promise<void>;
};
const SUBJECTS: Readonly<Record<string, (t: TestContext) => Subject>> = {
  memory: () => ({ options: {}, ...movedTime() }),
  sqlite: (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'meridian-sqlite-'));
    t.after(() => rmSync(directory, { recursive: true }));
    return { options: { file: join(directory, 'store.db') }, ...movedTime() };
  },
  redis: () => {
    prefixes += 1;
    const prefix = `test${prefixes}`;
    const pass = async (ms: number): Promise<void> => {
      // Nobody moves a server's clock: deadlines come nearer instead.
      await server.cli('eval', EARLIER, '1', `{${prefix}}:leases`, `${ms}`);
    };
    return { options: { url: server.url, prefix }, clock: systemClock, pass };
  },
};

const EARLIER = `
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  redis.call('ZINCRBY', KEYS[1], -tonumber(ARGV[1]), key)
end`;

let prefixes = 0;
let server: RedisServer;
const closing: (() => unknown)[] = [];
before(async () => {
  server = await startRedis({ after: (close) => closing.push(close as () => unknown) });
});
after(async () => {
  for (const close of closing) await close();
});

function movedTime(): Pick<Subject, 'clock' | 'pass'> {
  const clock = createMovedClock();
  return { clock, pass: clock.advance };
}

type Opened = { readonly store: Store; pass(ms: number): Promise<void> };

for (const kind of storeKinds) {
  const open = async (t: TestContext): Promise<Opened> => {
    const subject = SUBJECTS[kind.kind]!(t);
    const store = await kind.open(kind.options.parse(subject.options), subject.clock);
    t.after(() => store.close());
    return { store, pass: subject.pass };
  };

  test(`${kind.kind}: has a subject here, a summary and options`, () => {
    assert.ok(SUBJECTS[kind.kind], 'add the kind to SUBJECTS');
    assert.notEqual(kind.summary, '');
    assert.equal(
      kind.options.safeParse({ nosuchoption: 1 }).success,
      false,
      'unknown keys are errors',
    );
  });

  test(`${kind.kind}: get() gives what was set, and undefined for what is not there`, async (t) => {
    const { store } = await open(t);
    assert.equal(await store.get('a'), undefined);
    const { ok, version } = await store.compareAndSet('a', 0, '{"x":"ü"}');
    assert.equal(ok, true);
    assert.deepEqual(await store.get('a'), { key: 'a', value: '{"x":"ü"}', version });
  });

  test(`${kind.kind}: compareAndSet() writes only over the version that was read`, async (t) => {
    const { store } = await open(t);
    const first = await store.compareAndSet('a', 0, '1');
    assert.deepEqual(await store.compareAndSet('a', 0, 'x'), { ok: false, version: first.version });
    const second = await store.compareAndSet('a', first.version, '2');
    assert.ok(second.ok && second.version > first.version, 'versions grow');
    assert.equal((await store.compareAndSet('a', first.version, 'x')).ok, false);
    assert.equal((await store.get('a'))?.value, '2');
    assert.deepEqual(await store.compareAndSet('b', 7, 'x'), { ok: false, version: 0 });
    assert.equal(await store.get('b'), undefined);
  });

  test(`${kind.kind}: compareAndSet() lets one of many racers win`, async (t) => {
    const { store } = await open(t);
    let version = 0;
    for (let round = 0; round < 5; round += 1) {
      const expected = version;
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, racer) => store.compareAndSet('a', expected, `${racer}`)),
      );
      const winners = [...results.entries()].filter(([, result]) => result.ok);
      assert.equal(winners.length, 1);
      const entry = await store.get('a');
      assert.equal(entry?.value, `${winners[0]?.[0]}`);
      assert.ok(results.every((result) => result.version === entry?.version));
      version = entry?.version ?? 0;
    }
  });

  test(`${kind.kind}: compareAndSet() deletes, and no version comes back`, async (t) => {
    const { store } = await open(t);
    const { version } = await store.compareAndSet('a', 0, '1');
    assert.equal((await store.compareAndSet('a', version + 1, undefined)).ok, false);
    assert.deepEqual(await store.compareAndSet('a', version, undefined), { ok: true, version: 0 });
    assert.equal(await store.get('a'), undefined);
    const again = await store.compareAndSet('a', 0, '2');
    assert.ok(again.ok && again.version > version, 'a version is never reused for a key');
  });

  test(`${kind.kind}: list() gives the keys under a prefix, in order`, async (t) => {
    const { store } = await open(t);
    for (const key of ['n/b', 'n/a', 'm/a', 'n', 'n*x', 'nn/a']) {
      await store.compareAndSet(key, 0, key);
    }
    const keys = async (prefix: string) => (await store.list(prefix)).map(({ key }) => key);
    assert.deepEqual(await keys('n/'), ['n/a', 'n/b']);
    assert.deepEqual(await keys('n*'), ['n*x'], 'a prefix is not a pattern');
    assert.deepEqual(await keys('z'), []);
    assert.equal((await keys('')).length, 6);
    assert.deepEqual((await store.list('m/'))[0], await store.get('m/a'));
  });

  test(`${kind.kind}: watch() tells every change under the prefix, in order`, async (t) => {
    const { store } = await open(t);
    await store.compareAndSet('n/old', 0, 'before');
    const seen = watching(store, 'n/');
    const first = await store.compareAndSet('n/a', 0, '1');
    await store.compareAndSet('m/a', 0, 'elsewhere');
    const second = await store.compareAndSet('n/a', first.version, '2');
    await store.compareAndSet('n/a', first.version, 'lost');
    await store.compareAndSet('n/b', 0, '3');
    await store.compareAndSet('n/a', second.version, undefined);
    const changes = await seen.count(4);
    assert.deepEqual(
      changes.map(({ key, value }) => [key, value]),
      [
        ['n/a', '1'],
        ['n/a', '2'],
        ['n/b', '3'],
        ['n/a', undefined],
      ],
    );
    assert.equal(changes[0]?.version, first.version);
    assert.ok(changes[3]!.version > second.version, 'a deletion is newer than what it deletes');
  });

  test(`${kind.kind}: watch() is silent after it was stopped`, async (t) => {
    const { store } = await open(t);
    const stopped = watching(store, '');
    const other = watching(store, '');
    await store.compareAndSet('a', 0, '1');
    await stopped.count(1);
    stopped.stop();
    stopped.stop();
    await store.compareAndSet('b', 0, '2');
    await other.count(2);
    assert.equal(stopped.changes.length, 1);
  });

  test(`${kind.kind}: lease() ends when it is not renewed`, async (t) => {
    const { store, pass } = await open(t);
    const seen = watching(store, 'node/');
    await store.lease('node/a', 'here', 1000);
    assert.equal((await store.get('node/a'))?.value, 'here');
    await pass(900);
    assert.equal((await store.get('node/a'))?.value, 'here');
    await pass(200);
    assert.equal(await store.get('node/a'), undefined);
    assert.deepEqual(await store.list('node/'), []);
    const changes = await seen.count(2);
    assert.deepEqual(
      changes.map(({ value }) => value),
      ['here', undefined],
    );
  });

  test(`${kind.kind}: lease() again renews it`, async (t) => {
    const { store, pass } = await open(t);
    for (let beat = 0; beat < 5; beat += 1) {
      await store.lease('node/a', 'here', 1000);
      await pass(800);
      assert.equal((await store.get('node/a'))?.value, 'here');
    }
    await store.lease('node/a', 'there', 1000);
    assert.equal((await store.get('node/a'))?.value, 'there');
    await pass(1100);
    assert.equal(await store.get('node/a'), undefined);
  });

  test(`${kind.kind}: compareAndSet() over a lease makes the key durable`, async (t) => {
    const { store, pass } = await open(t);
    await store.lease('a', 'leased', 1000);
    const version = (await store.get('a'))?.version ?? -1;
    assert.equal((await store.compareAndSet('a', version, 'kept')).ok, true);
    await pass(2000);
    assert.equal((await store.get('a'))?.value, 'kept');
  });

  test(`${kind.kind}: append() and read() keep a bounded log in order`, async (t) => {
    const { store } = await open(t);
    assert.deepEqual(await store.read('events', '', 10), []);
    const ids: string[] = [];
    for (let each = 0; each < 12; each += 1) ids.push(await store.append('events', `${each}`, 10));
    assert.equal(new Set(ids).size, 12, 'ids are unique');
    const values = async (after: string, count: number) =>
      (await store.read('events', after, count)).map(({ value }) => value);
    assert.deepEqual(await values('', 100), '2,3,4,5,6,7,8,9,10,11'.split(','), 'oldest dropped');
    assert.deepEqual(await values('', 3), ['2', '3', '4']);
    assert.deepEqual(await values(ids[9]!, 100), ['10', '11']);
    assert.deepEqual(await values(ids[0]!, 2), ['2', '3'], 'a dropped id still marks a place');
    assert.deepEqual(await values(ids[11]!, 100), []);
    assert.deepEqual(await store.read('others', '', 10), [], 'logs are apart');
    const [entry] = await store.read('events', ids[10]!, 1);
    assert.equal(entry?.id, ids[11]);
    assert.ok(Number.isFinite(entry?.atMs));
  });

  test(`${kind.kind}: close() ends watching and refuses what comes later`, async (t) => {
    const { store, pass } = await open(t);
    const seen = watching(store, '');
    await store.lease('a', '1', 1000);
    await seen.count(1);
    await store.close();
    await pass(2000);
    assert.equal(seen.changes.length, 1);
    await assert.rejects(store.get('a'));
    await assert.rejects(store.compareAndSet('a', 0, '2'));
    await store.close();
  });

  test(`${kind.kind}: close() ends what waits for it`, async (t) => {
    const { store } = await open(t);
    const seen = watching(store, '');
    await store.close();
    await assert.rejects(store.list(''));
    await assert.rejects(store.lease('a', '1', 10));
    await assert.rejects(store.append('a', '1', 10));
    await assert.rejects(store.read('a', '', 10));
    store.watch('', () => assert.fail('nobody is told'))();
    assert.deepEqual(seen.changes, []);
  });

  test(`${kind.kind}: status() is ready, and nobody was resynced for nothing`, async (t) => {
    const { store } = await open(t);
    assert.deepEqual(store.status(), { state: 'ready' });
    const stop = store.onStatus(() => assert.fail('nothing changed'));
    const seen = watching(store, '');
    await store.compareAndSet('a', 0, '1');
    await seen.count(1);
    assert.deepEqual(seen.resyncs, []);
    stop();
    stop();
  });

  test(`${kind.kind}: nowMs() goes on`, async (t) => {
    const { store, pass } = await open(t);
    const first = store.nowMs();
    assert.ok(first !== null && Number.isSafeInteger(first), `${first}`);
    await pass(10);
    assert.ok(store.nowMs()! >= first - 1);
  });

  test(`${kind.kind}: keys and values are any text within the limits`, async (t) => {
    const { store } = await open(t);
    const texts = [
      '',
      ' ',
      '0',
      '\n',
      'a\nb\r\n',
      '"\\',
      '\0',
      '🌍é',
      '-1 2',
      'null',
      '\u{10ffff}',
    ];
    const key = 'é/ 🌍"*[?]{}';
    let version = 0;
    for (const text of texts) {
      const written = await store.compareAndSet(key, version, text);
      assert.ok(written.ok, JSON.stringify(text));
      version = written.version;
      assert.equal((await store.get(key))?.value, text);
      assert.equal((await store.list('é/'))[0]?.value, text);
      await store.append('log', text, 100);
    }
    const logged = await store.read('log', '', 100);
    assert.deepEqual(
      logged.map(({ value }) => value),
      texts,
    );
  });

  test(`${kind.kind}: a value at the limit reaches a watcher, a larger one is refused`, async (t) => {
    const { store } = await open(t);
    const seen = watching(store, '');
    const largest = 'é'.repeat(VALUE_BYTES_MAX / 2);
    const { ok, version } = await store.compareAndSet('a', 0, largest);
    assert.equal(ok, true);
    const [change] = await seen.count(1);
    assert.equal(change?.value, largest);
    assert.equal((await store.get('a'))?.value, largest);
    for (const refused of [
      store.compareAndSet('a', version, `${largest}x`),
      store.lease('b', `${largest}x`, 1000),
      store.append('c', `${largest}x`, 10),
      store.compareAndSet('', 0, 'x'),
      store.compareAndSet('a\nb', 0, 'x'),
      store.compareAndSet('é'.repeat(KEY_BYTES_MAX / 2 + 1), 0, 'x'),
      store.get('a\0'),
      store.read('', '', 1),
    ]) {
      await assert.rejects(refused);
    }
    assert.equal((await store.compareAndSet('é'.repeat(KEY_BYTES_MAX / 2), 0, 'x')).ok, true);
    assert.deepEqual(store.status(), { state: 'ready' });
  });

  test(`${kind.kind}: list() gives many entries at once, in the order of their bytes`, async (t) => {
    const { store } = await open(t);
    const keys = Array.from({ length: 1201 }, (_, at) => `many/${String(at).padStart(5, '0')}`);
    keys.push('many/\u{ffff}', 'many/🌍');
    await Promise.all(keys.toReversed().map((key) => store.compareAndSet(key, 0, key)));
    await store.compareAndSet('many0', 0, 'no');
    const listed = await store.list('many/');
    assert.deepEqual(
      listed.map(({ key }) => key),
      keys,
    );
    assert.ok(listed.every(({ key, value }) => key === value));
  });

  test(`${kind.kind}: lease() over a durable key makes it a lease, and many end together`, async (t) => {
    const { store, pass } = await open(t);
    await store.compareAndSet('n/0', 0, 'durable');
    const seen = watching(store, 'n/');
    for (let at = 0; at < 150; at += 1) await store.lease(`n/${at}`, 'leased', 1000);
    await pass(1100);
    await until(() => {
      void store.get('n/0');
      return seen.changes.length >= 300;
    });
    assert.deepEqual(await store.list('n/'), []);
    assert.equal(seen.changes.filter(({ value }) => value === undefined).length, 150);
    assert.ok(seen.changes.every(({ isLoss }) => isLoss === undefined));
  });

  test(`${kind.kind}: read() takes an id that it never gave for the beginning`, async (t) => {
    const { store } = await open(t);
    await store.append('log', '1', 10);
    assert.equal((await store.read('log', 'elsewhere', 10)).length, 1);
  });
}
