import { ask } from '../scenario/datagram.ts';
import type { WholeNode } from '../scenario/whole-node.ts';
import type { PlannedPool } from './plan.ts';
import { type Violation, wrong } from './violation.ts';
import { poolAt, type World } from './world.ts';

/**
 * What one node answers to one client drawn at random: never nothing, only what is the pool's, with a
 * TTL within the policy's bounds, the same for all clients within the scope, and as its health says.
 */
export type Asked = {
  readonly violation: Violation | undefined;
  readonly pool: PlannedPool;
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
};

const CLIENT_BITS = 24;

export function askAndCheck(
  world: World,
  name: string,
  { scenario }: WholeNode,
  draw: () => number,
): Asked {
  const { plan } = world;
  const place = world.places.get(name)!;
  const pool = poolAt(place, plan.pools[Math.floor(draw() * plan.pools.length)]!);
  const client = clientNear(Math.floor(draw() * plan.regions.length), draw);
  const nowMs = scenario.clock.nowMs();
  const about = (type: 'A' | 'AAAA', address: number) => {
    const subnet = `${dotted(address)}/${CLIENT_BITS}`;
    const question = { name: `${pool.name}.gslb.example`, type, from: '127.0.0.1', subnet };
    return ask(scenario.worker, question, nowMs);
  };
  const answer = about('A', client);
  const { addresses, rcode, scope = 0, ttls } = answer;
  const [ttlSeconds = -1] = ttls;
  world.counts.answers += 1;
  const told = `${name} tells ${dotted(client)} of ${pool.name}: ${rcode} ${addresses.join(' ')} for ${ttlSeconds} s with scope /${scope}`;
  const check = (): Violation | undefined => {
    if (rcode !== 'NOERROR' || addresses.length === 0) return wrong('never empty', told);
    const own = vipsOf(world, pool);
    if (!addresses.every((address) => own.has(address))) return wrong('only its own', told);
    if (ttlSeconds < pool.ttl.min || ttlSeconds > pool.ttl.max) {
      return wrong('TTL within bounds', told);
    }
    const other = about('A', withinScope(client, scope, draw));
    // A weighted answer is drawn anew for every network, and each is right for all of the scope.
    const isDrawn = pool.ramp || pool.policy === 'weighted';
    if (!isDrawn && other.addresses.join() !== addresses.join()) {
      return wrong('scope', `${told}, and to another in it ${other.addresses.join(' ')}`);
    }
    const six = about('AAAA', client);
    if (six.rcode !== 'NODATA' || six.scope !== 0) {
      return wrong('NODATA for all or none', `${told}; AAAA ${six.rcode} with scope /${six.scope}`);
    }
    return checkAgainstHealth(world, scenario, pool, addresses, told);
  };
  return { violation: check(), pool, addresses, ttlSeconds };
}

/** What is down is not answered while something better is there. */
function checkAgainstHealth(
  { plan }: World,
  { desk }: WholeNode['scenario'],
  pool: PlannedPool,
  addresses: readonly string[],
  told: string,
): Violation | undefined {
  const states = pool.regions.map((region) => ({
    region,
    ...desk.status(`${pool.name}/${region}`)!,
  }));
  const seenAlike = states.every(({ near }) => near.length === 0);
  const isGood = states.some(({ share, state }) => state === 'up' && share === 1);
  // Below the threshold a pool is answered as if all of it were up.
  if (!seenAlike || !isGood) return undefined;
  const out = states.filter(({ state }) => /^(down|drained|forced-down)$/.test(state));
  for (const { region, state } of out) {
    const { vip } = plan.regions.find(({ name }) => name === region)!;
    if (addresses.includes(vip)) {
      return wrong('answers follow health', `${told}, though ${region} is ${state} there`);
    }
  }
  return undefined;
}

function vipsOf({ plan }: World, pool: PlannedPool): ReadonlySet<string> {
  const members = plan.regions.filter(({ name }) => pool.regions.includes(name));
  return new Set(members.map(({ vip }) => vip));
}

/** Clients of 16.N.0.0/16 are near region N. */
function clientNear(region: number, draw: () => number): number {
  return ((16 << 24) | (region << 16) | Math.floor(draw() * 2 ** 16)) >>> 0;
}

/** Any address whose first bits are the same. */
function withinScope(address: number, scope: number, draw: () => number): number {
  const free = 2 ** (32 - Math.min(scope, CLIENT_BITS));
  return Math.floor(address / free) * free + Math.floor(draw() * free);
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}
