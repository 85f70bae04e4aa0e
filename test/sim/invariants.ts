import { STALE_HOLD_MS } from '../../src/health/quorum.ts';
import { ask } from '../scenario/datagram.ts';
import { BEND_MAX_MS } from './faults.ts';
import type { Plan, PlannedPool } from './plan.ts';
import type { SimNode } from './sim-node.ts';
import type { Place, World } from './world.ts';

/**
 * What must hold in every simulated world, whatever breaks. Each check returns what is wrong, in words
 * that begin with the invariant's name, or nothing.
 */
export type Violation = { readonly invariant: string; readonly what: string };

const wrong = (invariant: string, what: string): Violation => ({ invariant, what });

/** Times by which things must have happened, from the plan's own settings. */
export type Bounds = {
  /** A probe that failed may count for so long. */
  readonly evidenceMs: number;
  readonly downMs: number;
  readonly upMs: number;
  readonly agreeMs: number;
};

const IDLE_MAX_MS = 60_000;
const MARGIN_MS = 30_000;

export function boundsOf({ monitor: { fall, intervalMs, rise } }: Plan): Bounds {
  const idleMs = Math.max(intervalMs, Math.min(4 * intervalMs, IDLE_MAX_MS));
  const leaseMs = 3 * Math.max(idleMs, 500);
  return {
    evidenceMs: (rise + 1) * idleMs * 1.2 + leaseMs + MARGIN_MS,
    downMs: (fall + 2) * intervalMs * 1.2 + MARGIN_MS,
    upMs: (rise + 2) * idleMs * 1.2 + MARGIN_MS,
    agreeMs: 3 * MARGIN_MS,
  };
}

/** Unknown is not down: nobody is withdrawn without enough failure domains that saw it fail. */
export function checkWithdrawal(
  world: World,
  bounds: Bounds,
  node: string,
  endpoint: string,
): Violation | undefined {
  const { plan, truth } = world;
  const [poolName, region] = endpoint.split('/') as [string, string];
  const pool = plan.pools.find(({ name }) => name === poolName)!;
  const nowMs = world.clock.nowMs();
  // What others hold, or was held before a restart, may be as old as a state is held.
  const hasPast = plan.size !== 'alone' || world.places.get(node)!.lives > 1;
  const sinceMs = nowMs - bounds.evidenceMs - (hasPast ? STALE_HOLD_MS : 0);
  const groups = new Set(truth.sawFail(endpoint, sinceMs));
  // Its own region's word is a veto.
  if (groups.delete(region)) return undefined;
  const need = Math.max(pool.quorumMin, hasPast ? 1 : honestMajority(world, region));
  if (groups.size >= need) return undefined;
  const saw = [...groups].join(', ') || 'nobody';
  return wrong(
    'no false withdrawal',
    `${endpoint} is down on ${node}; ${saw} saw it fail, ${need} needed`,
  );
}

/** More than half of the failure domains whose eyes are sound now, the region's own left out. */
function honestMajority({ plan, truth }: World, region: string): number {
  const groups = new Set(
    plan.nodes
      .flatMap(({ vantages }) => vantages)
      .filter((vantage) => vantage.region !== region && truth.seesWell(vantage))
      .map((vantage) => vantage.region),
  );
  return Math.ceil((groups.size + 1) / 2);
}

/** All that must hold on a living node now. */
export function checkNode(
  world: World,
  bounds: Bounds,
  name: string,
  draw: () => number,
): Violation | undefined {
  const place = world.places.get(name)!;
  const node = place.running!;
  return (
    checkAnswers(world, name, node, draw) ??
    checkLiveness(world, bounds, name, node) ??
    checkLimit(world, name, place, node) ??
    checkWords(world, bounds, name, node)
  );
}

/** A steered name never answers empty, nor with what is not its pool's; TTLs and scopes are kept. */
function checkAnswers(
  world: World,
  name: string,
  { scenario }: SimNode,
  draw: () => number,
): Violation | undefined {
  const { plan } = world;
  const pool = plan.pools[Math.floor(draw() * plan.pools.length)]!;
  const client = Math.floor(draw() * plan.regions.length);
  const question = (type: 'A' | 'AAAA', host: number) => ({
    name: `${pool.name}.gslb.example`,
    type,
    from: '127.0.0.1',
    subnet: `16.${client}.${host}.0/24`,
  });
  const nowMs = scenario.clock.nowMs();
  const answer = ask(scenario.worker, question('A', 1), nowMs);
  world.counts.answers += 1;
  const told = `${name} tells clients near r${client} of ${pool.name}: ${answer.rcode} ${answer.addresses.join(' ')}`;
  if (answer.rcode !== 'NOERROR' || answer.addresses.length === 0) {
    return wrong('never empty', told);
  }
  const vips = new Set(
    plan.regions.filter((each) => pool.regions.includes(each.name)).map(({ vip }) => vip),
  );
  if (!answer.addresses.every((address) => vips.has(address))) return wrong('only its own', told);
  const [ttl = -1] = answer.ttls;
  if (ttl < pool.ttl.min || ttl > pool.ttl.max)
    return wrong('TTL within bounds', `${told}: ${ttl} s`);
  const other = ask(scenario.worker, question('A', 77), nowMs);
  const shares = (answer.scope ?? 0) < 24;
  if (shares && other.addresses.join() !== answer.addresses.join() && !hasParts(pool)) {
    return wrong(
      'scope',
      `${told} with scope /${answer.scope}, and others in it ${other.addresses.join()}`,
    );
  }
  const six = ask(scenario.worker, question('AAAA', 1), nowMs);
  if (six.rcode !== 'NODATA') return wrong('NODATA for all or none', `${told}; AAAA ${six.rcode}`);
  return checkAnswered(world, name, scenario, pool, answer.addresses, told);
}

