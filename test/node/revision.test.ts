import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Serving } from '../../src/control/serving.ts';
import { buildGeoTable } from '../../src/geo/mmdb.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { loadConfig } from '../../src/node/config-file.ts';
import { chooseServing, followShared, keepServed, readServed } from '../../src/node/revision.ts';
import type { CompileRequest, CompileResult } from '../../src/workers/compile-messages.ts';
import { createFactWorld } from '../cluster/fact-world.ts';
import { silentLog } from '../control/silent-log.ts';
import { createConfig, geo } from '../nameserver/fixture.ts';

const OWN = { cluster: { sharedConfig: true }, regions: { own: { location: 'DE' } } };
const shared = (revision: number, region: string) => ({
  revision,
  text: `regions: { ${region}: { location: DE } }`,
  by: 'ann',
});

test('chooseServing() takes the newest revision that can be served, and the file when none can', async (t) => {
  const { choose } = open(t, OWN);
  assert.deepEqual(await choose([]), [0, 'own']);
  assert.deepEqual(await choose([shared(7, 'new'), shared(6, 'old')]), [7, 'new']);
  const invalid = { revision: 8, text: 'bogus: 1', by: 'ann' };
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

/** A node that has published this text by itself, and serves it. */
async function side(name: string, text: string) {
  const world = await createFactWorld();
  const { facts } = await world.node(name);
  const config = createConfig();
  const sharing = { ...config, cluster: { ...config.cluster, sharedConfig: true } };
  let revision = 0;
  const parts = {
    config: { ...sharing, node: { ...config.node, stateDirectory: undefined } },
    facts,
    log: silentLog(),
    registry: { renew() {} },
  };
  const serving = () => ({ config: sharing, snapshot: { revision } }) as unknown as Serving;
  const followed = followShared(parts as unknown as Parameters<typeof followShared>[0], serving);
  const node = {
    facts,
    reloads: 0,
    served: () => followed.latest()?.text ?? '',
    hear: (other: typeof facts) =>
      void facts.replica.merge(other.replica.all(), facts.clock.nowMs(), 'peer'),
  };
  followed.onNews(() => {
    node.reloads += 1;
    revision = followed.latest()!.revision;
    followed.served(revision);
  });
  await facts.revisions.publish({ text, by: name, note: '' }, 0);
  return node;
}

test('what was served is found again, and anything else is nothing', (t) => {
  const directory = scratch(t);
  assert.equal(readServed(directory), undefined);
  assert.equal(keepServed(directory, shared(7, 'new')), undefined);
  assert.deepEqual(readServed(directory), shared(7, 'new'));
  writeFileSync(join(directory, 'shared-config.json'), '{"revision":0}');
  assert.equal(readServed(directory), undefined);
  writeFileSync(join(directory, 'shared-config.json'), '{');
  assert.equal(readServed(directory), undefined);
  assert.match(keepServed('/dev/null/x', shared(7, 'new')) ?? '', /cannot be written \(ENOTDIR\)/);
});

const geoTable = buildGeoTable(geo);

/** Compiles in this thread; a region of the name "broken" cannot be. */
async function compile({ config, generation, revision }: CompileRequest): Promise<CompileResult> {
  if (Object.hasOwn(config.regions, 'broken')) return { ok: false, reasons: ['It is broken.'] };
  const compiled = compileSnapshot(config, geo, generation, revision);
  assert.ok(compiled.ok);
  return { ok: true, snapshot: compiled.snapshot, geo, geoTable, warnings: [], elapsedMs: 0 };
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
