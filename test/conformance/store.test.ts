import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { storeKinds } from '../../src/store/registry.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';

/**
 * What every store promises. A kind needs options that open an empty store, and a way to let time
 * pass: a store that lives by its own clock (a server) says how.
 */
type Subject = {
  readonly options: unknown;
  pass(clock: MovedClock, ms: number): Promise<void>;
};
const SUBJECTS: Readonly<Record<string, Subject>> = {
  memory: { options: {}, pass: (clock, ms) => clock.advance(ms) },
};

/** How long a change may take to reach a watcher of the same store. */
const DELIVERY_MAX_MS = 2000;

type Opened = { readonly store: Store; pass(ms: number): Promise<void> };

for (const kind of storeKinds) {
  const subject = SUBJECTS[kind.kind];
  const open = async (t: TestContext): Promise<Opened> => {
    const clock = createMovedClock();
    const store = await kind.open(kind.options.parse(subject?.options), clock);
    t.after(() => store.close());
    return { store, pass: (ms) => subject?.pass(clock, ms) ?? Promise.resolve() };
  };

  test(`${kind.kind}: has a subject here, a summary and options`, () => {
    assert.ok(subject, 'add the kind to SUBJECTS');
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
}

type Watching = {
  readonly changes: readonly Change[];
  readonly stop: () => void;
  /** Resolves with the changes when there are `count` of them; rejects when they don't come. */
  count(count: number): Promise<readonly Change[]>;
};

function watching(store: Store, prefix: string): Watching {
  const changes: Change[] = [];
  let heard = (): void => {};
  const stop = store.watch(prefix, (change) => {
    changes.push(change);
    heard();
  });
  return {
    changes,
    stop,
    count: (count) =>
      new Promise((resolve, reject) => {
        const late = (): void =>
          reject(new Error(`${changes.length} of ${count} changes: ${JSON.stringify(changes)}`));
        const timer = setTimeout(late, DELIVERY_MAX_MS);
        heard = () => {
          if (changes.length < count) return;
          clearTimeout(timer);
          resolve([...changes]);
        };
        heard();
      }),
  };
}
