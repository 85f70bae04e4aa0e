import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { viewPlan } from '../../src/capacity/plan.ts';
import { decodePlan, encodePlan } from '../../src/capacity/plan-file.ts';
import type { CapacityConfig } from '../../src/config/capacity-config.ts';
import {
  type CapacityPlanning,
  createCapacityPlanning,
} from '../../src/planning/capacity-planning.ts';
import { createDemandTeller, type DemandTeller } from '../../src/planning/demand-teller.ts';
import { createPlanKeeper, type PlanKeeper } from '../../src/planning/plan-keeper.ts';
import { createPlanSlots } from '../../src/planning/plan-slots.ts';
import type { PlannedClass } from '../../src/planning/planned-classes.ts';
import { DEMAND_LOG, PLAN_KEY } from '../../src/planning/store-keys.ts';
import { memory } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { createMovedClock, type MovedClock } from '../monitoring/moved-clock.ts';

/** Nodes that share a store in memory, on one clock that is moved. */
const WINDOW_MS = 60_000;
const config: CapacityConfig = {
  windowMs: WINDOW_MS,
  targetShare: 0.8,
  rules: { stepShare: 0.1, returnShare: 0.025, stayMs: 3, bandShare: 0.03 },
  halfLifeSeconds: 60,
};
const classes = new Map<string, PlannedClass>(
  Array.from({ length: 30 }, (_, index) => {
    const key = `web N050E000 k${index + 10}`;
    return [
      key,
      {
        key,
        pool: 'web',
        waysMs: new Map([
          ['eu', 10],
          ['us', 40 + index],
        ]),
      },
    ];
  }),
);
const state = { lost: new Set<string>(), returning: new Set<string>() };
const QUERIES = 10;
/** What each query stands for. */
const REQUESTS = 10;

type RigNode = {
  readonly keeper: PlanKeeper;
  readonly planning: CapacityPlanning;
  readonly teller: DemandTeller;
  readonly events: string[];
  close(): void;
};

async function open(t: TestContext, names: readonly string[]) {
  const clock = createMovedClock(1_800_000_000_000);
  const store = await memory.open({}, clock);
  const world = createWorld();
  const nodes = names.map((name) => openNode(store, clock, world, name));
  t.after(() => {
    for (const node of nodes) node.close();
    return store.close();
  });
  return { clock, store, world, nodes };
}

/** Clients who ask all nodes alike, and come to where the plan of a node sends them. */
function createWorld() {
  const tallies = new Map<string, Map<string, number>>();
  const loads = new Map<string, number>();
  return {
    tallies: () => new Map([...tallies].map(([key, counts]) => [key, new Map(counts)])),
    loads,
    /** A window of it. */
    pass(plan: ReturnType<PlanKeeper['current']>): void {
      loads.clear();
      for (const key of classes.keys()) {
        const slots = plan?.classes.find((each) => each.key === key)?.slots ?? [1024, 0];
        for (const [region, name] of ['eu', 'us'].entries()) {
          const rate = (QUERIES * slots[region]!) / 1024;
          const counts = tallies.get(key) ?? new Map<string, number>();
          tallies.set(key, counts.set(name, (counts.get(name) ?? 0) + (rate * WINDOW_MS) / 1000));
          loads.set(name, (loads.get(name) ?? 0) + rate * REQUESTS);
        }
      }
    },
  };
}

function openNode(
  store: Store,
  clock: MovedClock,
  world: ReturnType<typeof createWorld>,
  node: string,
  directory?: string,
): RigNode {
  const events: string[] = [];
  const record = (kind: string, _: string, text: string) => void events.push(`${kind} ${text}`);
  const log = { info: () => {}, warn: (kind: string) => void events.push(kind) };
  const keeper = createPlanKeeper({ store, events: { record }, directory });
  const parts = { store, clock, log, node, config: () => config };
  const teller = createDemandTeller({ ...parts, tallies: world.tallies, shares: () => [] });
  const regions = [
    { name: 'eu', capacity: 2000 },
    { name: 'us', capacity: 9000 },
  ];
  const planning = createCapacityPlanning({
    ...parts,
    keeper,
    inputs: () => ({ regions, classes, loads: world.loads, pools: new Map(), state }),
  });
  return {
    ...{ keeper, planning, teller, events },
    close() {
      teller.close();
      planning.close();
      keeper.close();
    },
  };
}

async function pass(
  { clock, world }: { clock: MovedClock; world: ReturnType<typeof createWorld> },
  node: RigNode,
  windows: number,
): Promise<void> {
  for (let left = windows; left > 0; left -= 1) {
    world.pass(node.keeper.current());
    await clock.advance(WINDOW_MS);
  }
}

