import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  addressOf,
  familyOf,
  NETWORK_NAMES,
  NETWORKS,
  type NetworkName,
  nameserver,
  networkOf,
  REGIONS,
  type Region,
  vip,
  type Ways,
} from './networks.ts';
import type { ToldRow } from './read-sketches.ts';
import { startVisitors, VISIT_EVERY_MS, type Visitors } from './visitors.ts';
import { NAME, startWorld, type World } from './world.ts';

/**
 * Steering by latency as a whole, with real connections over ways that take their time: the kernels of the balancers
 * measure, nodes tell each other, one makes the map, and names lead where packets are quickest, whatever geography says.
 *
 * Times are counted in windows, by what nodes tell in each: on a busy machine windows are late, and so is all else.
 */
const RULES = { windowMs: 2_000, windows: 3, bandMs: 10, bandPercent: 10, dwellMs: 8_000 };

/** What is measured is told at the end of a window of the balancer's, and planned with at the end of one of the planner's. */
const UNTIL_PLANNED = 2;
/** And then it is compiled and served, on a machine that has much else to do. */
const SLACK = 3;
/** Until what was measured outweighs what distance says: two connections' worth, and strays make four in a window. */
const UNTIL_BELIEVED = 4;
/** Connections of before that new ones are averaged with (clients/latency-table.ts). */
const SMOOTHED = 20;
const PER_WINDOW = RULES.windowMs / VISIT_EVERY_MS;
/** Strays go to two other regions. */
const STRAYS_PER_WINDOW = PER_WINDOW / 4;
const STEADY_TURNS = 6;
const WINDOWS_PER_TURN = 2;
const RTT_TOLERANCE = 0.1;
/** Of a network and region, to say anything of what is told. */
const TOLD_MIN = 2;
/** Many times what is expected: other programs share the machine. */
const PATIENCE_FACTOR = 4;

let world: World;
let visitors: Visitors;
let begunMs = 0;
before(async () => {
  world = await startWorld(RULES);
  begunMs = Date.now();
  visitors = startVisitors(world.topology.processes, NAME);
});
after(() => world?.topology.close());

test('each network is sent where its packets are quickest, though geography says otherwise', async (t) => {
  const most = UNTIL_PLANNED + UNTIL_BELIEVED + RULES.windows + SLACK;
  const moved = new Map<NetworkName, number>();
  for (const name of NETWORK_NAMES) {
    moved.set(name, await told(name, bestOf(name), begunMs, most));
  }
  for (const name of NETWORK_NAMES) {
    const { near } = NETWORKS[name];
    const best = bestOf(name);
    const expected = best === near ? [near] : [near, best];
    assert.deepEqual(visitors.history(name, begunMs), expected, name);
    const windows = best === near ? 0 : await windowsBetween(begunMs, moved.get(name)!);
    t.diagnostic(`${name}: near ${near}, sent to ${best} after ${windows} of ${most} windows`);
    assert.ok(windows <= most, name);
  }
});

test('what balancers measure is what the ways take, within a tenth', async (t) => {
  const rows = await world.toldSince(begunMs);
  const isKnown = new Set<Region>();
  let [worst, count] = [0, 0];
  for (const name of NETWORK_NAMES) {
    const told = REGIONS.flatMap((region) => {
      const measured = rttsOf(rows, name, region);
      if (measured.length < TOLD_MIN) return [];
      const [real, rttMs] = [NETWORKS[name].ways[region], medianOf(measured)];
      worst = Math.max(worst, Math.abs(rttMs - real) / real);
      count += 1;
      isKnown.add(region);
      return [`${region} ${rttMs.toFixed(1)} of ${real} ms`];
    });
    t.diagnostic(`${name}: ${told.join(', ')}`);
    assert.ok(told.length >= (NETWORKS[name].hasStrays ? REGIONS.length : 1), name);
  }
  t.diagnostic(`${count} ways, the worst is off by ${(worst * 100).toFixed(1)} %`);
  assert.equal(isKnown.size, REGIONS.length);
  assert.ok(worst <= RTT_TOLERANCE);
});

test('nobody moves while the better of two regions changes within the band', async (t) => {
  const sinceMs = Date.now();
  const before = await world.latency();
  // Better than where its clients are sent by less than the band, all the time.
  await world.change({ delhi: { singapore: NETWORKS.delhi.ways.frankfurt - 5 } });
  const { frankfurt, virginia } = NETWORKS.boston.ways;
  for (let turn = 0; turn < STEADY_TURNS; turn += 1) {
    const isTurned = turn % 2 === 0;
    await world.change({
      boston: isTurned ? { virginia: frankfurt, frankfurt: virginia } : { virginia, frankfurt },
    });
    await delay(WINDOWS_PER_TURN * RULES.windowMs);
  }
  const rows = await world.toldSince(sinceMs);
  const [here, there] = [rttsOf(rows, 'boston', 'virginia'), rttsOf(rows, 'boston', 'frankfurt')];
  // Each was the better one at times, and delhi's other one always.
  assert.ok(Math.min(...here) < medianOf(there) && Math.min(...there) < medianOf(here));
  const [near, far] = [rttsOf(rows, 'delhi', 'singapore'), rttsOf(rows, 'delhi', 'frankfurt')];
  assert.ok(medianOf(near) < medianOf(far));
  for (const name of NETWORK_NAMES) {
    assert.deepEqual(visitors.history(name, sinceMs), [bestOf(name)], name);
  }
  const windows = await windowsBetween(sinceMs, Date.now());
  t.diagnostic(
    `${windows} windows, no answer changed; boston: ${here.join(' ')} and ${there.join(' ')} ms`,
  );
  assert.ok(windows >= STEADY_TURNS);
  assert.equal((await world.latency())?.map?.generation, before?.map?.generation);
});

