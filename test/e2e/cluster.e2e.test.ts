import { test } from 'node:test';
import { allAnswer, type Region, startWorld } from '../node/cluster-world.ts';

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