const loadOf = ({ keeper }: RigNode, region: number): number =>
  viewPlan(keeper.current()!).loads[region]!;

test('what all nodes are asked one of them plans for, and all steer by', async (t) => {
  const rig = await open(t, ['a', 'b', 'c']);
  const { nodes } = rig;
  await pass(rig, nodes[1]!, 20);
  const plans = nodes.map(({ keeper }) => keeper.current()?.generation);
  assert.equal(new Set(plans).size, 1);
  assert.equal(nodes.filter(({ planning }) => planning.report() !== undefined).length, 1);
  // Of 9000 requests a second, for three nodes were asked, four fifths of what it can carry stay.
  const demand = viewPlan(nodes[0]!.keeper.current()!).demand;
  assert.ok(Math.abs(demand / (30 * QUERIES * REQUESTS) - 1) < 0.02, `${demand}`);
  assert.ok(Math.abs(loadOf(nodes[0]!, 0) / 1600 - 1) < 0.02, `${loadOf(nodes[0]!, 0)}`);
  assert.deepEqual(
    nodes.flatMap(({ events }) => events),
    [],
  );
});

test('another node goes on from the plan in force when the one that plans is gone', async (t) => {
  const rig = await open(t, ['a', 'b']);
  const { nodes } = rig;
  await pass(rig, nodes[0]!, 20);
  const before = nodes[0]!.keeper.current()!;
  const leader = nodes.find(({ planning }) => planning.report() !== undefined)!;
  const other = nodes.find((node) => node !== leader)!;
  leader.close();
  await pass(rig, other, 6);
  const after = other.keeper.current()!;
  assert.ok(after.generation > before.generation, 'it plans');
  const loads = [before, after].map((plan) => viewPlan(plan).loads[0]!);
  assert.ok(Math.abs(loads[0]! / loads[1]! - 1) < 0.05, `${loads}`);
});

test('a plan is kept on disk, and one that is broken or absurd is not used', async (t) => {
  const rig = await open(t, ['a']);
  const [node] = rig.nodes;
  await pass(rig, node!, 15);
  const plan = node!.keeper.current()!;
  node!.close();
  const directory = mkdtempSync(join(tmpdir(), 'meridian-test-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'capacity-plan.bin'), encodePlan(plan));
  const empty = await memory.open({}, rig.clock);
  const late = openNode(empty, rig.clock, rig.world, 'late', directory);
  t.after(() => {
    late.close();
    return empty.close();
  });
  assert.deepEqual(late.keeper.current(), plan);
  const put = async (bytes: Uint8Array): Promise<void> => {
    const known = await empty.get(PLAN_KEY);
    const text = Buffer.from(bytes).toString('base64');
    await empty.compareAndSet(PLAN_KEY, known?.version ?? 0, text);
    await rig.clock.advance(1);
  };
  await put(Uint8Array.of(1, 2, 3));
  const swapped = plan.classes.map((each) => ({ ...each, slots: each.slots.toReversed() }));
  await put(encodePlan({ ...plan, generation: plan.generation + 1, classes: swapped }));
  assert.deepEqual(late.keeper.current(), plan);
  assert.equal(late.events.length, 2);
  assert.match(late.events[0]!, /^capacity.refused A capacity plan is not used: it is no capacity/);
  assert.match(late.events[1]!, /elsewhere at once/);
});

test('reports that are none disturb nobody', async (t) => {
  const rig = await open(t, ['a']);
  const junk = Buffer.from('junk').toString('base64');
  await rig.store.append(DEMAND_LOG, junk, 10);
  await rig.store.append(DEMAND_LOG, '', 10);
  await pass(rig, rig.nodes[0]!, 3);
  assert.ok(rig.nodes[0]!.keeper.current());
});

test('slots are made anew when the plan or what is lost is another, and are the same when they say the same', async (t) => {
  const rig = await open(t, ['a']);
  await pass(rig, rig.nodes[0]!, 10);
  const plan = rig.nodes[0]!.keeper.current()!;
  const slots = createPlanSlots();
  const calm = { lost: new Set<string>(), returning: new Set<string>() };
  assert.equal(slots.known(plan, calm), undefined);
  const table = slots.make(plan, calm);
  assert.equal(slots.known(plan, calm), table);
  const again = decodePlan(encodePlan({ ...plan, generation: plan.generation + 1 }));
  assert.ok(again.ok);
  assert.equal(slots.known(again.plan, calm), undefined);
  assert.equal(slots.make(again.plan, calm), table, 'for those who answer nothing has changed');
  const lost = slots.make(plan, { ...calm, lost: new Set(['web eu']) });
  assert.notEqual(lost.generation, table.generation);
});
