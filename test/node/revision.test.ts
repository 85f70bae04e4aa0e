import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Serving } from '../../src/control/serving.ts';

import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { loadConfig } from '../../src/node/config-file.ts';
import { chooseServing, followShared, startRevisions } from '../../src/node/revision.ts';
import { KEPT_MAX, openShelf, type Shelf } from '../../src/node/shelf.ts';
import type { CompileRequest, CompileResult } from '../../src/workers/compile-messages.ts';
import { createFactWorld } from '../cluster/fact-world.ts';
import { sharedRevision } from '../cluster/revision-fixture.ts';
import { silentLog } from '../control/silent-log.ts';
import { createConfig, geo } from '../nameserver/fixture.ts';

const OWN = { cluster: { sharedConfig: true }, regions: { own: { location: 'DE' } } };
const shared = (revision: number, region: string) =>
  sharedRevision(revision, `regions: { ${region}: { location: DE } }`);

test('chooseServing() takes the newest revision that can be served, and the file when none can', async (t) => {
  const { choose } = open(t, OWN);
  assert.deepEqual(await choose([]), [0, 'own']);
  assert.deepEqual(await choose([shared(7, 'new'), shared(6, 'old')]), [7, 'new']);
  const invalid = sharedRevision(8, 'bogus: 1');
  assert.deepEqual(await choose([invalid, shared(6, 'old')]), [6, 'old']);
  assert.deepEqual(await choose([shared(7, 'broken'), shared(6, 'old')]), [6, 'old']);
  assert.deepEqual(await choose([invalid]), [0, 'own']);
});

test('chooseServing() leaves revisions aside when the file does not want them', async (t) => {
  const { choose } = open(t, { ...OWN, cluster: {} });
  assert.deepEqual(await choose([shared(7, 'new')]), [0, 'own']);
});

test('chooseServing() says why when not even the file can be served', async (t) => {
  const { choice } = open(t, { ...OWN, regions: { broken: { location: 'DE' } } });
  const chosen = await choice([shared(7, 'broken')]);
  assert.ok(!chosen.ok);
  assert.match(chosen.reasons.join('\n'), /revision 7 by ann cannot be served here.*\n.*broken/s);
});

test('two texts of one number, said on two sides without a store, become one on both', async () => {
  const sides = [await side('one', 'here'), await side('two', 'there')] as const;
  const texts = (): string[] => sides.map(({ served }) => served());
  assert.deepEqual(texts(), ['here', 'there']);
  for (const [from, to] of [sides, sides.toReversed()]) to!.hear(from!.facts);
  const [one, two] = texts();
  assert.equal(one, two);
  assert.deepEqual(sides.map(({ reloads }) => reloads).sort(), [1, 2]);
});

test('a text that came while the node started with another of its number is news', async () => {
  const chosen = sharedRevision(1, 'what it read first');
  const { reloads, served } = await side('one', 'what came meanwhile', chosen);
  assert.deepEqual([reloads, served()], [1, 'what came meanwhile']);
});

test('a damaged newest revision leaves the one that is served to every later reload', async () => {
  const world = await createFactWorld();
  const { facts } = await world.node('one');
  const shared = sharedRevision(4, 'served');
  const followed = follow(facts, { shared, revisions: [shared] }, () => 4);
  facts.replica.merge(
    [{ key: 'config/current', stamp: 'nonsense', value: '{' }],
    facts.clock.nowMs(),
    'store',
  );
  assert.equal(followed.latest(), shared);
  assert.equal(followed.current(), shared);
});

test('startRevisions() knows the newest, what was served here, and what the store knows', async () => {
  const world = await createFactWorld();
  const { facts } = await world.node('one');
  for (const text of ['first', 'second'])
    await facts.revisions.publish(
      { text, by: 'ann', note: '' },
      facts.revisions.current()?.revision ?? 0,
    );
  const shelf = openShelf(undefined);
  shelf.keep(sharedRevision(1, 'of before'));
  const config = createConfig();
  const asked = { ...config, cluster: { ...config.cluster, sharedConfig: true } };
  const found = await startRevisions({ config: asked, facts }, shelf);
  assert.deepEqual(
    found.map(({ revision, text }) => [revision, text]),
    [
      [2, 'second'],
      [2, 'second'],
      [1, 'of before'],
      [1, 'first'],
    ],
  );
  assert.deepEqual(await startRevisions({ config, facts }, shelf), []);
});