/** With a slow return two clients of one network may get two regions: each is right for both. */
const hasParts = ({ ramp }: PlannedPool): boolean => ramp;

/** What has long been judged down is not answered while something better is there. */
function checkAnswered(
  { plan }: World,
  name: string,
  { desk }: SimNode['scenario'],
  pool: PlannedPool,
  addresses: readonly string[],
  told: string,
): Violation | undefined {
  const states = new Map(
    pool.regions.map((region) => [region, desk.status(`${pool.name}/${region}`)!]),
  );
  const seenAlike = [...states.values()].every(({ near }) => near.length === 0);
  const isGood = [...states.values()].some(({ share, state }) => state === 'up' && share === 1);
  if (!seenAlike || !isGood) return undefined;
  for (const { name: region, vip } of plan.regions) {
    if (addresses.includes(vip) && states.get(region)?.state === 'down') {
      return wrong('answers follow health', `${told}, and ${name} has judged ${region} down`);
    }
  }
  return undefined;
}

/** What is dead for everybody is down on every node in time, and what is fine is up again. */
function checkLiveness(
  { calmSinceMs, clock, plan, truth }: World,
  bounds: Bounds,
  name: string,
  { scenario }: SimNode,
): Violation | undefined {
  const calmMs = calmSinceMs();
  if (calmMs === undefined) return undefined;
  const nowMs = clock.nowMs();
  for (const pool of plan.pools) {
    for (const region of pool.regions) {
      const endpoint = `${pool.name}/${region}`;
      const { judged, reason } = scenario.desk.status(endpoint)!;
      const deadMs = truth.deadSinceMs(endpoint);
      const fineMs = truth.fineSinceMs(endpoint);
      const after = (sinceMs: number | undefined): number =>
        sinceMs === undefined ? -1 : nowMs - Math.max(sinceMs, calmMs, truth.eyesSinceMs());
      if (after(deadMs) > bounds.downMs && judged !== 'down') {
        return wrong('the dead leave', `${endpoint} is ${judged} on ${name} (${reason})`);
      }
      if (after(fineMs) > bounds.upMs && judged !== 'up' && plan.noise === 0) {
        return wrong('the living return', `${endpoint} is ${judged} on ${name} (${reason})`);
      }
    }
  }
  return undefined;
}

/** Within the window no more of a pool leaves by itself than its limit says. */
function checkLimit(
  { clock, plan }: World,
  name: string,
  { downSinceMs }: Place,
  { scenario }: SimNode,
): Violation | undefined {
  for (const { name: pool, regions, withdrawals } of plan.pools) {
    const members = regions.map((region) => scenario.desk.status(`${pool}/${region}`)!);
    if (members.every(({ judged }) => judged === 'down')) continue;
    const recent = regions.filter((region, index) => {
      const since = downSinceMs.get(`${pool}/${region}`);
      const isOut = members[index]!.state === 'down';
      return isOut && since !== undefined && clock.nowMs() - since < withdrawals.windowMs - 1000;
    });
    if (recent.length > regions.length * withdrawals.shareMax + 1e-6) {
      return wrong(
        'withdrawal limit',
        `${recent.length} of ${regions.length} endpoints of ${pool} have left on ${name}: ${recent.join(', ')}`,
      );
    }
  }
  return undefined;
}

/** Words of people are the same everywhere when all is well: none lost, none back, none too long. */
function checkWords(
  { calmSinceMs, clock, words }: World,
  bounds: Bounds,
  name: string,
  { overrides }: SimNode,
): Violation | undefined {
  const calmMs = calmSinceMs();
  if (calmMs === undefined || clock.nowMs() - calmMs < bounds.agreeMs) return undefined;
  const inForce = overrides.current().map(({ reason }) => reason);
  const problem = words.problem(inForce, clock.nowMs(), BEND_MAX_MS, bounds.agreeMs);
  return problem === undefined ? undefined : wrong('words of people', `on ${name}: ${problem}`);
}
