import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSlotsTable } from '../../src/capacity/slots-table.ts';
import { createServing } from '../../src/control/serving.ts';
import { predictShares } from '../../src/drill/predict.ts';
import { DOWN, healthWord } from '../../src/health/health-word.ts';
import { readTallies, rowLength, talliesOf } from '../../src/nameserver/tallies.ts';
import { createWorkerState, setHealth, setSnapshot } from '../../src/nameserver/worker-state.ts';
import { plannedClasses } from '../../src/planning/planned-classes.ts';
import { SLOTS } from '../../src/steering/slots.ts';
import { createCounterRow } from '../../src/telemetry/counters.ts';
import {
  allUp,
  ask,
  compiled,
  createConfig,
  geo,
  healthOf,
  NOW_MS,
  STEERED,
  startWorker,
  UP,
} from './fixture.ts';

/** What a plan does to answers: who is passed on to which region, and what is counted of who asked. */
const base = createConfig();
const zone = base.zones['gslb.example']!;
const config = createConfig({
  policies: {
    ...base.policies,
    // The same but for the plan, and compiled before it.
    distance: {
      chain: ['healthy', 'nearest', 'first'].map((kind) => ({ kind, options: {} })),
    },
    kept: {
      chain: ['healthy', 'nearest', 'capacity', 'first'].map((kind) => ({ kind, options: {} })),
    },
  },
  zones: {
    'gslb.example': {
      ...zone,
      steered: [
        { ...STEERED[0]!, owner: 'a.gslb.example.', policy: 'distance' },
        ...STEERED.map((each) => (each.policy === 'near' ? { ...each, policy: 'kept' } : each)),
      ],
    },
  },
});
const snapshot = compiled(config);
const REGIONS = ['us', 'eu', 'ap'];
const VIPS = { '198.51.100.1': 'us', '198.51.100.2': 'eu', '198.51.100.3': 'ap' } as const;
const NETWORKS = 2000;

/** The class of the clients that are nearest to a region. */
function classNear(region: string): string {
  const all = [...plannedClasses(snapshot).values()].filter(({ pool }) => pool === 'web');
  const nearest = all.find(({ waysMs }) => {
    const [best] = [...waysMs].sort(([, a], [, b]) => a - b);
    return best?.[0] === region;
  });
  return nearest!.key;
}

const slotsOf = (shares: Readonly<Record<string, number>>): readonly number[] =>
  REGIONS.map((region) => Math.round((shares[region] ?? 0) * SLOTS));

function tableOf(
  generation: number,
  shares: Readonly<Record<string, number>>,
  without = shares,
  returning: readonly number[] = [],
) {
  const rows = [...plannedClasses(snapshot).values()]
    .filter(({ pool, waysMs }) => pool === 'web' && waysMs.get('eu')! < 60)
    .map(({ key }) => ({ key, slots: slotsOf(shares), slotsWithout: slotsOf(without) }));
  return buildSlotsTable(generation, REGIONS, returning, rows);
}

/** Where each client network of Europe is sent. */
function sent(worker: ReturnType<typeof startWorker>): readonly string[] {
  return Array.from({ length: NETWORKS }, (_, index) => {
    const subnet = `80.${100 + (index >> 8)}.${index & 255}.0/24`;
    const [address] = ask(worker, 'www.gslb.example', 'A', { subnet, nowMs: NOW_MS }).data;
    return VIPS[address as keyof typeof VIPS];
  });
}

const shareOf = (places: readonly string[], region: string): number =>
  places.filter((place) => place === region).length / places.length;

const near = (share: number, wanted: number): boolean => Math.abs(share - wanted) < 0.04;

test('without a plan, and for classes that it does not know, everybody is in the nearest region', () => {
  const worker = startWorker(snapshot);
  assert.equal(shareOf(sent(worker), 'eu'), 1);
  const table = buildSlotsTable(1, REGIONS, [], []);
  setHealth(worker, { ...healthOf(allUp(snapshot)), slots: table }, 1);
  assert.equal(shareOf(sent(worker), 'eu'), 1);
});

