import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allAnswer,
  answers,
  NAMES,
  PATIENCE_MS,
  type Region,
  startWorld,
} from '../node/cluster-world.ts';
import type { NodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { startRedis } from '../store/redis-server.ts';

test('three nodes agree with Redis and without it, and hold a drain through everything', async (t) => {
  const redis = await startRedis(t);
  const { start, webs } = await startWorld(t, { kind: 'redis', url: redis.url });
  const nodes = [await start('virginia'), await start('frankfurt'), await start('singapore')];
  const at = (region: Region): string => webs.get(region)!.address;
  for (const name of NAMES) await allAnswer(nodes, name, at(name), `${name} serves its own`);

  const isWhole = ({ node }: NodeFixture): boolean =>
    node.plane.cluster().nodes.filter(({ direct, state }) => state === 'here' && direct !== 'never')
      .length === NAMES.length;
  await until(() => nodes.every(isWhole), PATIENCE_MS, 'every node knows of all, by both ways');

  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('frankfurt'), 'all nodes leave Virginia');
  await webs.get('virginia')!.start();
  await allAnswer(nodes, 'virginia', at('virginia'), 'and come back');

  // A person's word on one node is in force on all.
  const [first, second] = nodes;
  const target = { kind: 'region', name: 'frankfurt' } as const;
  const drain = { target, action: 'drain', reason: 'a test', by: 'test' } as const;
  const set = await first!.node.plane.setOverride(drain);
  assert.ok('sharing' in set && set.sharing?.shared, JSON.stringify(set));
  await allAnswer(nodes, 'frankfurt', at('virginia'), 'drained everywhere');

  // Redis dies: the drain stays, and another one reaches all without it.
  await redis.kill();
  await second!.node.plane.setOverride({
    ...drain,
    target: { kind: 'region', name: 'singapore' },
  });
  await allAnswer(nodes, 'singapore', at('virginia'), 'drained everywhere, without the store');
  assert.deepEqual(new Set(await answers(nodes, 'frankfurt')), new Set([at('virginia')]));
  await second!.node.plane.clearOverride({ kind: 'region', name: 'singapore' }, 'test');
  await allAnswer(nodes, 'singapore', at('singapore'), 'cleared everywhere, without the store');
  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('singapore'), 'detection does not hang on Redis');
  await webs.get('virginia')!.start();
  await allAnswer(nodes, 'virginia', at('virginia'), 'nor does the return');

  // It comes back empty: what is in force stays, what was cleared stays cleared, and it is told again.
  await redis.restart();
  await until(
    async () => {
      const data = (await redis.cli('keys', '*data')).trim();
      const keys = data === '' ? '' : await redis.cli('hkeys', data);
      return keys.includes('override/manual/region/frankfurt');
    },
    2 * PATIENCE_MS,
    'the drain is in Redis again',
  );
  assert.deepEqual(new Set(await answers(nodes, 'frankfurt')), new Set([at('virginia')]));
  assert.deepEqual(new Set(await answers(nodes, 'singapore')), new Set([at('singapore')]));
});

test('a prober that is killed says nothing any more, and one that is back counts again', async (t) => {
  const { start, startProber, webs } = await startWorld(t, 'memory');
  const nodes = [await start('virginia')];
  const at = (region: Region): string => webs.get(region)!.address;
  const [frankfurt, singapore] = [await startProber('frankfurt'), await startProber('singapore')];
  const [first] = nodes;
  const voices = (): number => {
    const endpoints = first!.node.plane.regions().flatMap((region) => region.endpoints);
    const virginia = endpoints.find(({ region }) => region === 'virginia');
    return virginia!.vantages.filter(({ verdict }) => verdict === 'up').length;
  };
  await until(async () => voices() === 3, PATIENCE_MS, 'three vantage points speak');
  singapore.kill('SIGKILL');
  await until(async () => voices() === 2, PATIENCE_MS, 'one has fallen silent');
  for (const name of NAMES) assert.deepEqual(await answers(nodes, name), [at(name)], name);
  // Those that are left decide.
  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('frankfurt'), 'Virginia is left');
  await webs.get('virginia')!.start();
  await allAnswer(nodes, 'virginia', at('virginia'), 'and comes back');
  await startProber('singapore');
  await until(async () => voices() === 3, PATIENCE_MS, 'the third is heard again');
  frankfurt.kill('SIGTERM');
  await until(async () => voices() === 2, PATIENCE_MS, 'one that ends falls silent too');
  for (const name of NAMES) assert.deepEqual(await answers(nodes, name), [at(name)], name);
});