type FollowParts = Parameters<typeof followShared>[0];
type FollowFrom = Omit<Parameters<typeof followShared>[1], 'shelf'>;

function follow(
  facts: FollowParts['facts'],
  from: FollowFrom,
  revision: () => number,
  shelf: Shelf = openShelf(undefined),
) {
  const config = createConfig();
  const sharing = { ...config, cluster: { ...config.cluster, sharedConfig: true } };
  const parts = { facts, log: silentLog(), registry: { renew() {} } };
  const serving = () =>
    ({ config: sharing, snapshot: { revision: revision() } }) as unknown as Serving;
  return followShared(parts as unknown as FollowParts, { ...from, shelf }, serving);
}

/** A node that has published this text by itself, and serves it. */
async function side(name: string, text: string, shared?: ReturnType<typeof sharedRevision>) {
  const world = await createFactWorld();
  const { facts } = await world.node(name);
  const from = { shared, revisions: shared ? [shared] : [] };
  const followed = follow(facts, from, () => followed.current()?.revision ?? 0);
  const node = {
    facts,
    reloads: 0,
    served: () => followed.current()?.text ?? '',
    hear: (other: typeof facts) =>
      void facts.replica.merge(other.replica.all(), facts.clock.nowMs(), 'peer'),
  };
  followed.onNews(() => {
    node.reloads += 1;
    followed.served(followed.latest());
  });
  await facts.revisions.publish({ text, by: name, note: '' }, 0);
  return node;
}

test('what was served is found again, the last few of it, and anything else is nothing', (t) => {
  const directory = scratch(t);
  assert.deepEqual(openShelf(directory).all(), []);
  const shelf = openShelf(directory);
  for (let revision = 1; revision <= KEPT_MAX + 2; revision += 1) {
    assert.equal(shelf.keep(shared(revision, 'some')), undefined);
  }
  shelf.keep(shared(6, 'other'));
  const kept = openShelf(directory).all();
  assert.deepEqual(kept, shelf.all());
  assert.deepEqual(
    kept.map(({ revision }) => revision),
    [7, 6, 6, 5, 4],
  );
  assert.match(kept[1]?.text ?? '', /other/);
  for (const damaged of ['[{"revision":0}]', '{', '{"revision":7,"text":"","by":"ann"}']) {
    writeFileSync(join(directory, 'shared-config.json'), damaged);
    assert.deepEqual(openShelf(directory).all(), []);
  }
  const unwritable = openShelf('/dev/null/x');
  assert.match(unwritable.keep(shared(7, 'new')) ?? '', /cannot be written \(ENOTDIR\)/);
  assert.equal(unwritable.all().length, 1);
});

/** Compiles in this thread; a region of the name "broken" cannot be. */
async function compile({ config, generation, revision }: CompileRequest): Promise<CompileResult> {
  if (Object.hasOwn(config.regions, 'broken')) return { ok: false, reasons: ['It is broken.'] };
  const compiled = compileSnapshot(config, geo, generation, revision);
  assert.ok(compiled.ok);
  return { ok: true, snapshot: compiled.snapshot, geo, warnings: [], elapsedMs: 0 };
}

type Revisions = Parameters<typeof chooseServing>[2];

function open(t: TestContext, own: object) {
  const file = join(scratch(t), 'meridian.yaml');
  writeFileSync(file, JSON.stringify(own));
  const source = { file, environment: {} };
  const loaded = loadConfig(source);
  assert.ok(loaded.ok);
  const choice = (revisions: Revisions) => chooseServing(source, loaded, revisions, { compile });
  const choose = async (revisions: Revisions) => {
    const chosen = await choice(revisions);
    assert.ok(chosen.ok);
    const { config, snapshot } = chosen.serving;
    return [snapshot.revision, Object.keys(config.regions).join()];
  };
  return { choice, choose };
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-choose-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}
