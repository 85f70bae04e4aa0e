import { type Violation, wrong } from './violation.ts';
import type { World } from './world.ts';

/**
 * Nodes that hear each other judge alike. News take moments and not minutes, so whatever two of them
 * see otherwise for longer than that, while nothing is wrong with the nodes and the ways between them,
 * they will see otherwise for good.
 */
export type Agreement = {
  /** Compares all living nodes. */
  check(world: World): Violation | undefined;
};

/** Two nodes that hold the same may let go of it this much apart, and news be lost some times. */
export const AGREE_MS = 60_000;

export function createAgreement(): Agreement {
  /** Endpoint -> since when nodes have been seen to disagree. */
  const since = new Map<string, number>();
  return {
    check(world) {
      const calmMs = world.calmSinceMs();
      const nowMs = world.clock.nowMs();
      if (calmMs === undefined || world.plan.nodes.length < 2) {
        since.clear();
        return undefined;
      }
      const revisions = new Set(world.living().map(([name]) => world.places.get(name)!.revision));
      if (revisions.size > 1 && nowMs - calmMs > AGREE_MS) {
        return wrong('nodes agree', `they have revisions ${[...revisions].join(', ')}`);
      }
      for (const pool of world.plan.pools) {
        for (const region of pool.regions) {
          const endpoint = `${pool.name}/${region}`;
          const views = viewsOf(world, endpoint);
          if (new Set(views.values()).size < 2 || [...views.values()].includes(ABSENT))
            since.delete(endpoint);
          else if (!since.has(endpoint)) since.set(endpoint, nowMs);
          const sinceMs = Math.max(since.get(endpoint) ?? nowMs, calmMs);
          if (nowMs - sinceMs <= AGREE_MS) continue;
          const told = [...views].map(([node, view]) => `${node}: ${view}`).join('; ');
          return wrong('nodes agree', `${endpoint} for ${nowMs - sinceMs} ms: ${told}`);
        }
      }
      return undefined;
    },
  };
}

/** Of an endpoint that a node's configuration does not have. */
const ABSENT = 'absent';

/** What each node judges: for the world, and for clients near regions that see it otherwise. */
function viewsOf(world: World, endpoint: string): ReadonlyMap<string, string> {
  return new Map(
    world.living().map(([name, { scenario }]) => {
      const status = scenario.desk.status(endpoint);
      if (status === undefined) return [name, ABSENT];
      const { judged, near } = status;
      const others = near
        .map(({ region, state }) => ({ region, state: state === 'frozen' ? 'down' : state }))
        .filter(({ state }) => state !== judged)
        .map(({ region, state }) => `${state} near ${region}`);
      return [name, [judged, ...others.sort()].join(', ')];
    }),
  );
}
