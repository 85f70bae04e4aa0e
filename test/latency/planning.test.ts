import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { latencyOf } from '../../src/clients/latency-layer.ts';
import { encodeLatencyMap, type LatencyMap } from '../../src/clients/latency-map.ts';
import { networkKey } from '../../src/clients/network-key.ts';
import { parseAddress } from '../../src/ip/address.ts';
import { objection } from '../../src/latency/map-keeper.ts';
import { MAP_KEY, SKETCH_LOG } from '../../src/latency/store-keys.ts';
import { memory } from '../../src/store/memory.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';
import { geo, openNode, type RigNode, WINDOW_MS } from './rig.ts';

const HOME = parseAddress('80.1.2.9')!;

async function open(t: TestContext, names: readonly string[]) {
  const clock = createMovedClock(1_800_000_000_000);
  const store = await memory.open({}, clock);
  const nodes = names.map((name) => openNode(store, clock, name));
  t.after(() => Promise.all([...nodes.map((node) => node.close()), store.close()]));
  return { clock, store, nodes };
}

/** Windows in which the home network is so far from regions. */
async function pass(
  clock: MovedClock,
  node: RigNode,
  windows: number,
  ms: Readonly<Record<string, number>>,
): Promise<void> {
  for (let left = windows; left > 0; left -= 1) {
    for (const [region, rttMs] of Object.entries(ms)) {
      const samples = Array.from({ length: 10 }, () => [networkKey(HOME), rttMs]).flat();
      node.teller.hear(region, Float64Array.from(samples));
    }
    await clock.advance(WINDOW_MS);
  }
}

const orderAt = ({ keeper }: RigNode): string | undefined => {
  const layer = keeper.current();
  return layer && latencyOf(layer, HOME)?.order.join(' ');
};

test('what one node measures all nodes steer by, and one of them makes the map', async (t) => {
  const { clock, nodes } = await open(t, ['a', 'b', 'c']);
  let changes = 0;
  nodes[2]!.keeper.onChange(() => {
    changes += 1;
  });
  await pass(clock, nodes[1]!, 6, { frankfurt: 120, virginia: 40 });
  for (const node of nodes) assert.equal(orderAt(node), 'virginia frankfurt singapore');
  assert.equal(nodes.filter(({ planning }) => planning.report() !== undefined).length, 1);
  assert.equal(changes, 1, 'a map that says the same is not made again');
  assert.deepEqual(
    nodes.flatMap(({ events }) => events),
    [],
  );
});

test('when who makes the map is gone another goes on with it', async (t) => {
  const { clock, nodes } = await open(t, ['a', 'b']);
  await pass(clock, nodes[1]!, 6, { frankfurt: 120, virginia: 40 });
  const planner = nodes.find(({ planning }) => planning.report() !== undefined)!;
  const other = nodes.find((node) => node !== planner)!;
  const { generation } = other.keeper.current()!;
  await planner.close();
  await clock.advance(10 * WINDOW_MS);
  assert.ok(other.planning.report() !== undefined);
  assert.equal(orderAt(other), 'virginia frankfurt singapore', 'nothing new is known');
  await pass(clock, other, 12, { frankfurt: 10, virginia: 40 });
  assert.equal(orderAt(other), undefined, 'it is as geography has it again');
  assert.ok(other.keeper.current()!.generation > generation);
});

test('a planner knows what it knew when the same geo data come as other objects, and begins anew with others', async (t) => {
  const clock = createMovedClock(1_800_000_000_000);
  const store = await memory.open({}, clock);
  let edition = 7;
  // As they come from the thread that compiles: anew with every map that is taken.
  const geoNow = () => structuredClone({ ...geo, edition });
  const node = openNode(store, clock, 'a', { geoNow });
  t.after(() => Promise.all([node.close(), store.close()]));
  const begun = (): number => node.said.filter((kind) => kind === 'latency.plans').length;
  await pass(clock, node, 6, { frankfurt: 120, virginia: 40 });
  assert.equal(orderAt(node), 'virginia frankfurt singapore');
  await pass(clock, node, 3, { frankfurt: 120, virginia: 40 });
  assert.equal(begun(), 1);
  edition += 1;
  await pass(clock, node, 3, { frankfurt: 120, virginia: 40 });
  assert.equal(begun(), 2);
});

test('networks with few connections are not told', async (t) => {
  const { clock, nodes, store } = await open(t, ['a']);
  nodes[0]!.teller.hear('frankfurt', Float64Array.of(networkKey(HOME), 10, networkKey(HOME), 11));
  await clock.advance(2 * WINDOW_MS);
  assert.deepEqual(await store.read(SKETCH_LOG, '', 10), []);
  nodes[0]!.teller.hear('frankfurt', Float64Array.of(networkKey(HOME), 12));
  await clock.advance(WINDOW_MS);
  assert.equal((await store.read(SKETCH_LOG, '', 10)).length, 1);
});

test('a map outlives a restart, and one that is damaged or older changes nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-latency-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const clock = createMovedClock(1_800_000_000_000);
  const store = await memory.open({}, clock);
  const first = openNode(store, clock, 'a', { directory });
  await pass(clock, first, 6, { frankfurt: 120, virginia: 40 });
  await first.close();
  const alone = await memory.open({}, clock);
  const again = openNode(alone, clock, 'a', { directory });
  assert.equal(orderAt(again), 'virginia frankfurt singapore');
  const { generation } = again.keeper.current()!;
  for (const value of [
    '',
    'nonsense',
    Buffer.from(encodeLatencyMap(mapOf(generation, 0))).toString('base64'),
  ]) {
    const known = await alone.get(MAP_KEY);
    await alone.compareAndSet(MAP_KEY, known?.version ?? 0, value);
    await clock.advance(1);
    assert.equal(orderAt(again), 'virginia frankfurt singapore', value);
  }
  assert.equal(again.events.filter((each) => each.startsWith('latency.refused')).length, 2);
  await again.close();
  writeFileSync(join(directory, 'latency-map.bin'), 'nonsense');
  const third = openNode(alone, clock, 'a', { directory });
  assert.equal(third.keeper.current(), undefined);
  assert.match(third.events.join(), /latency\.refused .*latency-map\.bin/);
  await third.close();
  await Promise.all([alone.close(), store.close()]);
});

test('a map that has lost most of its networks is not used', () => {
  const before = mapOf(5, 2_000);
  assert.equal(objection(undefined, mapOf(1, 0)), undefined);
  assert.equal(objection(before, mapOf(6, 1_500)), undefined);
  assert.equal(objection(before, mapOf(6, 900)), 'it has 900 networks, the one in force 2000');
  assert.equal(objection(before, mapOf(5, 2_000)), '');
  assert.equal(
    objection(mapOf(5, 10), mapOf(6, 0)),
    undefined,
    'of few networks anything may be true',
  );
});

function mapOf(generation: number, count: number): LatencyMap {
  const rows = Array.from({ length: count }, (_, network) => ({
    ...{ network, order: 0 },
    ...{ waysMs: [], sources: 1 },
  }));
  return { generation, madeAtMs: 1, regions: ['a', 'b'], orders: [[1, 0]], rows };
}
