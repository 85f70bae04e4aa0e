import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFactFile } from '../../src/cluster/fact-file.ts';
import { readState, type SavedState } from '../../src/node/state-file.ts';
import { loopbackAddress } from './free-addresses.ts';
import { startNodeFixture } from './node-fixture.ts';
import { scratchDirectory } from './scratch.ts';
import { until } from './until.ts';

/** What is on disk while a node runs: all that it would know if it were killed now. */
test('the disk holds an override before it is confirmed, and a change of health soon', async (t) => {
  const directory = scratchDirectory('state');
  const [here, there] = [loopbackAddress(), loopbackAddress()];
  const { node, stop } = await startNodeFixture({
    node: { roles: ['prober'], stateDirectory: directory },
    regions: { here: { location: 'DE', vips: here }, there: { location: 'US', vips: there } },
    monitors: { web: { kind: 'tcp', interval: '100ms', timeout: '90ms', fall: 1 } },
    pools: { web: { monitor: 'web', port: 1, endpoints: ['here', 'there'] } },
    zones: {},
  });
  t.after(stop);
  const saved = (): SavedState | undefined => readState(directory).state;
  await until(
    () => JSON.stringify(saved()?.health ?? '').includes('"down"'),
    3000,
    'a refused target is down on disk',
  );
  const target = { kind: 'region', name: 'here' } as const;
  const override = { target, action: 'drain', reason: 'test', by: 'test', force: true } as const;
  assert.ok(!('problem' in (await node.plane.setOverride(override))));
  const kept = (): readonly string[] =>
    readFactFile(directory).facts.flatMap(({ key, value }) => (value === undefined ? [] : [key]));
  assert.deepEqual(kept(), ['override/manual/region/here']);
  await node.plane.clearOverride(target, 'test');
  assert.deepEqual(kept(), []);
});