test('a way that becomes slow is left, and one that is quick again is taken again', async (t) => {
  const { frankfurt, virginia } = NETWORKS.munich.ways;
  const slow = frankfurt + 60;
  const sinceMs = Date.now();
  await world.change({ munich: { virginia: slow } });
  const band = Math.max(RULES.bandMs, (frankfurt * RULES.bandPercent) / 100);
  const mostAway =
    UNTIL_PLANNED +
    windowsUntil(virginia, slow, frankfurt + band, PER_WINDOW / 2) +
    RULES.windows +
    SLACK;
  const awayMs = await told('munich', 'frankfurt', sinceMs, mostAway);
  const windowsAway = await windowsBetween(sinceMs, awayMs);
  t.diagnostic(`slow: moved after ${windowsAway} of ${mostAway} windows`);
  assert.ok(windowsAway <= mostAway);

  const healedMs = Date.now();
  await world.change({ munich: { virginia } });
  const dwellWindows = Math.ceil(RULES.dwellMs / RULES.windowMs);
  const mostBack =
    UNTIL_PLANNED +
    windowsUntil(slow, virginia, frankfurt - band, STRAYS_PER_WINDOW) +
    Math.max(RULES.windows, dwellWindows) +
    SLACK;
  const backMs = await told('munich', 'virginia', healedMs, mostBack);
  const windowsBack = await windowsBetween(healedMs, backMs);
  t.diagnostic(`quick again: back after ${windowsBack} of ${mostBack} windows`);
  assert.ok(windowsBack <= mostBack);
  // What is seen of it may be a window off.
  assert.ok(backMs - awayMs > RULES.dwellMs - RULES.windowMs, 'the dwell time was over');

  for (const name of NETWORK_NAMES) {
    const expected = name === 'munich' ? ['virginia', 'frankfurt', 'virginia'] : [bestOf(name)];
    assert.deepEqual(visitors.history(name, sinceMs), expected, name);
  }
});

test('resolvers are answered as clients are, with client subnets and without', async (t) => {
  for (const name of NETWORK_NAMES) {
    const family = familyOf(name);
    const question = [`@${nameserver(family)}`, NAME, family === 4 ? 'A' : 'AAAA', '+short'];
    const expected = vip(bestOf(name), family);
    assert.equal(await dig('client', ...question, '-b', addressOf(name)), expected, name);
    // Subnets of private networks do not count (docs/decisions/0012).
    if (addressOf(name).startsWith('10.')) continue;
    assert.equal(await dig('ns', ...question, `+subnet=${networkOf(name)}`), expected, name);
  }
  const explained = await world.meridian('explain', NAME, '--client', networkOf('munich'));
  const line = /latency {2}(measured by connections: virginia .*)/.exec(explained)?.[1];
  assert.ok(line !== undefined, explained);
  t.diagnostic(`explain: ${line}`);
});

test('nothing was lost, and one planner has planned from first to last', async (t) => {
  await visitors.stop();
  t.diagnostic(`${visitors.count()} visits`);
  assert.deepEqual(visitors.failures(), []);
  assert.equal(world.words().match(/latency\.plans/g)?.length, 1);
});

/** Where it is to be sent: to the nearest by distance, unless another one is better by more than the band. */
function bestOf(name: NetworkName): Region {
  const { near } = NETWORKS[name];
  const ways: Ways = NETWORKS[name].ways;
  const quickest = REGIONS.toSorted((a, b) => ways[a] - ways[b])[0]!;
  const band = Math.max(RULES.bandMs, (ways[near] * RULES.bandPercent) / 100);
  return ways[near] - ways[quickest] > band ? quickest : near;
}

const told = (name: NetworkName, region: Region, sinceMs: number, windows: number) =>
  visitors.told(name, region, sinceMs, windows * RULES.windowMs * PATIENCE_FACTOR);

/** How often the balancers told what they had measured, which they do once a window; of the one that did most often. */
async function windowsBetween(fromMs: number, toMs: number): Promise<number> {
  const rows = (await world.toldSince(fromMs)).filter(({ atMs }) => atMs <= toMs);
  const countOf = (region: Region): number =>
    new Set(rows.filter((row) => row.region === region).map(({ atMs }) => atMs)).size;
  return Math.max(...REGIONS.map(countOf));
}

/** Windows until the mean of a way that has changed is beyond a bound. */
function windowsUntil(fromMs: number, toMs: number, boundMs: number, perWindow: number): number {
  const kept = 1 - perWindow / (perWindow + SMOOTHED);
  return Math.ceil(Math.log((boundMs - toMs) / (fromMs - toMs)) / Math.log(kept));
}

const rttsOf = (rows: readonly ToldRow[], name: NetworkName, region: Region): readonly number[] =>
  rows
    .filter((row) => row.network === networkOf(name) && row.region === region)
    .map(({ rttMs }) => rttMs);

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function dig(host: 'client' | 'ns', ...words: readonly string[]): Promise<string> {
  const command = ['dig', '+time=5', '+tries=2', ...words];
  return (await world.topology.processes.run(host, command)).stdout.trim();
}
