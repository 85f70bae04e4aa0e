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
import { until } from '../node/until.ts';

test('nodes find each other directly without any store', async (t) => {
  const { start, webs } = await startWorld(t, 'memory');
  const nodes = [await start('virginia'), await start('frankfurt')];
  const at = (region: Region): string => webs.get(region)!.address;
  await allAnswer(nodes, 'virginia', at('virginia'), 'all is well');
  webs.get('virginia')!.stop();
  await allAnswer(nodes, 'virginia', at('frankfurt'), 'both leave');
  const late = await start('singapore');
  await allAnswer([late], 'virginia', at('frankfurt'), 'the one that comes late hears of it');
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