test('each region has the part of the clients that the plan gives it, always the same ones', () => {
  const worker = startWorker(snapshot);
  const health = healthOf(allUp(snapshot));
  setHealth(worker, { ...health, slots: tableOf(1, { eu: 0.7, us: 0.3 }) }, 1);
  const before = sent(worker);
  assert.ok(near(shareOf(before, 'eu'), 0.7) && near(shareOf(before, 'us'), 0.3));
  assert.deepEqual(sent(worker), before, 'clients stay');
  const { scope } = ask(worker, 'www.gslb.example', 'A', { subnet: '80.99.2.0/24' });
  assert.equal(scope, 24, 'what a network gets is its own');

  setHealth(worker, { ...health, slots: tableOf(2, { eu: 0.6, us: 0.4 }) }, 1);
  const after = sent(worker);
  assert.ok(near(shareOf(after, 'eu'), 0.6));
  const back = after.filter((place, index) => place === 'eu' && before[index] === 'us');
  assert.equal(back.length, 0, 'more are passed on, and nobody comes back for it');
});

test('a plan whose region is down shares out what is left, until there is one without it', () => {
  const worker = startWorker(snapshot);
  const words = allUp(snapshot);
  words[snapshot.endpoints.findIndex(({ name }) => name === 'web/eu')] = healthWord(DOWN, UP);
  const health = healthOf(words);
  setHealth(worker, { ...health, slots: tableOf(1, { eu: 0.5, us: 0.1, ap: 0.4 }) }, 1);
  const places = sent(worker);
  assert.ok(near(shareOf(places, 'us'), 0.2) && near(shareOf(places, 'ap'), 0.8));
  setHealth(worker, { ...health, slots: tableOf(2, { eu: 1 }) }, 1);
  assert.equal(shareOf(sent(worker), 'eu'), 0, 'the order of regions holds');
});

test('while a region returns, those for whom it is back go by the plan, and the others by the one without', () => {
  const worker = startWorker(snapshot);
  const words = allUp(snapshot);
  const eu = snapshot.endpoints.findIndex(({ name }) => name === 'web/eu');
  words[eu] = healthWord(0, UP, 0.25);
  const table = tableOf(1, { eu: 1 }, { ap: 1 }, [REGIONS.indexOf('eu')]);
  setHealth(worker, { ...healthOf(words), slots: table }, 1);
  const places = sent(worker);
  assert.ok(near(shareOf(places, 'eu'), 0.25), `${shareOf(places, 'eu')}`);
  assert.ok(near(shareOf(places, 'ap'), 0.75), `${shareOf(places, 'ap')}`);
});

test('it is counted which classes asked, and where they were sent', () => {
  const row = createCounterRow(rowLength(snapshot));
  const worker = createWorkerState(row);
  setSnapshot(worker, snapshot, {
    ...healthOf(allUp(snapshot)),
    slots: tableOf(1, { eu: 0.7, us: 0.3 }),
  });
  const places = sent(worker);
  ask(worker, 'share.gslb.example', 'A', { subnet: '80.99.2.0/24' });
  const tallies = new Map<string, Map<string, number>>();
  readTallies(talliesOf(snapshot), row, tallies);
  assert.deepEqual([...tallies.keys()], [classNear('eu')], 'names of other policies do not count');
  const counts = tallies.get(classNear('eu'))!;
  for (const region of ['eu', 'us']) {
    assert.equal(counts.get(region), places.filter((place) => place === region).length);
  }
});

test('names of one pool and policy are counted together, and nothing is where no policy asks', () => {
  const { bases, pools } = talliesOf(snapshot);
  assert.deepEqual(
    pools.map(({ pool }) => pool),
    ['web', 'legacy'],
  );
  assert.ok([...bases].filter((slot) => slot > 0).length >= 2);
  assert.deepEqual(talliesOf(compiled()).pools, []);
});

test('a drill predicts who answers by the plan, and by the one without the region', () => {
  const { names } = createServing(config, { snapshot, geo });
  const web = names.filter(({ name }) => name === 'www.gslb.example.');
  const planned = {
    now: tableOf(1, { eu: 1 }),
    without: tableOf(2, { us: 0.25, ap: 0.75 }),
  };
  const [told] = predictShares(web, () => 0, 'eu', planned);
  const [plain] = predictShares(web, () => 0, 'eu');
  const share = (shares: NonNullable<typeof told>['before'], region: string): number =>
    shares.find((each) => each.region === region)!.share;
  const moved = share(told!.before, 'eu');
  assert.ok(moved > 0.05);
  assert.equal(share(told!.during, 'eu'), 0);
  const gained = (region: string): number =>
    share(told!.during, region) - share(told!.before, region);
  assert.ok(
    Math.abs(gained('us') - moved / 4) < 1e-3 && Math.abs(gained('ap') - (moved * 3) / 4) < 1e-3,
  );
  assert.ok(share(plain!.during, 'us') > share(told!.during, 'us'), 'all would go to the nearest');
});
