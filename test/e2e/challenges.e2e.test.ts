import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AcmeChallengeChange } from '../../src/control/control-plane.ts';
import { PATIENCE_MS, startWorld } from '../node/cluster-world.ts';
import { answerTo, ask } from '../node/dns-client.ts';
import type { NodeFixture } from '../node/node-fixture.ts';
import { until } from '../node/until.ts';
import { startRedis } from '../store/redis-server.ts';

/** A challenge that was set on one node is what all answer when the call returns; nothing waits here for that. */
const ZONE = 'gslb.example';
const NAME = `_acme-challenge.www.${ZONE}`;
const TXT = 16;
const SOA = 6;

const texts = (at: NodeFixture, name = NAME): Promise<string[]> =>
  answerTo(at.node.dns[0]!, { name, type: TXT });
const serial = async (at: NodeFixture): Promise<number> =>
  Number((await ask(at.node.dns[0]!, { name: ZONE, type: SOA })).answer[0]!.text.split(' ')[2]);
const request = (value: string, name = `www.${ZONE}`, more: object = {}) => ({
  zone: ZONE,
  name,
  value,
  by: 'test',
  ...more,
});

async function set(at: NodeFixture, value: string, more: object = {}) {
  const done = await at.node.plane.setAcmeChallenge(request(value, undefined, more));
  assert.ok(!('problem' in done), JSON.stringify(done));
  return done;
}

function isEverywhere({ confirmed, pending, visible }: AcmeChallengeChange, names: string[]) {
  assert.deepEqual([visible, confirmed.toSorted(), pending], [true, names, []]);
}

async function knowEachOther(nodes: readonly NodeFixture[]): Promise<void> {
  const isComplete = async ({ node }: NodeFixture): Promise<boolean> =>
    (await node.plane.cluster()).nodes.filter(({ state }) => state === 'here').length ===
    nodes.length;
  await until(
    async () => (await Promise.all(nodes.map(isComplete))).every(Boolean),
    PATIENCE_MS,
    'the nodes know each other',
  );
}

const NAMES = ['frankfurt', 'virginia'];

for (const kind of ['redis', 'memory'] as const) {
  test(`a challenge is answered by all nodes when the call returns (${kind})`, async (t) => {
    const store = kind === 'redis' ? { kind, url: (await startRedis(t)).url } : kind;
    const { start } = await startWorld(t, store);
    const [one, two] = [await start('virginia'), await start('frankfurt')];
    const nodes = [one, two];
    await knowEachOther(nodes);
    const before = await serial(one);
    const first = await set(one, 'first');
    isEverywhere(first, NAMES);
    for (const each of nodes) assert.deepEqual(await texts(each), ['"first"']);
    const second = await set(two, 'second');
    isEverywhere(second, NAMES);
    for (const each of nodes) assert.deepEqual(await texts(each), ['"first"', '"second"']);
    assert.deepEqual([first.serial, second.serial], [before + 1, before + 2]);
    for (const each of nodes) assert.equal(await serial(each), second.serial);

    const cleared = await one.node.plane.clearAcmeChallenge(request('first'));
    assert.ok(!('problem' in cleared));
    isEverywhere(cleared, NAMES);
    for (const each of nodes) assert.deepEqual(await texts(each), ['"second"']);

    // Both nodes at one moment.
    const names = Array.from({ length: 8 }, (_, index) => `n${index}.${ZONE}`);
    const done = await Promise.all(
      names.flatMap((name) =>
        nodes.map(({ node }) => node.plane.setAcmeChallenge(request(node.config.node.name, name))),
      ),
    );
    for (const each of done) assert.ok(!('problem' in each) && each.visible, JSON.stringify(each));
    for (const name of names) {
      for (const each of nodes) {
        const found = await texts(each, `_acme-challenge.${name}`);
        assert.deepEqual(found, ['"frankfurt"', '"virginia"'], name);
      }
    }
    const blue = { zone: ZONE, name: `blue.${ZONE}`, type: 'TXT', by: 'test' };
    const added = await two.node.plane.addRecord({ ...blue, data: 'x' });
    assert.ok(!('problem' in added) && added.visible, JSON.stringify(added));
    for (const each of nodes) assert.deepEqual(await texts(each, blue.name), ['"x"']);
    assert.ok(!('problem' in (await one.node.plane.removeRecords(blue))));
    for (const each of nodes) assert.deepEqual(await texts(each, blue.name), []);

    // They go by themselves, everywhere, and the serial tells.
    const short = await set(one, 'short', { expiresInSeconds: 1 });
    await until(
      async () =>
        (await Promise.all(nodes.map((each) => texts(each)))).every((all) => all.length === 1),
      PATIENCE_MS,
      'the record is over',
    );
    await until(async () => (await serial(two)) === (await serial(one)), PATIENCE_MS, 'one serial');
    assert.ok((await serial(two)) > short.serial);
  });
}

test('without its store nothing is changed and nothing is lost', async (t) => {
  const redis = await startRedis(t);
  const { start } = await startWorld(t, { kind: 'redis', url: redis.url });
  const nodes = [await start('virginia'), await start('frankfurt')];
  const [one, two] = nodes as [NodeFixture, NodeFixture];
  await knowEachOther(nodes);
  await set(one, 'first');
  redis.pause();
  t.after(redis.resume);
  const away = await two.node.plane.setAcmeChallenge(request('second'));
  assert.ok('problem' in away && away.problem === 'unavailable', JSON.stringify(away));
  for (const each of nodes) assert.deepEqual(await texts(each), ['"first"']);
  redis.resume();
  await until(
    async () => !('problem' in (await two.node.plane.setAcmeChallenge(request('third')))),
    PATIENCE_MS,
    'the store is back',
  );
  for (const each of nodes) assert.deepEqual(await texts(each), ['"first"', '"third"']);
});

test('a node that comes late answers with what is there from its first answer on', async (t) => {
  const redis = await startRedis(t);
  const { start } = await startWorld(t, { kind: 'redis', url: redis.url });
  const one = await start('virginia');
  const { serial: told } = await set(one, 'first');
  const late = await start('frankfurt');
  assert.deepEqual(await texts(late), ['"first"']);
  assert.equal(await serial(late), told);
  await one.stop();
  const again = await start('virginia');
  assert.deepEqual(await texts(again), ['"first"']);
  // A node without nameserver waits for the others, and nobody waits for it.
  const admin = await start('singapore', { roles: ['prober'] });
  await knowEachOther([late, again, admin]);
  const done = await set(admin, 'second');
  assert.deepEqual([done.visible, done.confirmed.toSorted()], [true, NAMES]);
  for (const each of [late, again]) assert.deepEqual(await texts(each), ['"first"', '"second"']);
});
