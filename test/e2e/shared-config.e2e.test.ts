import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigPublication } from '../../src/control/control-plane.ts';
import { PATIENCE_MS, startWorld } from '../node/cluster-world.ts';
import { answerTo } from '../node/dns-client.ts';
import type { NodeFixture } from '../node/node-fixture.ts';
import { scratchDirectory } from '../node/scratch.ts';
import { until } from '../node/until.ts';

const ADDED = '192.0.2.80';

test('one node publishes a configuration, all serve it, also after a restart', async (t) => {
  const { configOf, start } = await startWorld(t, 'memory', { sharedConfig: true });
  const stateDirectory = scratchDirectory('shared');
  const one = await start('virginia');
  let two = await start('frankfurt', { stateDirectory });
  await areConnected(one);
  const wanted = configOf('virginia', {});
  const next = withRecord(wanted, ADDED);
  const published = await publish(one, next, { note: 'mail' });
  assert.ok(published.published);
  assert.deepEqual([published.revision, published.sharing?.shared], [1, true]);
  await serves([one, two], ADDED);
  assert.deepEqual([revisionOf(one), revisionOf(two)], [1, 1]);

  const shrunk = await one.node.plane.publishConfig(request({ ...wanted, zones: {} }));
  assert.ok('problem' in shrunk && shrunk.code === 'config.shrinks', JSON.stringify(shrunk));
  const refused = await one.node.plane.publishConfig(request({ ...wanted, bogus: 1 }));
  assert.ok('issues' in refused);
  const dry = await publish(two, wanted, { dryRun: true });
  assert.deepEqual([dry.published, dry.revision], [false, 2]);
  assert.deepEqual([revisionOf(one), revisionOf(two)], [1, 1]);

  // Alone, and with a file that does not know of the record: what it served counts.
  await one.stop();
  await two.stop();
  two = await start('frankfurt', { stateDirectory });
  await serves([two], ADDED);
  assert.equal(revisionOf(two), 1);
  // One that lost everything hears of it from the other.
  const again = await start('virginia');
  await serves([again], ADDED);
  const back = await publish(again, wanted, { force: true, note: 'back' });
  assert.equal(back.revision, 2);
  await serves([again, two], undefined);
  const history = await again.node.plane.configRevisions();
  assert.ok(history.some(({ isCurrent, note }) => isCurrent && note === 'back'));
});

type File = ReturnType<Awaited<ReturnType<typeof startWorld>>['configOf']>;

function withRecord(file: File, address: string): object {
  const zone = file.zones['gslb.example'];
  const records = { ...zone.records, mail: { A: address } };
  return { ...file, zones: { 'gslb.example': { ...zone, records } } };
}

const request = (file: object) => ({
  text: JSON.stringify(file),
  name: 'meridian.yaml',
  note: '',
  by: 'ann',
});

async function publish(
  { node }: NodeFixture,
  file: object,
  more: object,
): Promise<ConfigPublication> {
  const outcome = await node.plane.publishConfig({ ...request(file), ...more });
  assert.ok('changes' in outcome, JSON.stringify(outcome));
  return outcome;
}

async function areConnected({ node }: NodeFixture): Promise<void> {
  const isConnected = (): boolean =>
    node.plane.cluster().nodes.some(({ direct }) => direct === 'connected');
  await until(isConnected, PATIENCE_MS, 'the nodes hear each other');
}

const revisionOf = ({ node }: NodeFixture): number => node.plane.status().revision;

async function serves(nodes: readonly NodeFixture[], address: string | undefined): Promise<void> {
  const isServed = async ({ node }: NodeFixture): Promise<boolean> => {
    const answer = await answerTo(node.dns[0]!, { name: 'mail.gslb.example' });
    return answer.join() === (address ?? '');
  };
  await until(
    async () => (await Promise.all(nodes.map(isServed))).every(Boolean),
    PATIENCE_MS,
    `mail is ${address}`,
  );
}
