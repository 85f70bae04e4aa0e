import { STALE_HOLD_MS } from '../../src/health/quorum.ts';
import type { Bounds } from './bounds.ts';
import type { PlannedVantage } from './plan.ts';
import { type Violation, wrong } from './violation.ts';
import type { World } from './world.ts';

/**
 * Unknown is not down: nobody is withdrawn without enough failure domains that had reason to say so.
 * The rule is that of docs/decisions/0018, counted over what probes really saw:
 *
 *  - a domain accuses when most of its vantage points that take part have reason to;
 *  - one whose eyes have been broken for long distrusts itself: it neither accuses nor acquits, and
 *    when it sees again nothing that it saw meanwhile is a reason;
 *  - down needs more than half of the domains that take part, the endpoint's own left out, and the
 *    pool's minimum; or the word of the endpoint's own, or of its balancer.
 *
 * Who takes part is certain only while nodes and ways have been well for a while. Otherwise, and for
 * as long as a judgement may outlive its votes, only the minimum is asked for.
 */
export function checkWithdrawal(
  world: World,
  bounds: Bounds,
  node: string,
  endpoint: string,
): Violation | undefined {
  const { plan, truth } = world;
  const nowMs = world.clock.nowMs();
  const [poolName, region] = endpoint.split('/') as [string, string];
  const { quorumMin } = plan.pools.find(({ name }) => name === poolName)!;
  const calmMs = world.calmSinceMs();
  const isClear = calmMs !== undefined && nowMs - calmMs > bounds.agreeMs;
  const hasPast = calmMs === undefined || nowMs - calmMs <= STALE_HOLD_MS + bounds.evidenceMs;
  const sinceMs = nowMs - bounds.evidenceMs - (hasPast ? STALE_HOLD_MS : 0);
  if (truth.unreadyAtMs(endpoint) >= sinceMs) return undefined;
  const accusers = truth.evidence.accusers(endpoint, sinceMs, hasPast);
  const isNear = (since: number | undefined): boolean =>
    since !== undefined && nowMs - since <= bounds.distrustMs;
  const sides = { accusing: new Set<string>(), acquitting: new Set<string>() };
  for (const [group, members] of groupsOf(plan.nodes.flatMap(({ vantages }) => vantages))) {
    const heard = members.filter((each) => {
      const blindMs = truth.blindSinceMs(each);
      return hasPast || !plan.hasCanaries || blindMs === undefined || isNear(blindMs);
    });
    const against = heard.filter(({ name }) => accusers.has(name)).length;
    const surelyFor = heard.filter(
      (each) =>
        !accusers.has(each.name) && isClear && isSure(truth.soundSinceMs(each), nowMs, bounds),
    ).length;
    if (against > surelyFor) sides.accusing.add(group);
    else if (surelyFor > 0) sides.acquitting.add(group);
  }
  if (sides.accusing.delete(region)) return undefined;
  sides.acquitting.delete(region);
  const { accusing, acquitting } = sides;
  const majority = Math.ceil((accusing.size + acquitting.size + 1) / 2);
  // Without canaries one that is sound may distrust itself, and nobody outside can tell.
  const need = hasPast || !plan.hasCanaries ? 1 : Math.max(quorumMin, majority);
  if (accusing.size >= need) return undefined;
  const against = [...accusing].join(', ') || 'nobody';
  const what = `${endpoint} is down on ${node}; ${against} had reason to say so, ${need} needed of ${[...accusing, ...acquitting].join(', ')}`;
  return wrong('no false withdrawal', what);
}

const isSure = (since: number | undefined, nowMs: number, { distrustMs }: Bounds): boolean =>
  since !== undefined && nowMs - since > distrustMs;

function groupsOf(vantages: readonly PlannedVantage[]): ReadonlyMap<string, PlannedVantage[]> {
  return Map.groupBy(vantages, ({ region }) => region);
}
