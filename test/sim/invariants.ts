import type { WholeNode } from '../scenario/whole-node.ts';
import { askAndCheck } from './answers.ts';
import type { Bounds } from './bounds.ts';
import { BEND_MAX_MS } from './faults.ts';
import type { PlannedPool } from './plan.ts';
import { type Violation, wrong } from './violation.ts';
import { checkWithdrawal } from './withdrawals.ts';
import { type Place, poolAt, type World } from './world.ts';

/** All that must hold on a living node now. Looks at one pool and one client, drawn at random. */
export function checkNode(
  world: World,
  bounds: Bounds,
  name: string,
  draw: () => number,
): Violation | undefined {
  const place = world.places.get(name)!;
  const node = place.running!;
  const pool = poolAt(place, world.plan.pools[Math.floor(draw() * world.plan.pools.length)]!);
  const asked = askAndCheck(world, name, node, draw);
  if (asked.violation !== undefined) return asked.violation;
  const answered = world.plan.regions.filter(({ vip }) => asked.addresses.includes(vip));
  const regions = answered.map((each) => each.name);
  world.promises.give(name, asked.pool, regions, asked.ttlSeconds, world.clock.nowMs());
  return (
    checkLiveness(world, bounds, name, node, pool) ??
    checkLimit(world, name, place, node, pool) ??
    checkWords(world, bounds, name, node)
  );
}

/** A node judges an endpoint down: there must be reason, and no answer that said "not before". */
export function checkDown(
  world: World,
  bounds: Bounds,
  node: string,
  endpoint: string,
): Violation | undefined {
  const { clock, promises, truth } = world;
  const calmMs = world.calmSinceMs();
  const steadyMs = Math.max(calmMs ?? Number.POSITIVE_INFINITY, truth.eyesChangedMs());
  return (
    checkWithdrawal(world, bounds, node, endpoint) ??
    // A balancer that serves nobody any more could not know it before.
    (truth.isReady(endpoint)
      ? promises.brokenBy(node, endpoint, steadyMs + bounds.agreeMs, clock.nowMs())
      : undefined)
  );
}

/** What is dead for everybody is down in time, and what is fine is up again. */
function checkLiveness(
  world: World,
  bounds: Bounds,
  name: string,
  { scenario }: WholeNode,
  pool: PlannedPool,
): Violation | undefined {
  const { clock, plan, truth } = world;
  const calmMs = world.calmSinceMs();
  if (calmMs === undefined) return undefined;
  const nowMs = clock.nowMs();
  const eyesMs = truth.eyesChangedMs() + bounds.distrustMs;
  const never = Number.POSITIVE_INFINITY;
  const toldMs = plan.hasCanaries ? 0 : (truth.comparableSinceMs() ?? never) + bounds.distrustMs;
  const openMs = plan.hasCanaries ? 0 : (truth.openSinceMs() ?? never) + bounds.distrustMs;
  for (const region of pool.regions) {
    const endpoint = `${pool.name}/${region}`;
    const { is, sinceMs } = truth.state(endpoint);
    const lastsMs = nowMs - Math.max(sinceMs, calmMs, eyesMs);
    if (is === 'unclear' || !canJudge(world, pool, region)) continue;
    if (is === 'dead' && Math.min(lastsMs, nowMs - toldMs) > bounds.downMs) {
      const { judged, reason } = scenario.desk.status(endpoint)!;
      if (judged !== 'down') {
        return wrong('the dead leave', `${endpoint} is ${judged} on ${name} (${reason})`);
      }
    }
    const isLong = Math.min(lastsMs, nowMs - openMs) > bounds.upMs;
    if (is === 'fine' && isLong && plan.noise === 0) {
      const { judged, reason } = scenario.desk.status(endpoint)!;
      if (judged !== 'up') {
        return wrong('the living return', `${endpoint} is ${judged} on ${name} (${reason})`);
      }
    }
  }
  return undefined;
}

/** Enough failure domains have eyes that are sound. */
function canJudge({ plan, truth }: World, { quorumMin }: PlannedPool, region: string): boolean {
  const groups = new Set(
    plan.nodes
      .flatMap(({ vantages }) => vantages)
      .filter((each) => each.region !== region && truth.soundSinceMs(each) !== undefined)
      .map((each) => each.region),
  );
  return groups.size >= quorumMin;
}

/** Within the window no more of a pool leaves by itself than its limit says, or the largest one alone. */
function checkLimit(
  { clock }: World,
  name: string,
  { downSinceMs }: Place,
  { scenario }: WholeNode,
  { name: pool, regions, weights, withdrawals }: PlannedPool,
): Violation | undefined {
  const isRecent = (region: string): boolean => {
    const since = downSinceMs.get(`${pool}/${region}`);
    return since !== undefined && clock.nowMs() - since < withdrawals.windowMs - 1000;
  };
  const weigh = (some: readonly string[]): number =>
    some.reduce((sum, region) => sum + weights.get(region)!, 0);
  const mayLeave = weigh(regions) * withdrawals.shareMax + 1e-6;
  if (weigh(regions.filter(isRecent)) <= mayLeave) return undefined;
  const members = regions.map((region) => scenario.desk.status(`${pool}/${region}`)!);
  if (members.every(({ judged }) => judged === 'down')) return undefined;
  const left = regions.filter(
    (region, index) => isRecent(region) && members[index]!.state === 'down',
  );
  const isOne = left.filter((region) => weights.get(region)! > 0).length === 1;
  if (isOne || weigh(left) <= mayLeave) return undefined;
  const what = `${weigh(left)} of ${weigh(regions)} parts of ${pool} have left on ${name}: ${left.join(', ')}`;
  return wrong('withdrawal limit', what);
}

/** Words of people are the same everywhere when all is well: none lost, none back, none too long. */
function checkWords(
  { calmSinceMs, clock, wasBent, words }: World,
  bounds: Bounds,
  name: string,
  { overrides }: WholeNode,
): Violation | undefined {
  const calmMs = calmSinceMs();
  if (calmMs === undefined || clock.nowMs() - calmMs < bounds.agreeMs) return undefined;
  const inForce = overrides.current().map(({ reason }) => reason);
  const slackMs = wasBent() ? BEND_MAX_MS : CLOCK_SLACK_MS;
  const problem = words.problem(inForce, clock.nowMs(), slackMs, bounds.agreeMs);
  return problem === undefined ? undefined : wrong('words of people', `on ${name}: ${problem}`);
}

/** Clocks that nobody has bent agree up to this. */
const CLOCK_SLACK_MS = 1000;
